//! The header of a token (RFC 7515, section 4), read before anything else is done with the token.

use std::collections::HashSet;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::token::TokenProblem;

/// The members of a token's header that matter. A member that would make the server fetch or trust something, or that it
/// would have to understand, refuses the token, whatever its value.
#[derive(Deserialize)]
pub struct TokenHeader {
    pub alg: String,
    pub kid: Option<String>,
    typ: Option<String>,
    #[serde(default)]
    crit: Presence,
    #[serde(default)]
    jku: Presence,
    #[serde(default)]
    jwk: Presence,
    #[serde(default)]
    x5u: Presence,
    #[serde(default)]
    x5c: Presence,
    #[serde(default)]
    zip: Presence,
    #[serde(default)]
    enc: Presence,
    #[serde(default)]
    b64: Presence,
}

impl TokenHeader {
    /// Reads the header of a token in its compact form, three parts with dots between them.
    pub fn parse(token: &str) -> Result<Self, TokenProblem> {
        let mut parts = token.split('.');
        let (Some(header), Some(_), Some(_), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenProblem::Malformed);
        };
        let json = URL_SAFE_NO_PAD
            .decode(header)
            .map_err(|_malformed| TokenProblem::Malformed)?;
        let malformed = |_library_text| TokenProblem::Malformed;
        serde_json::from_slice::<UniqueMembers>(&json).map_err(malformed)?;
        let header: Self = serde_json::from_slice(&json).map_err(malformed)?;
        let refused = [
            &header.crit,
            &header.jku,
            &header.jwk,
            &header.x5u,
            &header.x5c,
            &header.zip,
            &header.enc,
            &header.b64,
        ];
        let is_of_known_type = header.typ.is_none() || header.has_type(&["jwt"]);
        if refused.iter().any(|member| member.0) || !is_of_known_type && !header.is_access_token() {
            return Err(TokenProblem::Header);
        }
        Ok(header)
    }

    /// Whether the token says that it is an access token (RFC 9068, section 2.1).
    pub fn is_access_token(&self) -> bool {
        self.has_type(&["at+jwt", "application/at+jwt"])
    }

    /// Whether it has one of these types. Media types know no case (RFC 7515, section 4.1.9).
    fn has_type(&self, names: &[&str]) -> bool {
        let typ = self.typ.as_deref();
        typ.is_some_and(|typ| names.iter().any(|name| typ.eq_ignore_ascii_case(name)))
    }
}

/// Whether a member is there, whatever its value: `null` is one.
#[derive(Default)]
struct Presence(bool);

impl<'de> Deserialize<'de> for Presence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_value| Self(true))
    }
}

/// An object of which no member stands twice, those that are passed over included.
struct UniqueMembers;

impl<'de> Deserialize<'de> for UniqueMembers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Self)
    }
}

impl<'de> Visitor<'de> for UniqueMembers {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object without a member twice")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        let mut names = HashSet::new();
        while let Some((name, IgnoredAny)) = members.next_entry::<String, IgnoredAny>()? {
            if !names.insert(name) {
                return Err(A::Error::custom("a member twice"));
            }
        }
        Ok(self)
    }
}
