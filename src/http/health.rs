//! Health, for those who watch the server: `/healthz` says that the process answers, `/readyz` that it can serve.

use std::sync::Arc;

use poem::http::{Method, StatusCode};
use poem::{Endpoint, Request, Response};

use super::failure::Failure;
use crate::domain::Domain;

/// Answers 200 as long as the process does.
pub struct Alive;

impl Endpoint for Alive {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        Ok(refused(&request).unwrap_or_else(|| report(true)))
    }
}

/// Answers 200 when the database can be read and written, and 503 when not.
pub struct Ready(pub Arc<Domain>);

impl Endpoint for Ready {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        // Finding it out costs a write.
        Ok(match refused(&request) {
            Some(refused) => refused,
            None => report(self.0.is_ready().await),
        })
    }
}

fn refused(request: &Request) -> Option<Response> {
    let is_read = [Method::GET, Method::HEAD].contains(request.method());
    (!is_read).then(|| Failure::MethodNotAllowed("GET, HEAD").response())
}

fn report(good: bool) -> Response {
    let (status, body) = if good {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "unavailable\n")
    };
    Response::builder()
        .status(status)
        .content_type("text/plain; charset=utf-8")
        .body(body)
}
