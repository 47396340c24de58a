//! What a server counts, for those who watch it. Every layer counts here, and knows nothing of who reads it; `http` hands it out.
//!
//! The library is the one of the Prometheus project. A server has a registry of its own: nothing is global. Counting looks a
//! series up under a lock that is held for a moment, and allocates nothing after the first time. Labels are words of the program (`&'static str`): no name, ID, value, subject or path, which are
//! only known while it runs, has a way into one. What is known beforehand is there from the start, at 0, so that the first time counts.

mod audit;
mod counts;
mod database;
mod key;
mod operation;
mod process;
mod token;

use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

pub use audit::{ALONE, AuditMetrics, COUNTED, WITHOUT_CALLER};
pub use counts::{Counts, Gauges, Histograms};
pub use database::{DatabaseMetrics, PoolState};
pub use key::KeyMetrics;
pub use operation::{ABANDONED, OK, OperationMetrics};
pub use token::TokenMetrics;

use process::ProcessCollector;

/// What the names of all metrics of ours begin with.
const PREFIX: &str = "credence";

/// Everything that a server counts.
pub struct Metrics {
    registry: Registry,
    /// What was asked for, and how it was answered.
    pub operations: OperationMetrics,
    /// Transactions and connections.
    pub database: DatabaseMetrics,
    /// The audit log.
    pub audit: AuditMetrics,
    /// The keyring, and the values under its keys.
    pub keys: KeyMetrics,
    /// Tokens.
    pub tokens: TokenMetrics,
    /// Batches of spans that were sent to where traces go, by `outcome`: `sent` or `failed`.
    pub trace_exports: Counts<1>,
}

impl Metrics {
    /// Counters of a server whose database is one of this kind (`sqlite`, `postgres`).
    #[must_use]
    pub fn new(database: &'static str) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(ProcessCollector::default()));
        let own = registry.sub_registry_with_prefix(PREFIX);
        let build = Gauges::new(["version", "database"]);
        build.register(
            own,
            "build_info",
            "The version of the server, and its kind of database",
        );
        build.set([env!("CARGO_PKG_VERSION"), database], 1);
        let trace_exports = Counts::new(["outcome"]).expecting([["sent"], ["failed"]]);
        trace_exports.register(own, "trace_exports", "Batches of spans that were exported");
        Self {
            operations: OperationMetrics::new(own),
            database: DatabaseMetrics::new(own),
            audit: AuditMetrics::new(own),
            keys: KeyMetrics::new(own),
            tokens: TokenMetrics::new(own),
            trace_exports,
            registry,
        }
    }

    /// All of it, in the text format of `OpenMetrics` 1.0.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut encoded = String::new();
        // Writing to a text does not fail.
        let _written = text::encode(&mut encoded, &self.registry);
        encoded
    }
}
