//! What a client says of the trace that its request belongs to (W3C Trace Context, section 3.2).

use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::TraceContextExt;
use opentelemetry_sdk::propagation::TraceContextPropagator;

const HEADER: &str = "traceparent";

/// A span of a client, which an operation belongs to.
#[derive(Clone)]
pub struct TraceParent(pub(super) Context);

/// A header, read by the library.
struct Header<'a>(&'a str);

impl Extractor for Header<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        (name == HEADER).then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec![HEADER]
    }
}

impl TraceParent {
    /// Reads the value of the header `traceparent`; `None` for one that is none. `tracestate`, in which anything may stand, is not read.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let context =
            TraceContextPropagator::new().extract_with_context(&Context::new(), &Header(value));
        let is_valid = context.span().span_context().is_valid();
        is_valid.then_some(Self(context))
    }
}
