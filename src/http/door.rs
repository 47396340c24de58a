//! What every request comes through: it gets its ID, and every answer the headers that all answers have.

use std::sync::Arc;

use poem::http::{HeaderName, HeaderValue, StatusCode, header};
use poem::{Endpoint, Request, Response};

use super::failure::Failure;
use crate::domain;
use crate::domain::Domain;
use crate::types::id::Id;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest URL, in bytes.
const URL_LIMIT_BYTES: usize = 16 * 1024;

/// The door before some routes.
pub struct Door<E> {
    routes: E,
    domain: Arc<Domain>,
}

impl<E> Door<E> {
    /// A door before these routes.
    pub const fn new(routes: E, domain: Arc<Domain>) -> Self {
        Self { routes, domain }
    }
}

impl<E: Endpoint<Output = Response>> Endpoint for Door<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        // A client's own ID is not taken over: it could be that of another request.
        let id = self.domain.next_request_id();
        request.extensions_mut().insert(id);
        let url_length = request
            .uri()
            .path_and_query()
            .map_or(0, |url| url.as_str().len());
        let answered = if url_length > URL_LIMIT_BYTES {
            Ok(Failure::UrlTooLong.response())
        } else {
            self.routes.call(request).await
        };
        let mut response = match answered {
            Ok(response) => response,
            Err(error) if error.status() == StatusCode::NOT_FOUND => Failure::NotFound.response(),
            Err(_library_text) => Failure::Internal.response(),
        };
        let headers = response.headers_mut();
        if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
            headers.insert(REQUEST_ID, id);
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        tracing::debug!(request_id = %id, status = response.status().as_u16(), "a request was answered");
        Ok(response)
    }
}

/// The ID that the request got at the door.
pub fn request_id(request: &Request) -> Option<Id<domain::Request>> {
    request.extensions().get::<Id<domain::Request>>().copied()
}
