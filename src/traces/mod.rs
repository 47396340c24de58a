//! Traces (OpenTelemetry): a span for each operation, sent by OTLP over HTTP to where the operator says. Without such a place there is
//! nothing of this, and nothing is paid for it.
//!
//! A span says what kind of operation it was, its name, the hash of its document and what it came to. No document, variable, message,
//! name or ID of ours is in one; neither is what a client's `tracestate` says.

mod parent;
mod sender;
mod span;

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

use crate::metrics::Metrics;

pub use parent::TraceParent;
use sender::Sender;
pub use span::OperationSpan;

/// What the spans are said to be of, unless `OTEL_SERVICE_NAME` says otherwise.
const SERVICE: &str = "credence";
/// What comes behind the address of the place (OpenTelemetry Protocol Exporter, section "Endpoint URLs for OTLP/HTTP").
const TRACES_PATH: &str = "v1/traces";

/// No traces can be sent: the system trusts no authority that the place could be known by.
#[derive(Clone, Copy, Debug)]
pub struct Unsendable;

/// Makes spans, and sends them. Its clones are the same.
#[derive(Clone)]
pub struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl Traces {
    /// Sends spans to the place at this URL, on the runtime that it is called on.
    ///
    /// # Errors
    /// [`Unsendable`] when it could never be done.
    pub fn to(url: &str, metrics: &Arc<Metrics>) -> Result<Self, Unsendable> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}/{TRACES_PATH}", url.trim_end_matches('/')))
            .with_http_client(Sender::new(url, metrics)?)
            .build()
            .map_err(|_library_text| Unsendable)?;
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let resource = Resource::builder()
            .with_service_name(service_name())
            .with_attribute(version)
            .build();
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_batch_exporter(exporter)
            .build();
        let tracer = provider.tracer(SERVICE);
        Ok(Self { provider, tracer })
    }

    /// Begins the span of an operation. It is ended when it is dropped.
    #[must_use]
    pub fn begin(&self, parent: Option<&TraceParent>) -> OperationSpan {
        OperationSpan::begin(&self.tracer, parent)
    }

    /// Sends what has not been sent yet, for so long at most. Nothing is sent after that. It blocks.
    pub fn finish(&self, limit: Duration) {
        // What cannot be sent by then is lost, and the log has said that sending fails.
        let _sent = self.provider.shutdown_with_timeout(limit);
    }
}

fn service_name() -> String {
    let named = std::env::var("OTEL_SERVICE_NAME").ok();
    named
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| SERVICE.to_owned())
}
