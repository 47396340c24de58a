//! What clients are told when something cannot be answered. Every message is ours: no text of a library, no value and no
//! token ever reaches one.

use std::borrow::Cow;
use std::time::Duration;

use crate::domain::error::{BadArgument, Denial, Error};
use crate::types::page::PAGE_SIZE_LIMIT;

/// What is said when too much is going on.
pub const OVERLOADED: &str = "Too much is going on. Try again shortly.";
/// What is said when there are no keys that tokens could be verified with.
pub const KEYS_UNAVAILABLE: &str = "The keys of the tokens' issuer cannot be had, so that no token can be checked. Try again shortly.";
/// What is said when the database is out of reach.
pub const UNAVAILABLE: &str = "The database cannot be reached or written. Try again shortly.";

/// The codes in `extensions.code`, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// There is no good token.
    Unauthenticated,
    /// The token does not allow it.
    Forbidden,
    /// A variable or an argument is wrong.
    BadUserInput,
    /// The document is no GraphQL.
    GraphqlParseFailed,
    /// The document does not fit the schema, or asks for too much.
    GraphqlValidationFailed,
    /// The request is none of GraphQL over HTTP.
    BadRequest,
    /// The document has no operation of the name.
    OperationResolutionFailure,
    /// It is asked for too often.
    RateLimited,
    /// Too much is going on.
    Overloaded,
    /// The database cannot be reached or written.
    Unavailable,
    /// A stored value does not open.
    CredentialUnreadable,
    /// A subscription may have missed changes.
    EventsMissed,
    /// No document is known by the hash.
    PersistedQueryNotFound,
    /// A fault of the server.
    InternalServerError,
}

impl ErrorCode {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Unauthenticated,
        Self::Forbidden,
        Self::BadUserInput,
        Self::GraphqlParseFailed,
        Self::GraphqlValidationFailed,
        Self::BadRequest,
        Self::OperationResolutionFailure,
        Self::RateLimited,
        Self::Overloaded,
        Self::Unavailable,
        Self::CredentialUnreadable,
        Self::EventsMissed,
        Self::PersistedQueryNotFound,
        Self::InternalServerError,
    ];

    /// Whether the server is at fault for what ends with it.
    #[must_use]
    pub const fn is_fault(self) -> bool {
        match self {
            Self::Overloaded
            | Self::Unavailable
            | Self::CredentialUnreadable
            | Self::InternalServerError => true,
            Self::Unauthenticated
            | Self::Forbidden
            | Self::BadUserInput
            | Self::GraphqlParseFailed
            | Self::GraphqlValidationFailed
            | Self::BadRequest
            | Self::OperationResolutionFailure
            | Self::RateLimited
            | Self::EventsMissed
            | Self::PersistedQueryNotFound => false,
        }
    }

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Forbidden => "FORBIDDEN",
            Self::BadUserInput => "BAD_USER_INPUT",
            Self::GraphqlParseFailed => "GRAPHQL_PARSE_FAILED",
            Self::GraphqlValidationFailed => "GRAPHQL_VALIDATION_FAILED",
            Self::BadRequest => "BAD_REQUEST",
            Self::OperationResolutionFailure => "OPERATION_RESOLUTION_FAILURE",
            Self::RateLimited => "RATE_LIMITED",
            Self::Overloaded => "OVERLOADED",
            Self::Unavailable => "UNAVAILABLE",
            Self::CredentialUnreadable => "CREDENTIAL_UNREADABLE",
            Self::EventsMissed => "EVENTS_MISSED",
            Self::PersistedQueryNotFound => "PERSISTED_QUERY_NOT_FOUND",
            Self::InternalServerError => "INTERNAL_SERVER_ERROR",
        }
    }
}

/// An error as clients see it. It has no `Display`, and nothing foreign becomes one by `?`:
///
/// ```compile_fail,E0277
/// fn answer() -> Result<Vec<u8>, credence::graphql::error::ApiError> {
///     Ok(std::fs::read("secret")?)
/// }
/// ```
///
/// ```compile_fail,E0277
/// fn show(error: credence::graphql::error::ApiError) -> String {
///     error.to_string()
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// For programs.
    pub code: ErrorCode,
    /// For people.
    pub message: Cow<'static, str>,
    /// How long to wait before the next attempt, in milliseconds, when that is known.
    pub retry_after_ms: Option<u64>,
}

impl ApiError {
    /// An error with a fixed message.
    #[must_use]
    pub const fn new(code: ErrorCode, message: &'static str) -> Self {
        Self {
            code,
            message: Cow::Borrowed(message),
            retry_after_ms: None,
        }
    }

    /// An error whose message is put together. It may hold names and numbers of ours and the names of variables, and no value.
    #[must_use]
    pub const fn composed(code: ErrorCode, message: String) -> Self {
        Self {
            code,
            message: Cow::Owned(message),
            retry_after_ms: None,
        }
    }

    /// What is said of something that is asked for too often.
    #[must_use]
    pub fn rate_limited(wait: Duration, message: String) -> Self {
        let begun = u128::from(!wait.subsec_nanos().is_multiple_of(1_000_000));
        let milliseconds = u64::try_from(wait.as_millis() + begun).unwrap_or(u64::MAX);
        Self {
            retry_after_ms: Some(milliseconds.max(1)),
            ..Self::composed(ErrorCode::RateLimited, message)
        }
    }

    /// What is said of a fault, whatever it is.
    #[must_use]
    pub const fn internal() -> Self {
        Self::new(
            ErrorCode::InternalServerError,
            "The server failed. Its log has the cause under the ID in `x-request-id`.",
        )
    }
}

impl From<ApiError> for async_graphql::Error {
    fn from(error: ApiError) -> Self {
        Self {
            message: String::new(),
            source: Some(std::sync::Arc::new(error)),
            extensions: None,
        }
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        log(&error);
        match error {
            Error::BadArgument(argument) => bad_argument(argument),
            Error::Unauthenticated => Self::new(
                ErrorCode::Unauthenticated,
                "This token or session is no longer accepted: its user was removed or signed out, or its key was withdrawn. Sign in again.",
            ),
            Error::Forbidden(denial) => forbidden(&denial),
            Error::Unreadable => Self::new(
                ErrorCode::CredentialUnreadable,
                "The stored value of this credential does not open: it was changed or damaged. Set a new value.",
            ),
            Error::EventsMissed => Self::new(
                ErrorCode::EventsMissed,
                "Changes may have been missed. Drop what is remembered of credentials, and subscribe again.",
            ),
            Error::RateLimited(wait) => Self::rate_limited(
                wait,
                "This client resolves more often than the server lets it. Wait as long as `retryAfterMs` says.".to_owned(),
            ),
            // A change that was overtaken is tried again: what comes here has been overtaken each time.
            Error::Overloaded | Error::Overtaken => Self::new(ErrorCode::Overloaded, OVERLOADED),
            Error::Unavailable => Self::new(ErrorCode::Unavailable, UNAVAILABLE),
            // Problems of an input are user errors: they do not come here.
            Error::Rejected(_) | Error::Internal(_) => Self::internal(),
        }
    }
}

/// Tells the log what the operator has to know of. The ID of the request stands around it.
fn log(error: &Error) {
    match error {
        Error::Internal(cause) => {
            tracing::error!(cause = cause.0, "a request met a fault of the server");
        }
        Error::Unavailable => tracing::warn!("the database cannot be reached or written"),
        Error::Unreadable => {
            tracing::warn!("a stored value does not open: it was changed or damaged");
        }
        _ => {}
    }
}

fn bad_argument(argument: BadArgument) -> ApiError {
    let message = match argument {
        BadArgument::FirstAndLast => "Give `first` or `last`, not both.".to_owned(),
        BadArgument::PageSize => format!("`first` and `last` are 1 to {PAGE_SIZE_LIMIT}."),
        BadArgument::Cursor => "The cursor is none of this list: it belongs to another order or search, or was changed. \
                                Start from the first page."
            .to_owned(),
        BadArgument::TooManyIds => "At most 100 IDs can be asked for at once.".to_owned(),
        BadArgument::SearchTooLong => "A text to search for has at most 1,024 characters.".to_owned(),
    };
    ApiError::composed(ErrorCode::BadUserInput, message)
}

fn forbidden(denial: &Denial) -> ApiError {
    let message = match denial {
        Denial::NeedsScope(scopes) => {
            let names: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
            format!("This needs a token with the scope {}.", names.join(" or "))
        }
        Denial::NotOwner => {
            "The credential is somebody else's: changing it needs a token with the scope credentials:manage.".to_owned()
        }
        Denial::TokenLimited => "This token is limited to other credentials.".to_owned(),
        Denial::ClientNotNamed => {
            "Only tokens that were given to certain programs resolve here, and this one was not: its `client_id` or `azp` must be one of --resolve-client.".to_owned()
        }
    };
    ApiError::composed(ErrorCode::Forbidden, message)
}
