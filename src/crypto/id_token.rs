//! ID tokens of an OpenID Connect provider (OpenID Connect Core 1.0, section 3.1.3.7): verified by the rules of all tokens, and by those of
//! this kind.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::digest::hmac_sha256;
use super::session::is_same;
use super::token::{Audience, TokenProblem, TokenVerifier, VerifiedToken};
use super::token_key::{RsaAlgorithm, TokenKeys};
use crate::types::clock::Timestamp;
use crate::types::scope::{Role, Scope, ScopeSet};
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
        let (issuer, client_id) = (self.issuer.clone(), self.client_id.clone());
        let verifier = TokenVerifier::new(keys, issuer, client_id, self.leeway_seconds);
        let mut verified = verifier.verify(token, now)?;
        let payload = payload(token)?;
        let claims: IdClaims =
            serde_json::from_slice(&payload).map_err(|_library_text| TokenProblem::Claims)?;
        if !claims.nonce.is_some_and(|given| is_same(&given, nonce)) {
            return Err(TokenProblem::Nonce);
        }
        let is_for_others = matches!(&claims.aud, Audience::Several(all) if all.len() > 1);
        match claims.azp {
            Some(party) if party == self.client_id => {}
            None if !is_for_others => {}
            _ => return Err(TokenProblem::Audience),
        }
        if let Some(name) = &self.role_claim {
            let roles = RoleClaim(name)
                .deserialize(&mut serde_json::Deserializer::from_slice(&payload))
                .map_err(|_library_text| TokenProblem::Claims)?;
            verified.scopes = verified.scopes.with(roles);
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

/// The claims of a token whose signature was verified, as JSON.
fn payload(token: &str) -> Result<Vec<u8>, TokenProblem> {
    let payload = token.split('.').nth(1).ok_or(TokenProblem::Malformed)?;
    URL_SAFE_NO_PAD
        .decode(payload)
        .map_err(|_malformed| TokenProblem::Malformed)
}

/// Reads the scopes of the roles in the claim of a name: a text with spaces between the words, or a list. Other words are passed over.
struct RoleClaim<'a>(&'a str);

#[derive(Deserialize)]
#[serde(untagged)]
enum Words {
    Text(String),
    List(Vec<String>),
}

impl Words {
    fn scopes(&self) -> ScopeSet {
        let words: Vec<&str> = match self {
            Self::Text(text) => text.split_whitespace().collect(),
            Self::List(list) => list.iter().map(String::as_str).collect(),
        };
        let roles = Role::ALL
            .into_iter()
            .filter(|role| words.contains(&role.as_str()));
        roles.fold(ScopeSet::default(), |all, role| all.with(role.scopes()))
    }
}

impl<'de> DeserializeSeed<'de> for RoleClaim<'_> {
    type Value = ScopeSet;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<ScopeSet, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RoleClaim<'_> {
    type Value = ScopeSet;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("claims")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut claims: A) -> Result<ScopeSet, A::Error> {
        let mut found: Option<Words> = None;
        while let Some(name) = claims.next_key::<String>()? {
            if name != self.0 {
                claims.next_value::<IgnoredAny>()?;
            } else if found.replace(claims.next_value()?).is_some() {
                return Err(A::Error::custom("a claim twice"));
            }
        }
        Ok(found.map(|words| words.scopes()).unwrap_or_default())
    }
}
