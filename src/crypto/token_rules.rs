//! The rules of an issuer's tokens, and their times.

use super::token::TokenProblem;
use crate::types::clock::Timestamp;

/// How long a token may live at most, from `iat` to `exp`, in seconds.
pub const TOKEN_LIFETIME_LIMIT_SECONDS: i64 = 24 * 60 * 60;
/// How far the issuer's clock may be from ours, in seconds, unless configured otherwise.
pub const LEEWAY_DEFAULT_SECONDS: i64 = 30;
/// The claim whose words are scopes, unless configured otherwise (RFC 8693, section 4.2).
pub const SCOPE_CLAIM: &str = "scope";

/// What the tokens of an issuer must be, beside signed with one of its keys.
#[derive(Clone, Debug)]
pub struct TokenRules {
    /// Their `iss` claim.
    pub issuer: String,
    /// Their `aud` claim, alone or among others.
    pub audience: String,
    /// How far the issuer's clock may be from ours, in seconds.
    pub leeway_seconds: i64,
    /// How long a token may live, from `iat` to `exp`, in seconds.
    pub lifetime_limit_seconds: i64,
    /// The claim whose words are scopes: a text with spaces between them, or a list.
    pub scope_claim: String,
    /// The claim whose words are roles, beside the scopes.
    pub role_claim: Option<String>,
    /// Whether they must say that they are access tokens (RFC 9068, section 2.1).
    pub require_at_jwt: bool,
}

impl TokenRules {
    /// The usual rules, for tokens from `issuer` for `audience`.
    #[must_use]
    pub fn new(issuer: String, audience: String) -> Self {
        Self {
            issuer,
            audience,
            leeway_seconds: LEEWAY_DEFAULT_SECONDS,
            lifetime_limit_seconds: TOKEN_LIFETIME_LIMIT_SECONDS,
            scope_claim: SCOPE_CLAIM.to_owned(),
            role_claim: None,
            require_at_jwt: false,
        }
    }

    /// Whether a token of these times is good now. The order of the answers is that of the checks.
    pub(super) fn check_times(
        &self,
        times: TokenTimes,
        now: Timestamp,
    ) -> Result<(), TokenProblem> {
        let now_seconds = now.seconds();
        if times.exp <= now_seconds.saturating_sub(self.leeway_seconds) {
            return Err(TokenProblem::Expired);
        }
        if times.start > now_seconds.saturating_add(self.leeway_seconds) {
            return Err(TokenProblem::NotYetValid);
        }
        let limit = self.lifetime_limit_seconds;
        let lifetime = times.exp.saturating_sub(times.iat);
        let latest_end = now_seconds.saturating_add(limit + self.leeway_seconds);
        if lifetime > limit || times.exp > latest_end {
            return Err(TokenProblem::Lifetime);
        }
        Ok(())
    }
}

/// The times of a token, in seconds since 1970.
#[derive(Clone, Copy)]
pub(super) struct TokenTimes {
    /// The `iat` claim.
    pub iat: i64,
    /// The later one of the claims `iat` and `nbf`.
    pub start: i64,
    /// The `exp` claim.
    pub exp: i64,
}
