//! Metrics and traces as the settings want them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::config::{OtlpEndpoint, TelemetrySettings};
use crate::domain::Domain;
use crate::failure::Failure;
use crate::http::peer::Front;
use crate::http::{self, connection};
use crate::listening::listen;
use crate::metrics::Metrics;
use crate::traces::{Traces, Unsendable};

/// How long a server that stops waits for who takes its traces, beside its database.
const TRACES_LIMIT: Duration = Duration::from_secs(3);

/// What those have who watch the server.
pub struct Telemetry {
    listener: Option<TcpListener>,
    endpoint: Option<OtlpEndpoint>,
    traces: Option<Traces>,
}

impl Telemetry {
    /// Looks whether the settings can be right, beside the address of the server.
    ///
    /// # Errors
    /// [`crate::failure::FailureKind::Configuration`] when metrics are to be at that address too, and for a place of traces that is no URL.
    pub fn check(settings: &TelemetrySettings, beside: SocketAddr) -> Result<(), Failure> {
        if beside.port() != 0 && settings.metrics_listen == Some(beside) {
            return Err(Failure::configuration(format!(
                "--metrics-listen and --listen are both {beside}: give metrics a port of their own"
            )));
        }
        settings
            .otlp_endpoint
            .as_ref()
            .map_or(Ok(()), |endpoint| url(endpoint).map(|_url| ()))
    }

    /// Listens for those who ask for metrics, if these have an address of their own.
    ///
    /// # Errors
    /// [`crate::failure::FailureKind::InputOutput`] when that cannot be done.
    pub fn listen(settings: &TelemetrySettings) -> Result<Self, Failure> {
        Ok(Self {
            listener: settings.metrics_listen.map(listen).transpose()?,
            endpoint: settings.otlp_endpoint.clone(),
            traces: None,
        })
    }

    /// The address that metrics are at, when they have one of their own.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        let listener = self.listener.as_ref()?;
        listener.local_addr().ok()
    }

    /// Whether metrics are at the server's own address, for this machine. A proxy of this machine may say nothing of itself, so that who comes
    /// through it looks like one of the machine's own programs: where there may be one, they are not there.
    #[must_use]
    pub fn is_beside_api(&self, listen: SocketAddr, front: Front) -> bool {
        let would_be = self.listener.is_none() && listen.ip().is_loopback();
        if would_be && front != Front::Nothing {
            tracing::info!(
                "there are no metrics, since a proxy could lead anybody to them: give them an address of their own with --metrics-listen, such as 127.0.0.1:9464"
            );
        }
        would_be && front == Front::Nothing
    }

    /// Traces; `None` without a place that they are sent to.
    ///
    /// # Errors
    /// [`crate::failure::FailureKind::Configuration`] for a place that nothing can be sent to. Its URL is not repeated, as it may hold a
    /// password.
    pub fn traces(&mut self, metrics: &Arc<Metrics>) -> Result<Option<Traces>, Failure> {
        if let Some(endpoint) = &self.endpoint {
            let traces = Traces::to(url(endpoint)?, metrics).map_err(|Unsendable| {
                Failure::configuration(
                    "the system trusts no authority that the https address of --otlp-endpoint could be known by: install them, or \
                     name a collector on this machine, such as http://127.0.0.1:4318",
                )
            })?;
            self.traces = Some(traces);
        }
        Ok(self.traces.clone())
    }

    /// Serves metrics and health at an address of their own, if there is one, until the server stops.
    pub async fn serve(&mut self, domain: &Arc<Domain>, stop: watch::Receiver<bool>) {
        if let Some(listener) = self.listener.take() {
            connection::serve(listener, http::metrics_endpoint(domain), None, stop).await;
        }
    }

    /// Sends the spans that have not been sent yet.
    pub async fn finish(self) {
        if let Some(traces) = self.traces {
            // It blocks a thread until all is sent, or the time is over.
            let finishing = tokio::task::spawn_blocking(move || traces.finish(TRACES_LIMIT));
            let _finished = timeout(TRACES_LIMIT, finishing).await;
        }
    }
}

fn url(endpoint: &OtlpEndpoint) -> Result<&str, Failure> {
    endpoint.url().ok_or_else(|| {
        Failure::configuration(
            "--otlp-endpoint (OTEL_EXPORTER_OTLP_ENDPOINT) is no URL of http or https: write the address of a collector, such as \
             http://127.0.0.1:4318, or leave it out",
        )
    })
}
