//! HTTP: connections, the GraphQL endpoint, health. Knows requests and answers, and no rule.

mod accept;
mod authorization;
pub mod connection;
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
mod parameters;
mod refusal;
mod requests;
mod socket;
mod socket_message;
mod stream;

use std::sync::Arc;

use cross_origin::CrossOrigin;
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
    cross_origin: CrossOrigin,
    stop: watch::Receiver<bool>,
) -> Endpoint {
    let graphql = graphql::GraphqlEndpoint::new(api, Arc::clone(domain), stop);
    let routes = Route::new()
        .at("/graphql", graphql)
        .at("/healthz", health::Alive)
        .at("/readyz", health::Ready(Arc::clone(domain)));
    let door = door::Door::new(routes, Arc::clone(domain), cross_origin);
    Arc::new(ToDynEndpoint(door))
}
