//! A collector of traces: takes OTLP over HTTP, and keeps what comes.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message;
use tokio::net::TcpListener;

use super::hex_of;

/// What a collector was sent.
#[derive(Clone, Default)]
pub struct Collector {
    sent: Arc<Mutex<Vec<(String, Bytes)>>>,
    /// Where it is.
    pub url: String,
}

/// A span, as it came.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    pub name: String,
    pub trace_id: String,
    pub parent_id: String,
    pub trace_state: String,
    /// 2 for an error, 0 otherwise.
    pub status: i32,
    pub status_message: String,
    pub attributes: BTreeMap<String, String>,
}

impl Collector {
    /// Starts a collector.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let collector = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            ..Self::default()
        };
        let sent = Arc::clone(&collector.sent);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let sent = Arc::clone(&sent);
                let service = service_fn(move |request: Request<Incoming>| {
                    let sent = Arc::clone(&sent);
                    async move {
                        let path = request.uri().path().to_owned();
                        let body = request.into_body().collect().await.unwrap().to_bytes();
                        sent.lock().unwrap().push((path, body));
                        Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
                    }
                });
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection.map(drop));
            }
        });
        collector
    }

    /// The bodies that came, as they are.
    pub fn bodies(&self) -> Vec<Bytes> {
        let sent = self.sent.lock().unwrap();
        sent.iter().map(|(_, body)| body.clone()).collect()
    }

    /// What is said of the whole server.
    pub fn resource(&self) -> BTreeMap<String, String> {
        let requests = self.requests();
        let resource = requests[0].resource_spans[0].resource.clone();
        texts(&resource.unwrap().attributes)
    }

    /// All spans that came, in the order of their ends.
    pub fn spans(&self) -> Vec<Span> {
        let requests = self.requests();
        let spans = requests
            .iter()
            .flat_map(|request| &request.resource_spans)
            .flat_map(|of_resource| &of_resource.scope_spans)
            .flat_map(|of_scope| &of_scope.spans);
        spans
            .map(|span| {
                assert!(span.events.is_empty() && span.links.is_empty());
                let status = span.status.clone().unwrap_or_default();
                Span {
                    name: span.name.clone(),
                    trace_id: hex_of(&span.trace_id),
                    parent_id: hex_of(&span.parent_span_id),
                    trace_state: span.trace_state.clone(),
                    status: status.code,
                    status_message: status.message,
                    attributes: texts(&span.attributes),
                }
            })
            .collect()
    }

    fn requests(&self) -> Vec<ExportTraceServiceRequest> {
        let sent = self.sent.lock().unwrap();
        sent.iter()
            .map(|(path, body)| {
                assert_eq!(path, "/v1/traces");
                ExportTraceServiceRequest::decode(body.clone()).unwrap()
            })
            .collect()
    }
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    attributes
        .iter()
        .map(|attribute| {
            let value = attribute.value.clone().unwrap().value.unwrap();
            let Value::StringValue(text) = value else {
                panic!("{} is no text", attribute.key)
            };
            (attribute.key.clone(), text)
        })
        .collect()
}
