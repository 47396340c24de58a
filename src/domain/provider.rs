//! Signing in through an OpenID Connect provider: what a sign-in under way is known by, and who comes back from it.

use zeroize::Zeroizing;

use super::authentication::AuthenticationError;
use super::error::Error;
use super::session::SignedIn;
use super::{Domain, Request};
use crate::crypto::session::{
    derive_text, generate_secret, hash_from_text, hash_secret, hash_to_text, is_same,
};
use crate::crypto::token::TokenProblem;
use crate::store::error::Cause;
use crate::types::id::Id;
use crate::types::scope::ScopeSet;
use crate::types::session::{SecretHash, Way};

/// How long somebody may take at the provider, in seconds.
pub const ATTEMPT_LIMIT_SECONDS: i64 = 10 * 60;

/// A sign-in under way. The browser keeps it, authenticated, so that whichever instance it comes back to knows it and nobody else makes
/// one; what the provider is told follows from its secret. That it is used once only is up to the provider, whose codes are good once.
pub struct Attempt {
    secret: Zeroizing<String>,
    begun_at_seconds: i64,
    session: Option<SecretHash>,
    path: String,
}

impl Attempt {
    /// Where the browser goes afterwards.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
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
    /// A new attempt, which ends at a path. The session that the browser has, if any, ends with its success.
    ///
    /// # Errors
    /// [`Error::Internal`] when the system's random source fails.
    pub fn begin_attempt(&self, path: &str, session_id: Option<&str>) -> Result<Attempt, Error> {
        let (secret, _hash) = generate_secret()
            .map_err(|_unavailable| Error::Internal(Cause("the system's random source")))?;
        Ok(Attempt {
            secret,
            begun_at_seconds: self.clock.now().seconds(),
            session: session_id.and_then(hash_secret),
            path: path.to_owned(),
        })
    }

    /// What the browser keeps of an attempt: its parts, with a dot between.
    #[must_use]
    pub fn keep_attempt(&self, attempt: &Attempt) -> Zeroizing<String> {
        let session = attempt.session.as_ref().map(hash_to_text);
        Zeroizing::new(format!(
            "{}.{}.{}.{}.{}",
            *attempt.secret,
            attempt.begun_at_seconds,
            session.unwrap_or_default(),
            self.mac_of(attempt),
            attempt.path
        ))
    }

    /// The attempt that a browser came back with; `None` when no server of this deployment made it.
    #[must_use]
    pub fn resume_attempt(&self, kept: &str) -> Option<Attempt> {
        let mut parts = kept.splitn(5, '.');
        let (secret, begun_at) = (parts.next()?, parts.next()?);
        let (session, mac, path) = (parts.next()?, parts.next()?, parts.next()?);
        let attempt = Attempt {
            secret: Zeroizing::new(secret.to_owned()),
            begun_at_seconds: begun_at.parse().ok()?,
            session: hash_from_text(session),
            path: path.to_owned(),
        };
        is_same(&self.mac_of(&attempt), mac).then_some(attempt)
    }

    /// Whether an attempt began at most ten minutes ago.
    #[must_use]
    pub fn is_under_way(&self, attempt: &Attempt) -> bool {
        let age_seconds = self
            .clock
            .now()
            .seconds()
            .saturating_sub(attempt.begun_at_seconds);
        age_seconds <= ATTEMPT_LIMIT_SECONDS
    }

    fn mac_of(&self, attempt: &Attempt) -> String {
        self.keyring.present().session_key().attempt_mac(
            &attempt.secret,
            attempt.begun_at_seconds,
            attempt.session,
            &attempt.path,
        )
    }

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
        verified.expires_at_seconds = i64::MAX;
        let signed_in = self
            .begin_session(Way::Provider, verified, None, request_id)
            .await?;
        if let Some(id_hash) = attempt.session {
            // When it cannot be ended now, it ends by itself.
            let _ended = self.end_session(id_hash).await;
        }
        Ok(signed_in)
    }
}
