//! What is counted and told of an operation, from its document to its end: once, however it ends.

use std::sync::Arc;
use std::time::Instant;

use apollo_compiler::ast::OperationType;

use super::document::CheckedDocument;
use super::error::ErrorCode;
use super::response::GraphqlResponse;
use crate::metrics::{ABANDONED, Metrics, OK};
use crate::traces::OperationSpan;

/// An operation, as those see it who watch the server. What it came to is counted when this is dropped: who leaves early drops it early.
pub(super) struct Observation {
    metrics: Arc<Metrics>,
    span: Option<OperationSpan>,
    began_at: Instant,
    kind: OperationType,
    /// What it has come to so far; `None` as long as nothing was executed.
    code: Option<&'static str>,
}

impl Observation {
    /// Begins with a request for an operation.
    pub(super) fn begin(metrics: &Arc<Metrics>, span: Option<OperationSpan>) -> Self {
        Self {
            metrics: Arc::clone(metrics),
            span,
            began_at: Instant::now(),
            kind: OperationType::Query,
            code: None,
        }
    }

    /// Says which operation it is.
    pub(super) fn describe(
        &mut self,
        kind: OperationType,
        name: Option<&str>,
        document: &CheckedDocument,
    ) {
        self.kind = kind;
        if let Some(span) = &mut self.span {
            span.describe(word(kind), name, document.hash.as_ref());
        }
    }

    /// It is refused, and not executed.
    pub(super) fn refuse(mut self, refused: &GraphqlResponse) {
        let code = refused.code();
        self.metrics.operations.count_refusal(code);
        if let Some(span) = &mut self.span {
            span.conclude(code, is_fault(code));
        }
        self.span = None;
    }

    /// It is executed from now on.
    pub(super) fn execute(&mut self) {
        if self.kind == OperationType::Subscription {
            self.metrics.operations.open_subscription();
            // It ends when the client leaves.
            self.code = Some(OK);
        } else {
            self.code = Some(ABANDONED);
        }
    }

    /// It is answered. Of a subscription, the last answer with an error counts.
    pub(super) fn answer(&mut self, answer: &GraphqlResponse) {
        let code = answer.code();
        if self.kind != OperationType::Subscription || code != OK {
            self.code = Some(code);
        }
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        if let Some(code) = self.code {
            let (kind, operations) = (word(self.kind), &self.metrics.operations);
            operations.count_operation(kind, code);
            if self.kind == OperationType::Subscription {
                operations.close_subscription();
            } else {
                operations.observe_duration(kind, self.began_at.elapsed());
            }
        }
        if let Some(span) = &mut self.span {
            let code = self.code.unwrap_or(ABANDONED);
            span.conclude(code, is_fault(code));
        }
    }
}

/// Whether a code says that the server is at fault.
fn is_fault(code: &str) -> bool {
    let mut faults = ErrorCode::ALL.into_iter().filter(|one| one.is_fault());
    faults.any(|fault| fault.as_str() == code)
}

const fn word(kind: OperationType) -> &'static str {
    match kind {
        OperationType::Query => "query",
        OperationType::Mutation => "mutation",
        OperationType::Subscription => "subscription",
    }
}
