//! The claims of a token (RFC 7519, section 4), read once its signature is verified. Typed, so that a claim of another type, or one that
//! stands twice, refuses the token.

use std::collections::HashSet;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::token::TokenProblem;
use crate::types::scope::{Role, ScopeSet};

/// The claims whose names are fixed (RFC 7519, section 4.1; RFC 8693, section 4.3; OpenID Connect Core 1.0, section 2).
#[derive(Deserialize)]
pub(super) struct Claims {
    pub iss: String,
    pub aud: Audience,
    pub sub: String,
    pub exp: NumericDate,
    pub iat: NumericDate,
    pub nbf: Option<NumericDate>,
    pub name: Option<String>,
    pub email: Option<String>,
    pub client_id: Option<String>,
    pub azp: Option<String>,
    pub jti: Option<String>,
    #[serde(default, deserialize_with = "present")]
    pub credential_ids: Option<Vec<String>>,
}

/// A claim whose absence allows more than any value does: null is not its absence.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// The `aud` claim: one text, or a list of them.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    pub fn contains(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Several(several) => several.iter().any(|one| one == audience),
        }
    }
}

/// Seconds since 1970 (RFC 7519, section 2), fractions cut off.
#[derive(Clone, Copy)]
pub(super) struct NumericDate(pub i64);

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = serde_json::Number::deserialize(deserializer)?;
        let seconds = number.as_i64().or_else(|| whole_seconds(number.as_f64()?));
        let seconds = seconds.filter(|seconds| *seconds >= 0);
        let seconds = seconds.ok_or_else(|| D::Error::custom("no time after 1970"))?;
        Ok(Self(seconds))
    }
}

/// The whole seconds of a number that is not negative; `None` for more than there can be.
fn whole_seconds(seconds: f64) -> Option<i64> {
    // Written with all its digits, and never with an exponent.
    let whole = seconds.trunc().to_string();
    whole.parse().ok().filter(|_| seconds >= 0.0)
}

/// The claims of a token whose signature was verified, as JSON.
pub(super) fn payload(token: &str) -> Result<Vec<u8>, TokenProblem> {
    let payload = token.split('.').nth(1).ok_or(TokenProblem::Malformed)?;
    URL_SAFE_NO_PAD
        .decode(payload)
        .map_err(|_malformed| TokenProblem::Malformed)
}

/// The claims that give rights. Their names are configured.
pub(super) struct GrantClaims<'a> {
    /// The claim whose words are scopes (RFC 8693, section 4.2).
    pub scope: &'a str,
    /// The claim whose words are roles.
    pub role: Option<&'a str>,
}

impl GrantClaims<'_> {
    /// The scopes that they give. No claim of the token may stand twice, those that nobody knows included.
    pub fn read(self, payload: &[u8]) -> Result<ScopeSet, TokenProblem> {
        self.deserialize(&mut serde_json::Deserializer::from_slice(payload))
            .map_err(|_library_text| TokenProblem::Claims)
    }
}

impl<'de> DeserializeSeed<'de> for GrantClaims<'_> {
    type Value = ScopeSet;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<ScopeSet, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for GrantClaims<'_> {
    type Value = ScopeSet;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("claims")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut claims: A) -> Result<ScopeSet, A::Error> {
        let mut scopes = ScopeSet::default();
        let mut names = HashSet::new();
        while let Some(name) = claims.next_key::<String>()? {
            let (is_scope, is_role) = (name == self.scope, self.role == Some(name.as_str()));
            if is_scope || is_role {
                let words: Option<Words> = claims.next_value()?;
                let words = words.as_ref().map(Words::list).unwrap_or_default();
                if is_scope {
                    scopes = scopes.with(ScopeSet::of_words(&words));
                }
                if is_role {
                    scopes = scopes.with(scopes_of_roles(&words));
                }
            } else {
                claims.next_value::<IgnoredAny>()?;
            }
            if !names.insert(name) {
                return Err(A::Error::custom("a claim twice"));
            }
        }
        Ok(scopes)
    }
}

/// Words: a text with single spaces between them, or a list. What stands in a list is one word, with any spaces that are in it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Words {
    Text(String),
    List(Vec<String>),
}

impl Words {
    fn list(&self) -> Vec<&str> {
        match self {
            Self::Text(text) => text.split(' ').collect(),
            Self::List(list) => list.iter().map(String::as_str).collect(),
        }
    }
}

/// Words that are no roles of ours are passed over.
fn scopes_of_roles(words: &[&str]) -> ScopeSet {
    let roles = Role::ALL
        .into_iter()
        .filter(|role| words.contains(&role.as_str()));
    roles.fold(ScopeSet::default(), |all, role| all.with(role.scopes()))
}
