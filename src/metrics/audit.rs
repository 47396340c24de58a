//! The audit log.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::counts::Counts;
use crate::types::audit::{AuditAction, AuditEntry};
use crate::types::clock::Timestamp;

/// How a refusal is recorded: with an event of its own.
pub const ALONE: &str = "alone";
/// How a refusal is recorded: counted with others of the same caller and reason.
pub const COUNTED: &str = "counted";
/// How a refusal is recorded: counted with others, without caller and reason, since too many kinds of them came at once.
pub const WITHOUT_CALLER: &str = "without_caller";

/// The audit log, as far as this server writes it.
pub struct AuditMetrics {
    events: Counts<1>,
    refusals: Counts<1>,
    anchors: Counter,
    anchored_at: Gauge,
    anchor_failures: Counter,
}

impl AuditMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let actions = AuditAction::ALL.map(|action| [action.as_str()]);
        let metrics = Self {
            events: Counts::new(["action"]).expecting(actions),
            refusals: Counts::new(["recorded"]).expecting([[ALONE], [COUNTED], [WITHOUT_CALLER]]),
            anchors: Counter::default(),
            anchored_at: Gauge::default(),
            anchor_failures: Counter::default(),
        };
        metrics.events.register(
            registry,
            "audit_events",
            "Events that were added to the audit log",
        );
        metrics.refusals.register(
            registry,
            "audit_refusals",
            "Refusals, by how the audit log has them",
        );
        registry.register(
            "audit_anchors",
            "Anchors that were added to the audit log",
            metrics.anchors.clone(),
        );
        registry.register(
            "audit_last_anchor_timestamp_seconds",
            "When this server added the last anchor; 0 before the first one",
            metrics.anchored_at.clone(),
        );
        registry.register(
            "audit_anchor_failures",
            "Anchors that could not be written to the second place",
            metrics.anchor_failures.clone(),
        );
        metrics
    }

    /// Counts what was added to the log, once that is durable.
    pub fn count_entries(&self, entries: &[AuditEntry]) {
        for entry in entries {
            match entry {
                AuditEntry::Event(event) => self.events.count([event.action.as_str()]),
                AuditEntry::Anchor { at, .. } => self.count_anchor(*at),
                AuditEntry::CarriedOver { .. } | AuditEntry::DeletionCarriedOver { .. } => {}
            }
        }
    }

    fn count_anchor(&self, at: Timestamp) {
        self.anchors.inc();
        self.anchored_at.set(at.seconds());
    }

    /// Counts an anchor that could not be written to its second place.
    pub fn count_anchor_failure(&self) {
        self.anchor_failures.inc();
    }

    /// Counts a refusal, by how the log is to have it: [`ALONE`], [`COUNTED`] or [`WITHOUT_CALLER`].
    pub fn count_refusal(&self, recorded: &'static str) {
        self.refusals.count([recorded]);
    }
}
