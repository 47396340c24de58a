//! The span of an operation.

use opentelemetry::trace::{Span, SpanKind, Status, Tracer};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SdkTracer, Span as SdkSpan};

use super::TraceParent;
use crate::types::hex::hex;

/// What a span is called as long as nobody knows what kind of operation it is (Semantic Conventions for GraphQL).
const UNKNOWN: &str = "GraphQL Operation";
/// The longest name of an operation that is told, in bytes: it is the client's.
const NAME_LIMIT_BYTES: usize = 64;

/// The span of an operation, which ends when it is dropped.
pub struct OperationSpan(SdkSpan);

impl OperationSpan {
    pub(super) fn begin(tracer: &SdkTracer, parent: Option<&TraceParent>) -> Self {
        let builder = tracer.span_builder(UNKNOWN).with_kind(SpanKind::Server);
        // One without a parent begins a trace, whatever else goes on in this thread.
        let root = Context::new();
        let context = parent.map_or(&root, |TraceParent(context)| context);
        Self(tracer.build_with_context(builder, context))
    }

    /// Says what kind of operation it is, its name, and the SHA-256 of its document.
    pub fn describe(
        &mut self,
        kind: &'static str,
        name: Option<&str>,
        document_hash: Option<&[u8; 32]>,
    ) {
        self.0.update_name(kind);
        self.0
            .set_attribute(KeyValue::new("graphql.operation.type", kind));
        if let Some(name) = name.filter(|name| is_tellable(name)) {
            let name = name.to_owned();
            self.0
                .set_attribute(KeyValue::new("graphql.operation.name", name));
        }
        if let Some(hash) = document_hash {
            self.0
                .set_attribute(KeyValue::new("credence.document.sha256", hex(hash)));
        }
    }

    /// Says what it came to: a code, and whether the server is at fault for it.
    pub fn conclude(&mut self, code: &'static str, is_fault: bool) {
        self.0
            .set_attribute(KeyValue::new("credence.outcome", code));
        if is_fault {
            self.0.set_status(Status::error(""));
        }
    }
}

/// Whether a name is a plain one (GraphQL specification, section 2.1.9), and short.
fn is_tellable(name: &str) -> bool {
    let is_start = |byte: u8| byte == b'_' || byte.is_ascii_alphabetic();
    name.len() <= NAME_LIMIT_BYTES
        && name.bytes().next().is_some_and(is_start)
        && name
            .bytes()
            .all(|byte| is_start(byte) || byte.is_ascii_digit())
}
