//! Tokens that were verified already: the signature of each is paid for once. They are kept with the keys that verified them, and go with
//! them.

use std::sync::Arc;

use quick_cache::sync::Cache;

use crate::crypto::digest::{HASH_LENGTH_BYTES, sha256};
use crate::crypto::token::{TOKEN_LIMIT_BYTES, TokenProblem, TokenVerifier, VerifiedToken};
use crate::types::clock::Timestamp;
use crate::types::session::Fingerprint;
use crate::types::user::UserKey;

/// How many are kept.
const KEPT_LIMIT_TOKENS: usize = 10_000;

/// What was found about a token.
pub(super) struct Verification {
    /// What it says, or why it is refused.
    pub outcome: Result<Arc<VerifiedToken>, TokenProblem>,
    /// Whether it was known.
    pub is_known: bool,
}

/// Keys, and the good tokens that they verified.
pub(super) struct VerifiedTokens {
    verifier: TokenVerifier,
    // By the hash of the token: no token is kept.
    tokens: Cache<[u8; HASH_LENGTH_BYTES], Arc<VerifiedToken>>,
}

impl VerifiedTokens {
    pub fn new(verifier: TokenVerifier) -> Self {
        Self {
            verifier,
            tokens: Cache::new(KEPT_LIMIT_TOKENS),
        }
    }

    /// Verifies a token, unless it is known. Its times are looked at in any case.
    pub fn verify(&self, token: &str, now: Timestamp) -> Verification {
        if token.len() > TOKEN_LIMIT_BYTES {
            return Verification {
                outcome: Err(TokenProblem::Malformed),
                is_known: false,
            };
        }
        let hash = sha256(token.as_bytes());
        if let Some(known) = self.tokens.get(&hash) {
            let checked = self.verifier.check_again(&known, now);
            if checked.is_err() {
                self.tokens.remove(&hash);
            }
            return Verification {
                outcome: checked.map(|()| known),
                is_known: true,
            };
        }
        let outcome = self.verifier.verify(token, now).map(Arc::new);
        if let Ok(verified) = &outcome {
            self.tokens.insert(hash, Arc::clone(verified));
        }
        Verification {
            outcome,
            is_known: false,
        }
    }

    /// Whether a token is known.
    pub fn knows(&self, token: &str) -> bool {
        token.len() <= TOKEN_LIMIT_BYTES && self.tokens.get(&sha256(token.as_bytes())).is_some()
    }

    /// How many tokens are known.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Drops the tokens of a user.
    pub fn forget(&self, user: &UserKey) {
        self.tokens.retain(|_hash, token| token.user != *user);
    }

    /// Drops a token.
    pub fn forget_token(&self, token: &str) {
        self.tokens.remove(&sha256(token.as_bytes()));
    }

    /// Whether a verifier has the keys of this one.
    pub fn has_keys_of(&self, verifier: &TokenVerifier) -> bool {
        self.verifier.has_keys_of(verifier)
    }

    /// What tokens are verified with: one for each key.
    pub fn fingerprints(&self) -> impl Iterator<Item = Fingerprint> {
        self.verifier.fingerprints()
    }
}
