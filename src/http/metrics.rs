//! `/metrics`, for Prometheus. On an address of its own everybody gets it who comes there. On the server's own it is for programs of this
//! machine, and for nobody that a proxy or a browser's page leads here: to them there is nothing at the address.

use std::sync::Arc;

use poem::http::uri::Authority;
use poem::http::{HeaderMap, Method, header};
use poem::{Endpoint, Request, Response};

use super::failure::Failure;
use super::public_url::is_proxied;
use crate::domain::Domain;

/// Where it is.
pub const PATH: &str = "/metrics";

/// `OpenMetrics` 1.0, which Prometheus asks for.
const OPEN_METRICS: &str = "application/openmetrics-text";
const OPEN_METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The text format of Prometheus that everybody reads.
const TEXT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers with what was counted.
pub struct MetricsEndpoint {
    domain: Arc<Domain>,
    is_for_this_machine_only: bool,
}

impl MetricsEndpoint {
    /// For whoever comes to an address that has nothing else.
    pub const fn open(domain: Arc<Domain>) -> Self {
        Self {
            domain,
            is_for_this_machine_only: false,
        }
    }

    /// For programs of this machine.
    pub const fn local(domain: Arc<Domain>) -> Self {
        Self {
            domain,
            is_for_this_machine_only: true,
        }
    }

    async fn answer(&self, request: &Request) -> Result<Response, Failure> {
        if self.is_for_this_machine_only && !is_of_this_machine(request) {
            return Err(Failure::NotFound);
        }
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            return Err(Failure::MethodNotAllowed("GET, HEAD"));
        }
        self.domain.observe().await;
        let encoded = self.domain.metrics().encode();
        let (content_type, body) = if accepts_open_metrics(request.headers()) {
            (OPEN_METRICS_TYPE, encoded)
        } else {
            (TEXT_TYPE, text_format(&encoded))
        };
        Ok(Response::builder().content_type(content_type).body(body))
    }
}

impl Endpoint for MetricsEndpoint {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let answered = self.answer(&request).await;
        Ok(answered.unwrap_or_else(Failure::response))
    }
}

/// Whether a program of this machine asks, by an address of this machine. A page that a browser was led astray with has another `Host`.
fn is_of_this_machine(request: &Request) -> bool {
    let peer = request.remote_addr().as_socket_addr();
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .and_then(|host| host.parse::<Authority>().ok());
    peer.is_some_and(|peer| peer.ip().is_loopback())
        && host.is_some_and(|host| is_loopback(host.host()))
        && !is_proxied(request.headers())
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare
            .parse()
            .is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

fn accepts_open_metrics(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.contains(OPEN_METRICS))
}

/// The older format of Prometheus: a counter is described by the name that its values have, and nothing says where the end is.
fn text_format(open_metrics: &str) -> String {
    let counters: Vec<&str> = open_metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    let mut text = String::with_capacity(open_metrics.len());
    for line in open_metrics.lines().filter(|line| *line != "# EOF") {
        let described = ["# HELP ", "# TYPE "].into_iter().find_map(|start| {
            let (name, rest) = line.strip_prefix(start)?.split_once(' ')?;
            counters.contains(&name).then_some((start, name, rest))
        });
        match described {
            Some((start, name, rest)) => text.extend([start, name, "_total ", rest]),
            None => text.push_str(line),
        }
        text.push('\n');
    }
    text
}
