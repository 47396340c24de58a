//! Tokens: with which keys they are verified, and which of them resolve.

use std::sync::Arc;

use super::Domain;
use super::authentication::AuthenticationError;
use super::issuer_keys::IssuerKeys;
use super::token_cache::{Verification, VerifiedTokens};
use crate::crypto::token::{TokenProblem, VerifiedToken};
use crate::types::clock::Timestamp;
use crate::types::session::Fingerprint;
use crate::types::user::UserKey;

/// What is needed to take tokens.
pub struct Tokens {
    keys: IssuerKeys,
    resolve_clients: Vec<String>,
}

impl Tokens {
    /// Tokens that these keys verify. When there are any `resolve_clients`, only tokens that were given to one of them resolve.
    #[must_use]
    pub const fn new(keys: IssuerKeys, resolve_clients: Vec<String>) -> Self {
        Self {
            keys,
            resolve_clients,
        }
    }

    /// Whether who was given a token may resolve with it. A session was given to nobody.
    pub(super) fn is_for_resolving(&self, clients: &[String]) -> bool {
        let is_named = |client: &String| self.resolve_clients.contains(client);
        self.resolve_clients.is_empty() || clients.iter().any(is_named)
    }

    /// Whether a token was verified before, by keys that count.
    pub(super) fn knows(&self, token: &str, now: Timestamp) -> bool {
        let present = self.keys.present(now);
        present.is_some_and(|tokens| tokens.knows(token))
    }

    /// How many tokens are known.
    pub(super) fn known(&self, now: Timestamp) -> usize {
        self.keys.present(now).map_or(0, |tokens| tokens.len())
    }

    /// Drops the known tokens that have expired.
    pub(super) fn sweep(&self, now: Timestamp) {
        if let Some(tokens) = self.keys.present(now) {
            tokens.sweep(now);
        }
    }

    /// Drops what is known of a user's tokens.
    pub(super) fn forget_user(&self, user: &UserKey, now: Timestamp) {
        if let Some(tokens) = self.keys.present(now) {
            tokens.forget(user);
        }
    }

    /// Drops what is known of a token.
    pub(super) fn forget(&self, token: &str, now: Timestamp) {
        if let Some(tokens) = self.keys.present(now) {
            tokens.forget_token(token);
        }
    }

    /// What tokens are verified with now: one for each key.
    pub(super) fn fingerprints(&self, now: Timestamp) -> Vec<Fingerprint> {
        let present = self.keys.present(now);
        present
            .iter()
            .flat_map(|tokens| tokens.fingerprints())
            .collect()
    }

    /// Whether a token that was verified with this would be so now.
    pub(super) fn accepts(&self, verified_with: Fingerprint, now: Timestamp) -> bool {
        let present = self.keys.present(now);
        present.is_some_and(|tokens| tokens.fingerprints().any(|one| one == verified_with))
    }

    /// The keys as they are now. When there are none, an answer of the issuer is waited for that is under way or due.
    pub(super) async fn keys(
        &self,
        now: Timestamp,
    ) -> Result<Arc<VerifiedTokens>, AuthenticationError> {
        let mut present = self.keys.present(now);
        if present.is_none() && self.keys.renewed(false, now).await {
            present = self.keys.present(now);
        }
        present.ok_or(AuthenticationError::KeysUnavailable)
    }

    /// The keys after one was missing among those of before; `None` when it is too soon to ask for them again.
    pub(super) async fn renewed_keys(&self, now: Timestamp) -> Option<Arc<VerifiedTokens>> {
        if self.keys.renewed(true, now).await {
            self.keys.present(now)
        } else {
            None
        }
    }
}

impl Domain {
    /// Verifies a token, unless it is known. For one whose key is not, the issuer is asked for its keys again.
    pub(super) async fn verify_token(
        &self,
        token: &str,
    ) -> Result<Arc<VerifiedToken>, AuthenticationError> {
        let now = self.clock.now();
        let mut verification = self.tokens.keys(now).await?.verify(token, now);
        if verification.outcome.as_ref().err() == Some(&TokenProblem::UnknownKey)
            && let Some(keys) = self.tokens.renewed_keys(now).await
        {
            verification = keys.verify(token, now);
        }
        self.count_verification(&verification);
        verification.outcome.map_err(AuthenticationError::Token)
    }

    fn count_verification(&self, verification: &Verification) {
        let counts = &self.metrics.tokens;
        match &verification.outcome {
            Ok(_) => counts.count_lookup(verification.is_known),
            Err(_) if verification.is_known => {}
            Err(_) => counts.count_lookup(false),
        }
        match &verification.outcome {
            Ok(_) if verification.is_known => {}
            Ok(_) => counts.count_accepted(),
            Err(problem) => counts.count_refused(problem.as_str()),
        }
    }

    /// Keeps the issuer's keys new, for ever. Those of a file stay as they are: then it returns.
    pub async fn follow_issuer_keys(&self) {
        self.tokens.keys.follow(&self.clock).await;
    }

    /// Whether there are keys to verify tokens with.
    pub(super) fn has_issuer_keys(&self) -> bool {
        self.tokens.keys.present(self.clock.now()).is_some()
    }
}
