//! Transactions that write, and connections that read.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::counts::{Counts, Gauges, durations};

/// The bounds of how many jobs share a commit: 64 at most on SQLite, 1 on PostgreSQL.
const BATCH_BOUNDS: [f64; 7] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];
const COMMITTED: &str = "committed";
const FAILED: &str = "failed";

/// Transactions and connections.
pub struct DatabaseMetrics {
    commits: Counts<1>,
    commit_jobs: Histogram,
    commit_durations: Histogram,
    queued_jobs: Gauge,
    refused_jobs: Counter,
    connections: Gauges<1>,
    limit: Gauge,
    waits: Histogram,
    timeouts: Counter,
    up: Gauge,
}

/// The connections that read, at a moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct PoolState {
    /// Those that are used.
    pub busy: i64,
    /// Those that are open and not used.
    pub idle: i64,
    /// How many there may be.
    pub limit: i64,
}

impl DatabaseMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            commits: Counts::new(["outcome"]).expecting([[COMMITTED], [FAILED]]),
            commit_jobs: Histogram::new(BATCH_BOUNDS),
            commit_durations: durations(),
            queued_jobs: Gauge::default(),
            refused_jobs: Counter::default(),
            connections: Gauges::new(["state"]),
            limit: Gauge::default(),
            waits: durations(),
            timeouts: Counter::default(),
            up: Gauge::default(),
        };
        metrics.commits.register(
            registry,
            "commits",
            "Transactions that write, by how they ended",
        );
        registry.register(
            "commit_jobs",
            "How many jobs shared a commit",
            metrics.commit_jobs.clone(),
        );
        registry.register(
            "commit_duration_seconds",
            "How long a transaction took, from its beginning until it was durable",
            metrics.commit_durations.clone(),
        );
        registry.register(
            "writer_queue_jobs",
            "Jobs that wait for a writer",
            metrics.queued_jobs.clone(),
        );
        registry.register(
            "writer_refused",
            "Jobs that were refused because too many waited",
            metrics.refused_jobs.clone(),
        );
        metrics.register_pool(registry);
        metrics
    }

    fn register_pool(&self, registry: &mut Registry) {
        self.connections
            .register(registry, "pool_connections", "Connections that read");
        registry.register(
            "pool_limit_connections",
            "How many connections may read",
            self.limit.clone(),
        );
        registry.register(
            "pool_wait_duration_seconds",
            "How long reads waited that found no connection free",
            self.waits.clone(),
        );
        registry.register(
            "pool_timeouts",
            "Reads that waited in vain",
            self.timeouts.clone(),
        );
        registry.register(
            "database_up",
            "Whether the database could be reached when it was last tried",
            self.up.clone(),
        );
    }

    /// Notes a transaction that was committed, and its jobs.
    pub fn observe_commit(&self, jobs: usize, took: Duration) {
        self.commits.count([COMMITTED]);
        self.commit_jobs
            .observe(u32::try_from(jobs).map_or(f64::MAX, f64::from));
        self.commit_durations.observe(took.as_secs_f64());
    }

    /// Counts a transaction that could not be made, or not be committed.
    pub fn count_failed_commit(&self) {
        self.commits.count([FAILED]);
    }

    /// Counts a job that was refused because the queue is full.
    pub fn count_refused_job(&self) {
        self.refused_jobs.inc();
    }

    /// Notes how many jobs wait now.
    pub fn set_queued_jobs(&self, jobs: usize) {
        self.queued_jobs
            .set(i64::try_from(jobs).unwrap_or(i64::MAX));
    }

    /// Notes the connections as they are now.
    pub fn set_pool(&self, state: PoolState) {
        self.connections.set(["busy"], state.busy);
        self.connections.set(["idle"], state.idle);
        self.limit.set(state.limit);
    }

    /// Notes a read that found no connection free, and how long it waited.
    pub fn observe_wait(&self, took: Duration) {
        self.waits.observe(took.as_secs_f64());
    }

    /// Counts a read that waited in vain.
    pub fn count_timeout(&self) {
        self.timeouts.inc();
    }

    /// Notes whether the database can be reached.
    pub fn set_up(&self, is_up: bool) {
        self.up.set(i64::from(is_up));
    }
}
