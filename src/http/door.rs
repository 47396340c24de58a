//! What every request comes through: it gets its ID, and every answer the headers that all answers have.

use std::sync::Arc;

use poem::http::{HeaderName, HeaderValue, Method, StatusCode, Version, header};
use poem::{Endpoint, Request, Response};
use tracing::Instrument;

use super::connection::HEADER_LIMIT_FIELDS;
use super::cross_origin::CrossOrigin;
use super::failure::Failure;
use super::framing::AmbiguousLength;
use super::http_2::Crowded;
use super::pages::PICKER;
use super::peer::Peers;
use super::{metrics, oidc, pages};
use crate::domain;
use crate::domain::Domain;
use crate::types::id::Id;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What pages of other origins may read, when their origins are configured.
const FOR_OTHER_ORIGINS: [&str; 2] = ["/graphql", PICKER];

/// What the endpoint is counted as.
const GRAPHQL: &str = "graphql";
const ONE_HOST: &str = "There must be one Host header.";

/// The longest URL, in bytes.
const URL_LIMIT_BYTES: usize = 16 * 1024;

/// The door before some routes.
pub struct Door<E> {
    routes: E,
    domain: Arc<Domain>,
    cross_origin: CrossOrigin,
    peers: Peers,
}

impl<E> Door<E> {
    /// A door before these routes.
    pub const fn new(
        routes: E,
        domain: Arc<Domain>,
        cross_origin: CrossOrigin,
        peers: Peers,
    ) -> Self {
        Self {
            routes,
            domain,
            cross_origin,
            peers,
        }
    }
}

impl<E> Door<E> {
    /// Counts an operation for which there was no place, as the endpoint counts those that it refuses.
    fn count(&self, route: &str, failure: Failure) {
        if route == GRAPHQL && failure == Failure::Overloaded {
            let operations = &self.domain.metrics().operations;
            operations.count_refusal(failure.code());
        }
    }
}

impl<E: Endpoint<Output = Response>> Endpoint for Door<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        // A client's own ID is not taken over: it could be that of another request.
        let id = self.domain.next_request_id();
        request.extensions_mut().insert(id);
        if let Some(peer) = self.peers.peer_of(&request) {
            request.extensions_mut().insert(peer);
        }
        let route = route(request.uri().path());
        let is_for_others = FOR_OTHER_ORIGINS.contains(&request.uri().path());
        let origin = self.cross_origin.allowed_origin(&request);
        let is_preflight = request.method() == Method::OPTIONS;
        let span = tracing::info_span!("request", %id);
        let answered = match name_host(&mut request).and_then(|()| check(&request)) {
            Ok(()) => self.routes.call(request).instrument(span).await,
            Err(failure) => {
                self.count(route, failure);
                Ok(failure.response())
            }
        };
        let mut response = match answered {
            Ok(response) => response,
            Err(error) if error.status() == StatusCode::NOT_FOUND => Failure::NotFound.response(),
            Err(_library_text) => Failure::Internal.response(),
        };
        let headers = response.headers_mut();
        if is_for_others {
            self.cross_origin.admit(headers, origin, is_preflight);
        }
        if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
            headers.insert(REQUEST_ID, id);
        }
        // Pages say themselves how long they are good.
        headers
            .entry(header::CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-store"));
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        let status = response.status().as_u16();
        let operations = &self.domain.metrics().operations;
        operations.count_request(route, status);
        tracing::debug!(request_id = %id, status, "a request was answered");
        Ok(response)
    }
}

/// Puts the host where HTTP/1.1 has it (RFC 9113, section 8.3.1).
///
/// # Errors
/// [`Failure::BadRequest`] when two are named.
fn name_host(request: &mut Request) -> Result<(), Failure> {
    let authority = request
        .uri()
        .authority()
        .map(|name| name.as_str().to_owned());
    let (Version::HTTP_2, Some(authority)) = (request.version(), authority) else {
        return Ok(());
    };
    let host = HeaderValue::try_from(authority);
    let host = host.map_err(|_never| Failure::BadRequest(ONE_HOST))?;
    let named = request.headers().get_all(header::HOST);
    if named.iter().any(|other| *other != host) {
        return Err(Failure::BadRequest(ONE_HOST));
    }
    request.headers_mut().insert(header::HOST, host);
    Ok(())
}

/// Refuses what no client that keeps to HTTP sends (RFC 9112, sections 3.2 and 6.1): two servers could understand it differently. And what
/// is beyond a limit that is not kept elsewhere.
fn check(request: &Request) -> Result<(), Failure> {
    let headers = request.headers();
    let url = request.uri().path_and_query();
    if url.is_some_and(|url| url.as_str().len() > URL_LIMIT_BYTES) {
        return Err(Failure::UrlTooLong);
    }
    // To say that the process answers costs nothing.
    let is_free = request.uri().path() == "/healthz";
    if request.extensions().get::<Crowded>().is_some() && !is_free {
        return Err(Failure::Overloaded);
    }
    if headers.len() > HEADER_LIMIT_FIELDS {
        return Err(Failure::HeaderTooLarge);
    }
    let needs_host = matches!(request.version(), Version::HTTP_11 | Version::HTTP_2);
    if needs_host && headers.get_all(header::HOST).iter().count() != 1 {
        return Err(Failure::BadRequest(ONE_HOST));
    }
    if request.extensions().get::<AmbiguousLength>().is_some() {
        return Err(Failure::BadRequest(
            "The end of the body must be told once: by Content-Length, or by Transfer-Encoding: chunked.",
        ));
    }
    Ok(())
}

/// What is asked for, as it is counted: a word, and never the path itself.
fn route(path: &str) -> &'static str {
    match path {
        "/graphql" => GRAPHQL,
        "/session" => "session",
        "/healthz" | "/readyz" => "health",
        metrics::PATH => "metrics",
        _ if oidc::PATHS.contains(&path) => "sign_in",
        _ if pages::PATHS.contains(&path) || path.starts_with(pages::ASSETS) => "pages",
        _ => "other",
    }
}

/// The ID that the request got at the door.
pub fn request_id(request: &Request) -> Option<Id<domain::Request>> {
    request.extensions().get::<Id<domain::Request>>().copied()
}
