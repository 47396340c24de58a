//! Signing in through an OpenID Connect provider: what a sign-in under way is known by, and who comes back from it.

use zeroize::Zeroizing;

use super::authentication::AuthenticationError;
use super::error::Error;
use super::session::SignedIn;
use super::{Domain, Request};
use crate::crypto::session::{derive_text, generate_secret, is_same};
use crate::crypto::token::TokenProblem;
use crate::store::error::Cause;
use crate::types::id::Id;
use crate::types::scope::ScopeSet;

/// A sign-in under way. The browser keeps its secret; all else follows from that, so that whichever instance it comes back to knows it.
pub struct Attempt {
    secret: Zeroizing<String>,
}

impl Attempt {
    /// A new one.
    ///
    /// # Errors
    /// [`Error::Internal`] when the system's random source fails.
    pub fn begin() -> Result<Self, Error> {
        let (secret, _hash) = generate_secret()
            .map_err(|_unavailable| Error::Internal(Cause("the system's random source")))?;
        Ok(Self { secret })
    }

    /// The one that a browser came back with.
    #[must_use]
    pub fn resume(secret: &str) -> Self {
        Self {
            secret: Zeroizing::new(secret.to_owned()),
        }
    }

    /// What the browser keeps.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// What the provider hands back with the browser (RFC 6749, section 4.1.1).
    #[must_use]
    pub fn state(&self) -> Zeroizing<String> {
        derive_text(&self.secret, "oidc/state/v1")
    }

    /// Whether the provider handed this attempt's state back.
    #[must_use]
    pub fn has_state(&self, given: &str) -> bool {
        is_same(&self.state(), given)
    }

    /// What the provider puts into the ID token.
    #[must_use]
    pub fn nonce(&self) -> Zeroizing<String> {
        derive_text(&self.secret, "oidc/nonce/v1")
    }

    /// What proves to the provider that the code is asked for by who began (RFC 7636, section 4.1).
    #[must_use]
    pub fn code_verifier(&self) -> Zeroizing<String> {
        derive_text(&self.secret, "oidc/code-verifier/v1")
    }
}

impl Domain {
    /// Makes a session of an ID token that the provider gave for an attempt, verified with the provider's key set. The session lasts as long
    /// as is configured: ID tokens live for minutes.
    ///
    /// # Errors
    /// [`AuthenticationError::NoRights`] when its claims allow nothing; otherwise one of the others.
    pub async fn sign_in_with_id_token(
        &self,
        id_token: &str,
        key_set: &[u8],
        attempt: &Attempt,
        request_id: Id<Request>,
    ) -> Result<SignedIn, AuthenticationError> {
        let not_configured = AuthenticationError::Token(TokenProblem::Issuer);
        let rules = self.sign_in.provider.as_ref().ok_or(not_configured)?;
        let now = self.clock.now();
        let mut verified = rules
            .verify(id_token, key_set, &attempt.nonce(), now)
            .map_err(AuthenticationError::Token)?;
        if verified.scopes == ScopeSet::default() {
            return Err(AuthenticationError::NoRights);
        }
        // Where the provider's clock is ahead, the session would outlive the removal of its user.
        verified.issued_at_seconds = verified.issued_at_seconds.min(now.seconds());
        self.begin_session(verified, None, None, request_id).await
    }
}
