//! Requests that are refused as a whole: the status, and the errors as JSON in the form of GraphQL's.

use std::time::Duration;

use poem::http::{HeaderName, HeaderValue, StatusCode, header};
use poem::{Body, Response};

use super::accept::AnswerType;
use crate::graphql::error::{ApiError, ErrorCode, KEYS_UNAVAILABLE, OVERLOADED, UNAVAILABLE};
use crate::graphql::response::GraphqlResponse;

/// What a header that is too large is refused with, wherever that is found.
pub const HEADER_TOO_LARGE: &str = "The header has more than 64 fields or more than 32 KiB.";
/// What a URL that is too long is refused with, wherever that is found.
pub const URL_TOO_LONG: &str = "The URL has more than 16 KiB. Send the request by POST.";

/// Why a request is refused as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// There is no good token.
    Unauthenticated(Challenge),
    /// A cookie came with a request of which nobody knows that it is of our own pages.
    CrossSite,
    /// Somebody signs in by way of a proxy that the server was not told of.
    UnknownProxy,
    /// There is nothing at the address.
    NotFound,
    /// The method is another one than the allowed ones.
    MethodNotAllowed(&'static str),
    /// Something else than a query came by GET.
    NotByGet,
    /// No type that is accepted can be made.
    NotAcceptable,
    /// The body is of another type than JSON in UTF-8.
    UnsupportedMediaType,
    /// A subscription was asked for in a type that has one answer only.
    SubscriptionNeedsStream,
    /// The URL is longer than allowed.
    UrlTooLong,
    /// The header has more fields than allowed.
    HeaderTooLarge,
    /// The body is larger than allowed.
    BodyTooLarge,
    /// The body did not come in time.
    BodyTimeout,
    /// The body ended before its end.
    BodyIncomplete,
    /// The request is none of GraphQL over HTTP.
    BadRequest(&'static str),
    /// Too much that was not good was shown from there: how long to wait before the next attempt.
    RateLimited(Duration),
    /// Too much is going on.
    Overloaded,
    /// The database cannot be reached.
    Unavailable,
    /// There are no keys that a token could be verified with.
    KeysUnavailable,
    /// There was no answer in time.
    TookTooLong,
    /// A fault of the server.
    Internal,
}

/// What the client is asked for (RFC 6750, section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// A token: there was none.
    TokenMissing,
    /// Another token: the one that came is not good.
    TokenInvalid,
    /// Another one-time code: the one that came is not good.
    CodeInvalid,
}

impl Failure {
    /// The answer, in the type that every client understands.
    pub fn response(self) -> Response {
        self.response_as(AnswerType::Json)
    }

    /// The answer, in the type that the client likes best. There is nothing to stream.
    pub fn response_as(self, answer_type: AnswerType) -> Response {
        let content_type = match answer_type {
            AnswerType::GraphqlResponse => answer_type.content_type(),
            AnswerType::Json | AnswerType::EventStream => AnswerType::Json.content_type(),
        };
        let refused = GraphqlResponse::refused(self.error());
        let mut response = json_response(self.status(), content_type, &refused);
        if let Some((name, value)) = self.header() {
            response.headers_mut().insert(name, value);
        }
        response
    }

    /// The code of its error.
    pub fn code(self) -> &'static str {
        self.error().code.as_str()
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
            Self::CrossSite | Self::UnknownProxy => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) | Self::NotByGet => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable | Self::SubscriptionNeedsStream => StatusCode::NOT_ACCEPTABLE,
            Self::UrlTooLong => StatusCode::URI_TOO_LONG,
            Self::HeaderTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::BodyIncomplete | Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::RateLimited(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Overloaded | Self::Unavailable | Self::KeysUnavailable => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::TookTooLong => StatusCode::GATEWAY_TIMEOUT,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn header(self) -> Option<(HeaderName, HeaderValue)> {
        let (name, value) = match self {
            Self::Unauthenticated(Challenge::TokenMissing) => (header::WWW_AUTHENTICATE, "Bearer"),
            Self::Unauthenticated(Challenge::TokenInvalid | Challenge::CodeInvalid) => {
                (header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")
            }
            Self::MethodNotAllowed(methods) => (header::ALLOW, methods),
            Self::NotByGet => (header::ALLOW, "POST"),
            Self::RateLimited(wait) => {
                return Some((header::RETRY_AFTER, seconds_of(wait).into()));
            }
            Self::Overloaded | Self::Unavailable | Self::KeysUnavailable => {
                (header::RETRY_AFTER, "1")
            }
            _ => return None,
        };
        Some((name, HeaderValue::from_static(value)))
    }

    fn error(self) -> ApiError {
        let (code, message) = match self {
            Self::Unauthenticated(Challenge::CodeInvalid) => (
                ErrorCode::Unauthenticated,
                "This one-time code is not valid: it was used before, is older than ten minutes, or is of another server. `credence login-link` makes another one.",
            ),
            // One message for all of them: what is wrong with a token is for the log.
            Self::Unauthenticated(_) => (
                ErrorCode::Unauthenticated,
                "A valid token is needed: Authorization: Bearer …",
            ),
            Self::CrossSite => (
                ErrorCode::Forbidden,
                "A session is for the server's own pages: Sec-Fetch-Site must be same-origin, or Origin the public URL (--public-url).",
            ),
            Self::UnknownProxy => (
                ErrorCode::Forbidden,
                "This server was not told of the proxy before it, and its cookie would not be protected: name where browsers reach it with --public-url.",
            ),
            Self::NotFound => (
                ErrorCode::BadRequest,
                "There is nothing here. GraphQL is at /graphql.",
            ),
            Self::MethodNotAllowed(_) => {
                (ErrorCode::BadRequest, "This method is not allowed here.")
            }
            Self::NotByGet => (
                ErrorCode::BadRequest,
                "Only queries come by GET. Send this by POST.",
            ),
            Self::NotAcceptable => (
                ErrorCode::BadRequest,
                "Accept must allow application/graphql-response+json, application/json or, for a stream, text/event-stream.",
            ),
            Self::SubscriptionNeedsStream => (
                ErrorCode::BadRequest,
                "A subscription needs a stream: Accept: text/event-stream, or a WebSocket with the protocol graphql-transport-ws.",
            ),
            Self::UrlTooLong => (ErrorCode::BadRequest, URL_TOO_LONG),
            Self::HeaderTooLarge => (ErrorCode::BadRequest, HEADER_TOO_LARGE),
            Self::UnsupportedMediaType => (
                ErrorCode::BadRequest,
                "The body must be JSON in UTF-8, without an encoding: Content-Type: application/json.",
            ),
            Self::BodyTooLarge => (ErrorCode::BadRequest, "The body has more than 512 KiB."),
            Self::BodyTimeout => (
                ErrorCode::BadRequest,
                "The body did not come within 10 seconds.",
            ),
            Self::BodyIncomplete => (ErrorCode::BadRequest, "The body ended early."),
            Self::BadRequest(message) => (ErrorCode::BadRequest, message),
            Self::RateLimited(wait) => return refused_too_often(wait),
            Self::Overloaded => (ErrorCode::Overloaded, OVERLOADED),
            Self::Unavailable => (ErrorCode::Unavailable, UNAVAILABLE),
            Self::KeysUnavailable => (ErrorCode::Unavailable, KEYS_UNAVAILABLE),
            Self::TookTooLong => (
                ErrorCode::Unavailable,
                "There was no answer within 15 seconds. What was asked for may have been done: look before you ask again.",
            ),
            Self::Internal => return ApiError::internal(),
        };
        ApiError::new(code, message)
    }
}

fn refused_too_often(wait: Duration) -> ApiError {
    let seconds = seconds_of(wait);
    let message = format!(
        "Too many tokens, sessions or codes came from your address that are not valid. The next one is looked at in {seconds} s."
    );
    ApiError::rate_limited(wait, message)
}

/// A time to wait in whole seconds, as HTTP tells it (RFC 9110, section 10.2.3): never less than it is.
fn seconds_of(wait: Duration) -> u64 {
    let begun = u64::from(wait.subsec_nanos() > 0);
    wait.as_secs().saturating_add(begun).max(1)
}

/// An answer with a JSON body.
pub fn json_response(
    status: StatusCode,
    content_type: &'static str,
    answer: &GraphqlResponse,
) -> Response {
    // The answer is made of strings, numbers and lists only: it can always be written.
    let body = serde_json::to_vec(answer).unwrap_or_default();
    Response::builder()
        .status(status)
        .content_type(content_type)
        .body(Body::from_vec(body))
}
