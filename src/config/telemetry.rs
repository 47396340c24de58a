//! The settings of metrics and traces.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use clap::Args;
use url::Url;

use super::parse_address;

/// How others watch the server.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Metrics and traces")]
pub struct TelemetrySettings {
    /// The address at which /metrics is, with /healthz and /readyz, in plain HTTP: there is no value, name or ID in them. Without it, a
    /// server that listens on loopback, and was told of no proxy, answers /metrics for this machine, and another one does not
    #[arg(
        long,
        env = "CREDENCE_METRICS_LISTEN",
        value_name = "ADDRESS:PORT",
        value_parser = parse_address
    )]
    pub metrics_listen: Option<SocketAddr>,
    /// Where a span of each operation is sent, by OTLP over HTTP (protobuf): `http://127.0.0.1:4318`. Headers, sampling and the name of the
    /// service are those of `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_TRACES_SAMPLER` and `OTEL_SERVICE_NAME`
    #[arg(
        long,
        env = "OTEL_EXPORTER_OTLP_ENDPOINT",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub otlp_endpoint: Option<OtlpEndpoint>,
}

/// Where spans are sent. It is looked at when the server starts.
#[derive(Clone)]
pub struct OtlpEndpoint(String);

impl OtlpEndpoint {
    /// The URL; `None` when it is none of http or https, or has more than a path.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        let url = Url::parse(&self.0).ok()?;
        let is_plain = url.query().is_none() && url.fragment().is_none() && url.has_host();
        (matches!(url.scheme(), "http" | "https") && is_plain).then_some(self.0.as_str())
    }
}

impl FromStr for OtlpEndpoint {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for OtlpEndpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // There may be a password in it.
        formatter.write_str("OtlpEndpoint(…)")
    }
}
