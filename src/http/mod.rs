//! HTTP: connections, the GraphQL endpoint, health. Knows requests and answers, and no rule.

mod accept;
mod authorization;
pub mod connection;
mod door;
mod failure;
mod graphql;
mod health;
mod json;

use std::sync::Arc;

use poem::endpoint::{DynEndpoint, ToDynEndpoint};
use poem::{Response, Route};

use crate::domain::Domain;
use crate::graphql::execution::Api;

/// What answers requests.
pub type Endpoint = Arc<dyn DynEndpoint<Output = Response>>;

/// All routes, behind the one door that every request comes through.
#[must_use]
pub fn endpoint(api: Api, domain: &Arc<Domain>) -> Endpoint {
    let routes = Route::new()
        .at(
            "/graphql",
            graphql::GraphqlEndpoint::new(api, Arc::clone(domain)),
        )
        .at("/healthz", health::Alive)
        .at("/readyz", health::Ready(Arc::clone(domain)));
    Arc::new(ToDynEndpoint(door::Door::new(routes, Arc::clone(domain))))
}
