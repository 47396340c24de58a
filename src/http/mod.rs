//! HTTP: connections, the GraphQL endpoint, sessions, pages, health, metrics. Knows requests and answers, and no rule.

mod accept;
mod authorization;
mod body;
pub mod browser;
pub mod connection;
mod cookie;
pub mod cross_origin;
mod door;
mod event_stream;
mod failure;
pub mod fetch;
mod frame;
mod framing;
mod graphql;
mod header_deadline;
mod health;
mod http_1;
mod http_2;
mod json;
mod linger;
mod metrics;
mod multiplex;
pub mod oidc;
mod oidc_memory;
pub mod oidc_provider;
mod pages;
mod parameters;
pub mod peer;
pub mod public_url;
mod refusal;
mod request_place;
mod requests;
mod session;
mod socket;
mod socket_message;
mod stream;
pub mod tls;
mod transport;

use std::sync::Arc;

use browser::Browsers;
use cross_origin::CrossOrigin;
use oidc_provider::Provider;
use peer::Peers;
use poem::endpoint::{DynEndpoint, ToDynEndpoint};
use poem::{Response, Route};
use tokio::sync::watch;

use crate::domain::Domain;
use crate::graphql::execution::Api;

/// What answers requests.
pub type Endpoint = Arc<dyn DynEndpoint<Output = Response>>;

/// What the server knows of those who come to it.
pub struct Visitors {
    /// How browsers reach it.
    pub browsers: Browsers,
    /// Whom people sign in through.
    pub provider: Option<Provider>,
    /// Whose pages may read answers.
    pub cross_origin: CrossOrigin,
    /// Where requests come from.
    pub peers: Peers,
    /// Whether programs of this machine find metrics here.
    pub has_metrics: bool,
}

/// All routes, behind the one door that every request comes through. What streams ends when `stop` turns true.
#[must_use]
pub fn endpoint(
    api: Api,
    domain: &Arc<Domain>,
    visitors: Visitors,
    stop: watch::Receiver<bool>,
) -> Endpoint {
    let Visitors {
        browsers,
        provider,
        cross_origin,
        peers,
        has_metrics,
    } = visitors;
    let browsers = Arc::new(browsers);
    let graphql =
        graphql::GraphqlEndpoint::new(api, Arc::clone(domain), Arc::clone(&browsers), stop);
    let provider = provider.map(Arc::new);
    let oidc = oidc::OidcEndpoint::new(Arc::clone(domain), Arc::clone(&browsers), provider.clone());
    let session = session::SessionEndpoint::new(Arc::clone(domain), browsers, provider);
    let routes = Route::new()
        .at("/graphql", graphql)
        .at("/session", session)
        .at("/healthz", health::Alive)
        .at("/readyz", health::Ready(Arc::clone(domain)));
    let routes = pages::PATHS
        .iter()
        .fold(routes, |routes, path| routes.at(path, pages::Pages));
    let routes = oidc::PATHS
        .iter()
        .fold(routes, |routes, path| routes.at(path, oidc.clone()));
    let routes = if has_metrics {
        let endpoint = metrics::MetricsEndpoint::local(Arc::clone(domain));
        routes.at(metrics::PATH, endpoint)
    } else {
        routes
    };
    let door = door::Door::new(routes, Arc::clone(domain), cross_origin, peers);
    Arc::new(ToDynEndpoint(door))
}

/// The routes of an address for those who watch the server: metrics and health.
#[must_use]
pub fn metrics_endpoint(domain: &Arc<Domain>) -> Endpoint {
    let routes = Route::new()
        .at(
            metrics::PATH,
            metrics::MetricsEndpoint::open(Arc::clone(domain)),
        )
        .at("/healthz", health::Alive)
        .at("/readyz", health::Ready(Arc::clone(domain)));
    let door = door::Door::new(
        routes,
        Arc::clone(domain),
        CrossOrigin::default(),
        Peers::default(),
    );
    Arc::new(ToDynEndpoint(door))
}
