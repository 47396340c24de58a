//! What was asked for, and how it was answered.

use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::counts::{Counts, Histograms};

/// The code of what was answered without an error.
pub const OK: &str = "OK";
/// The type of what was refused before anything was executed.
pub const NOT_EXECUTED: &str = "none";
/// The code of an operation whose client left, or whose time was over, before there was an answer.
pub const ABANDONED: &str = "ABANDONED";

/// The types of operations.
const TYPES: [&str; 3] = ["query", "mutation", "subscription"];
/// What is asked for by HTTP, by its path.
const ROUTES: [&str; 7] = [
    "graphql", "session", "sign_in", "pages", "health", "metrics", "other",
];
/// The classes of status codes (RFC 9110, section 15).
const STATUS_CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// What was asked for, and how it was answered.
pub struct OperationMetrics {
    requests: Counts<2>,
    operations: Counts<2>,
    durations: Histograms,
    subscriptions: Gauge,
    resolves: Counts<1>,
}

impl OperationMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let requests = Counts::new(["route", "status"]).expecting(
            ROUTES
                .into_iter()
                .flat_map(|route| STATUS_CLASSES.map(|status| [route, status])),
        );
        requests.register(
            registry,
            "http_requests",
            "Requests by HTTP that were answered",
        );
        let operations = Counts::new(["type", "code"]).expecting(TYPES.map(|kind| [kind, OK]));
        operations.register(
            registry,
            "operations",
            "GraphQL operations that ended, and requests for them that were refused (type none)",
        );
        let durations = Histograms::new("type", ["query", "mutation"]);
        durations.register(
            registry,
            "operation_duration_seconds",
            "How long queries and mutations took, from the document to the answer",
        );
        let subscriptions = Gauge::default();
        registry.register(
            "subscriptions",
            "Subscriptions that are open",
            subscriptions.clone(),
        );
        let resolves = Counts::new(["outcome"]);
        resolves.register(registry, "resolves", "Resolves that were answered");
        Self {
            requests,
            operations,
            durations,
            subscriptions,
            resolves,
        }
    }

    /// Puts the codes that an operation may end with at 0.
    pub fn expect_codes(&self, codes: &[&'static str]) {
        for kind in TYPES.into_iter().chain([NOT_EXECUTED]) {
            self.operations
                .expect(codes.iter().map(|code| [kind, *code]));
        }
        self.operations.expect(TYPES.map(|kind| [kind, ABANDONED]));
    }

    /// Puts the outcomes that a resolve may have at 0.
    pub fn expect_resolves(&self, outcomes: impl IntoIterator<Item = &'static str>) {
        self.resolves
            .expect(outcomes.into_iter().map(|word| [word]));
    }

    /// Counts a request that was answered, by its route and the first digit of the status code.
    pub fn count_request(&self, route: &'static str, status: u16) {
        let class = usize::from((status / 100).saturating_sub(1));
        let class = STATUS_CLASSES.get(class).copied().unwrap_or("5xx");
        self.requests.count([route, class]);
    }

    /// Counts a request for an operation that was refused before anything was executed.
    pub fn count_refusal(&self, code: &'static str) {
        self.operations.count([NOT_EXECUTED, code]);
    }

    /// Counts an operation that ended.
    pub fn count_operation(&self, kind: &'static str, code: &'static str) {
        self.operations.count([kind, code]);
    }

    /// Notes how long a query or a mutation took.
    pub fn observe_duration(&self, kind: &'static str, took: Duration) {
        self.durations.observe(kind, took);
    }

    /// A subscription begins.
    pub fn open_subscription(&self) {
        self.subscriptions.inc();
    }

    /// A subscription has ended.
    pub fn close_subscription(&self) {
        self.subscriptions.dec();
    }

    /// Counts a resolve.
    pub fn count_resolve(&self, outcome: &'static str) {
        self.resolves.count([outcome]);
    }
}
