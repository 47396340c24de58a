//! ID tokens of an OpenID Connect provider (OpenID Connect Core 1.0, section 3.1.3.7): verified by the rules of all tokens, and by those of
//! this kind.

use serde::Deserialize;

use super::digest::hmac_sha256;
use super::session::is_same;
use super::token::{TokenProblem, TokenVerifier, VerifiedToken};
use super::token_claims::{Audience, payload};
use super::token_key::{RsaAlgorithm, TokenKeys};
use super::token_rules::TokenRules;
use crate::types::clock::Timestamp;
use crate::types::scope::Scope;
use crate::types::session::Fingerprint;

const FINGERPRINT_DOMAIN: &[u8] = b"credence/provider-fingerprint/v1";

/// What the ID tokens of a provider must be.
#[derive(Clone, Debug)]
pub struct IdTokenRules {
    /// Their `iss` claim.
    pub issuer: String,
    /// The client that they are for, in their `aud` claim.
    pub client_id: String,
    /// The claim whose words are roles, beside the scopes of the claim `scope`.
    pub role_claim: Option<String>,
    /// The algorithm of RSA keys that do not say theirs.
    pub rsa_algorithm: RsaAlgorithm,
    /// How far the provider's clock may be from ours, in seconds.
    pub leeway_seconds: i64,
}

impl IdTokenRules {
    /// Tells this provider and its client apart from others. Its keys come and go.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let parts = [self.issuer.as_bytes(), self.client_id.as_bytes()];
        Fingerprint(hmac_sha256(FINGERPRINT_DOMAIN, &parts))
    }

    /// Verifies an ID token with the provider's key set, a JSON Web Key Set. `nonce` is that of the sign-in that it must be of. Whatever it
    /// says, it does not allow to resolve.
    ///
    /// # Errors
    /// A [`TokenProblem`]: [`TokenProblem::UnknownKey`] when the set may be an old one.
    pub fn verify(
        &self,
        token: &str,
        key_set: &[u8],
        nonce: &str,
        now: Timestamp,
    ) -> Result<VerifiedToken, TokenProblem> {
        let keys = TokenKeys::from_key_set(key_set, self.rsa_algorithm)
            .map_err(|_problem| TokenProblem::KeySet)?;
        let rules = TokenRules {
            leeway_seconds: self.leeway_seconds,
            role_claim: self.role_claim.clone(),
            ..TokenRules::new(self.issuer.clone(), self.client_id.clone())
        };
        let mut verified = TokenVerifier::new(keys, rules).verify(token, now)?;
        let claims: IdClaims = serde_json::from_slice(&payload(token)?)
            .map_err(|_library_text| TokenProblem::Claims)?;
        if !claims.nonce.is_some_and(|given| is_same(&given, nonce)) {
            return Err(TokenProblem::Nonce);
        }
        let is_for_others = matches!(&claims.aud, Audience::Several(all) if all.len() > 1);
        match claims.azp {
            Some(party) if party == self.client_id => {}
            None if !is_for_others => {}
            _ => return Err(TokenProblem::Audience),
        }
        // It speaks for a person, and people resolve nothing.
        verified.scopes = verified.scopes.without(Scope::CredentialsResolve);
        verified.verified_with = self.fingerprint();
        Ok(verified)
    }
}

/// The claims that matter here alone.
#[derive(Deserialize)]
struct IdClaims {
    aud: Audience,
    nonce: Option<String>,
    azp: Option<String>,
}
