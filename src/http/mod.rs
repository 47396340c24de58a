//! HTTP: connections, the GraphQL endpoint, sessions, pages, health. Knows requests and answers, and no rule.

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
mod framing;
mod graphql;
mod header_deadline;
mod health;
mod json;
mod linger;
pub mod oidc;
mod oidc_memory;
pub mod oidc_provider;
mod pages;
mod parameters;
pub mod public_url;
mod refusal;
mod requests;
mod session;
mod socket;
mod socket_message;
mod stream;

use std::sync::Arc;

use browser::Browsers;
use cross_origin::CrossOrigin;
use oidc_provider::Provider;
use poem::endpoint::{DynEndpoint, ToDynEndpoint};
use poem::{Response, Route};
use tokio::sync::watch;

use crate::domain::Domain;
use crate::graphql::execution::Api;

/// What answers requests.
pub type Endpoint = Arc<dyn DynEndpoint<Output = Response>>;

/// All routes, behind the one door that every request comes through. What streams ends when `stop` turns true.
#[must_use]
pub fn endpoint(
    api: Api,
    domain: &Arc<Domain>,
    browsers: Browsers,
    provider: Option<Provider>,
    cross_origin: CrossOrigin,
    stop: watch::Receiver<bool>,
) -> Endpoint {
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
    let door = door::Door::new(routes, Arc::clone(domain), cross_origin);
    Arc::new(ToDynEndpoint(door))
}
