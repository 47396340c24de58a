//! The token of a request (RFC 6750, section 2.1): in the `Authorization` header, and nowhere else. And who it, or a session, speaks for.

use poem::http::{HeaderMap, header};
use tokio::time::Instant;

use super::failure::{Challenge, Failure};
use crate::domain;
use crate::domain::Domain;
use crate::domain::authentication::AuthenticationError;
use crate::domain::caller::Caller;
use crate::domain::error::Error;
use crate::domain::proof::Shown;
use crate::graphql::error::{ApiError, ErrorCode};
use crate::types::id::Id;
use crate::types::peer::Peer;

/// The token.
///
/// # Errors
/// [`Failure::Unauthenticated`] when there is none, [`Failure::BadRequest`] when there are two headers.
pub fn bearer_token(headers: &HeaderMap) -> Result<&str, Failure> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, more) = (values.next(), values.next());
    let Some(value) = value else {
        return Err(Failure::Unauthenticated(Challenge::TokenMissing));
    };
    if more.is_some() {
        return Err(Failure::BadRequest("There are two Authorization headers."));
    }
    let invalid = Failure::Unauthenticated(Challenge::TokenInvalid);
    value.to_str().ok().and_then(token_of).ok_or(invalid)
}

/// The token in the value of an `Authorization` header.
pub fn token_of(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("Bearer")
        .then_some(token.trim_matches(' '))
}

/// Finds out who a token speaks for. Why it is refused is for the log.
///
/// # Errors
/// [`Failure::Unauthenticated`] for a token that is not good, [`Failure::RateLimited`] when too many such came from its peer; otherwise why it
/// could not be found out.
pub async fn verify(
    domain: &Domain,
    token: &str,
    peer: Option<Peer>,
    id: Id<domain::Request>,
) -> Result<Caller, Failure> {
    let look = domain.authenticate(token, id);
    let verified = domain.let_show(peer, Shown::Token(token), look).await;
    let verified = verified.map(|caller| caller.at(peer));
    verified.map_err(|error| refusal(domain, error, id))
}

/// Finds out who a session speaks for. Why it is refused is for the log.
///
/// # Errors
/// [`Failure::Unauthenticated`] for a session that is not good, [`Failure::RateLimited`] when too much that was not good came from its peer;
/// otherwise why it could not be found out.
pub async fn verify_session(
    domain: &Domain,
    session_id: &str,
    peer: Option<Peer>,
    id: Id<domain::Request>,
) -> Result<Caller, Failure> {
    let look = domain.authenticate_session(session_id, id);
    let verified = domain
        .let_show(peer, Shown::Session(session_id), look)
        .await
        .map(|caller| caller.at(peer));
    verified.map_err(|error| refusal(domain, error, id))
}

/// The answer to one who is not authenticated. The log is told the reason, and it is counted.
pub fn refusal(domain: &Domain, error: AuthenticationError, id: Id<domain::Request>) -> Failure {
    note_refusal(domain, &error, id);
    match error {
        AuthenticationError::Failed(error) => failure_of(error),
        AuthenticationError::TooOften(wait) => Failure::RateLimited(wait),
        AuthenticationError::KeysUnavailable => Failure::KeysUnavailable,
        AuthenticationError::Code => Failure::Unauthenticated(Challenge::CodeInvalid),
        _ => Failure::Unauthenticated(Challenge::TokenInvalid),
    }
}

/// Tells the log why what somebody showed was refused, and counts it. What could not be looked into was not refused.
pub fn note_refusal(domain: &Domain, error: &AuthenticationError, id: Id<domain::Request>) {
    let (what, reason) = match error {
        AuthenticationError::Failed(_) | AuthenticationError::KeysUnavailable => return,
        AuthenticationError::TooOften(_) => {
            // There may be a flood of them, and what came before is in the log.
            domain.note_refused_proof("rate_limited");
            tracing::debug!(request_id = %id, "what was shown was not looked at: too much came from there that was not good");
            return;
        }
        AuthenticationError::Token(problem) => ("a token", problem.as_str()),
        AuthenticationError::RemovedUser => ("a token", "removed_user"),
        AuthenticationError::Session | AuthenticationError::SessionEnded => {
            ("a session", "session")
        }
        AuthenticationError::NoRights => {
            tracing::info!(
                "an ID token allows nothing: have the provider put scopes into its claim `scope`, or roles into that of --oidc-role-claim"
            );
            ("an ID token", "no_rights")
        }
        AuthenticationError::Code => ("a one-time code", "one_time_code"),
    };
    domain.note_refused_proof(reason);
    tracing::info!(request_id = %id, reason, "{what} was refused");
}

/// When the caller's token or session ends.
pub fn end_of_token(domain: &Domain, caller: &Caller) -> Instant {
    Instant::now() + domain.remaining(caller)
}

/// Why nobody could be found out about. The translation tells the log.
pub fn failure_of(error: Error) -> Failure {
    match ApiError::from(error).code {
        ErrorCode::Overloaded => Failure::Overloaded,
        ErrorCode::Unavailable => Failure::Unavailable,
        _ => Failure::Internal,
    }
}
