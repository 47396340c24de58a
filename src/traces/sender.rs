//! How spans are sent: the exporter's requests, by the HTTP client that the server has anyway.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use hyper::body::Bytes;
use hyper::{Request, Response};
use opentelemetry_http::{HttpClient, HttpError};
use reqwest::redirect::Policy;
use tokio::runtime::Handle;

use super::Unsendable;
use crate::metrics::Metrics;

/// How long the place may take for a batch.
const SEND_LIMIT: Duration = Duration::from_secs(5);

/// Sends batches of spans. They come from a thread of the exporter: what is done here is done on the runtime of the server.
#[derive(Clone)]
pub(super) struct Sender {
    client: reqwest::Client,
    runtime: Handle,
    metrics: Arc<Metrics>,
    fails: Arc<AtomicBool>,
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Sender(…)")
    }
}

/// A batch was not taken. The exporter asks for an error with a text: this one has none to tell.
#[derive(Debug)]
struct NotTaken;

impl std::fmt::Display for NotTaken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the spans were not taken")
    }
}

impl std::error::Error for NotTaken {}

impl Sender {
    /// # Errors
    /// [`Unsendable`] when the system trusts no authority that the place at `url` could be known by.
    pub(super) fn new(url: &str, metrics: &Arc<Metrics>) -> Result<Self, Unsendable> {
        let builder = reqwest::Client::builder()
            .timeout(SEND_LIMIT)
            .redirect(Policy::none());
        let builder = if url.starts_with("https:") {
            builder
        } else {
            // Nobody vouches for a place without TLS, and what the system trusts takes long to read. It is near: no proxy is asked.
            builder.no_proxy().tls_certs_only([])
        };
        Ok(Self {
            client: builder.build().map_err(|_library_text| Unsendable)?,
            runtime: Handle::try_current().map_err(|_no_runtime| Unsendable)?,
            metrics: Arc::clone(metrics),
            fails: Arc::default(),
        })
    }

    async fn send(&self, request: Request<Bytes>) -> Option<()> {
        let request = reqwest::Request::try_from(request).ok()?;
        let response = self.client.execute(request).await.ok()?;
        response.status().is_success().then_some(())
    }

    /// Tells the log when sending begins to fail, and when it works again.
    fn note(&self, is_sent: bool) {
        let outcome = if is_sent { "sent" } else { "failed" };
        self.metrics.trace_exports.count([outcome]);
        let failed_before = self.fails.swap(!is_sent, Ordering::Relaxed);
        if !is_sent && !failed_before {
            tracing::warn!(
                "traces cannot be sent to where --otlp-endpoint says, and are lost meanwhile"
            );
        } else if is_sent && failed_before {
            tracing::info!("traces are sent again");
        }
    }
}

#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let sender = self.clone();
        let sending = self.runtime.spawn(async move {
            let is_sent = sender.send(request).await.is_some();
            sender.note(is_sent);
            is_sent
        });
        match sending.await {
            // What the place says of spans that it took and did not keep is of no use to anybody here.
            Ok(true) => Ok(Response::new(Bytes::new())),
            Ok(false) | Err(_) => Err(Box::new(NotTaken)),
        }
    }
}
