//! The GraphQL endpoint (GraphQL over HTTP, draft of the GraphQL Foundation): POST with JSON.

use std::sync::Arc;
use std::time::Duration;

use poem::error::ReadBodyError;
use poem::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use poem::{Body, Endpoint, Request, Response};
use tokio::time::timeout;

use super::accept::AnswerType;
use super::authorization::bearer_token;
use super::door::request_id;
use super::failure::{Challenge, Failure, json_response};
use super::json;
use crate::domain::Domain;
use crate::domain::authentication::AuthenticationError;
use crate::domain::caller::Caller;
use crate::domain::error::Error;
use crate::graphql::execution::{Api, GraphqlResponse};

/// The largest body, in bytes: a value of 64 KiB, each byte of which JSON may write as six, and room for the document.
const BODY_LIMIT_BYTES: usize = 512 * 1024;
/// How long a body may take to come.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Answers GraphQL requests.
pub struct GraphqlEndpoint {
    api: Api,
    domain: Arc<Domain>,
}

impl GraphqlEndpoint {
    /// An endpoint for an API.
    pub const fn new(api: Api, domain: Arc<Domain>) -> Self {
        Self { api, domain }
    }

    async fn answer(&self, mut request: Request) -> Result<(AnswerType, GraphqlResponse), Failure> {
        if request.method() != Method::POST {
            return Err(Failure::MethodNotAllowed("POST"));
        }
        let answer_type = AnswerType::negotiate(request.headers()).ok_or(Failure::NotAcceptable)?;
        check_content(request.headers())?;
        let caller = self.authenticate(&request).await?;
        let body = read_body(request.take_body()).await?;
        let answer = self.api.answer(caller, json::parse_request(&body)?).await;
        Ok((answer_type, answer))
    }

    async fn authenticate(&self, request: &Request) -> Result<Caller, Failure> {
        let token = bearer_token(request.headers())?;
        let id = request_id(request).ok_or(Failure::Internal)?;
        match self.domain.authenticate(token, id).await {
            Ok(caller) => Ok(caller),
            Err(AuthenticationError::Failed(Error::Overloaded)) => Err(Failure::Overloaded),
            Err(AuthenticationError::Failed(Error::Unavailable)) => Err(Failure::Unavailable),
            Err(AuthenticationError::Failed(_)) => Err(Failure::Internal),
            Err(AuthenticationError::Token(problem)) => {
                tracing::info!(request_id = %id, reason = problem.as_str(), "a token was refused");
                Err(Failure::Unauthenticated(Challenge::TokenInvalid))
            }
            Err(AuthenticationError::RemovedUser) => {
                tracing::info!(request_id = %id, reason = "removed_user", "a token was refused");
                Err(Failure::Unauthenticated(Challenge::TokenInvalid))
            }
        }
    }
}

impl Endpoint for GraphqlEndpoint {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let id = request_id(&request);
        let mut response = match self.answer(request).await {
            Ok((answer_type, answer)) => {
                if answer.has_fault() {
                    tracing::error!(request_id = ?id, "a request met a fault of the server");
                }
                json_response(
                    status(answer_type, &answer),
                    answer_type.content_type(),
                    &answer,
                )
            }
            Err(failure) => failure.response(),
        };
        let headers = response.headers_mut();
        headers.insert(header::VARY, HeaderValue::from_static("Accept"));
        Ok(response)
    }
}

/// A request that nothing was executed of is the client's fault under the one type, and an answer like any other under the
/// other, whose older clients know no better.
const fn status(answer_type: AnswerType, answer: &GraphqlResponse) -> StatusCode {
    match (answer_type, &answer.data) {
        (AnswerType::GraphqlResponse, None) => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    }
}

fn check_content(headers: &HeaderMap) -> Result<(), Failure> {
    if headers.contains_key(header::CONTENT_ENCODING) {
        return Err(Failure::UnsupportedMediaType);
    }
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let mut parts = content_type.unwrap_or_default().split(';').map(str::trim);
    let is_json = parts
        .next()
        .is_some_and(|name| name.eq_ignore_ascii_case("application/json"));
    let is_utf8 = parts
        .filter(|parameter| !parameter.is_empty())
        .all(|parameter| {
            parameter.split_once('=').is_some_and(|(key, value)| {
                key.eq_ignore_ascii_case("charset")
                    && value.trim_matches('"').eq_ignore_ascii_case("utf-8")
            })
        });
    if is_json && is_utf8 {
        Ok(())
    } else {
        Err(Failure::UnsupportedMediaType)
    }
}

async fn read_body(
    body: Body,
) -> Result<impl AsRef<[u8]> + std::ops::Deref<Target = [u8]>, Failure> {
    match timeout(BODY_TIMEOUT, body.into_bytes_limit(BODY_LIMIT_BYTES)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(ReadBodyError::PayloadTooLarge)) => Err(Failure::BodyTooLarge),
        Ok(Err(_incomplete)) => Err(Failure::BodyIncomplete),
        Err(_elapsed) => Err(Failure::BodyTimeout),
    }
}
