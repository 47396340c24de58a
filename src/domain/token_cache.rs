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

    /// Drops the tokens that have expired.
    pub fn sweep(&self, now: Timestamp) {
        self.tokens.retain(|_hash, token| {
            self.verifier.check_again(token, now) != Err(TokenProblem::Expired)
        });
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::local_token::{LocalGrant, LocalIssuer};
    use crate::crypto::token_key::TokenKeys;
    use crate::crypto::token_rules::TokenRules;
    use crate::types::clock::Clock;
    use crate::types::scope::ScopeSet;

    #[test]
    fn expired_tokens_are_dropped_and_others_stay() {
        let issuer = LocalIssuer {
            secret: b"a secret of this test, of 32 bytes and more",
            issuer: "https://issuer.example",
            audience: "credence",
        };
        let rules = TokenRules::new(issuer.issuer.to_owned(), issuer.audience.to_owned());
        let leeway_seconds = rules.leeway_seconds;
        let keys = TokenKeys::from_secret(issuer.secret).unwrap();
        let tokens = VerifiedTokens::new(TokenVerifier::new(keys, rules));
        let now = Clock::system().now();
        for (subject, lifetime_seconds) in [("short", 60), ("longer", 61), ("long", 3_600)] {
            let grant = LocalGrant {
                subject,
                scopes: ScopeSet::default(),
                lifetime_seconds,
            };
            let token = issuer.issue(&grant, now).unwrap();
            assert!(tokens.verify(&token, now).outcome.is_ok());
        }
        let later = |seconds: i64| Timestamp(now.0 + (leeway_seconds + seconds) * 1_000_000);
        for (seconds, kept) in [(59, 3), (60, 2), (61, 1), (3_599, 1), (3_600, 0)] {
            tokens.sweep(later(seconds));
            assert_eq!(tokens.len(), kept, "{seconds}");
        }
    }
}
