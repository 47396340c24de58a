//! The tokens of local mode, which the server signs itself.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

use crate::types::clock::Timestamp;
use crate::types::scope::ScopeSet;

/// Makes the tokens of local mode: HS256 with the key of the data directory.
pub struct LocalIssuer<'a> {
    /// The key, 32 bytes.
    pub secret: &'a [u8],
    /// The issuer, `urn:credence:local:` and the deployment's ID.
    pub issuer: &'a str,
    /// The audience.
    pub audience: &'a str,
}

/// What a token of local mode is to say.
pub struct LocalGrant<'a> {
    /// Who it speaks for.
    pub subject: &'a str,
    /// What it allows.
    pub scopes: ScopeSet,
    /// How long it lives, in seconds.
    pub lifetime_seconds: i64,
}

impl LocalIssuer<'_> {
    /// A signed token; `None` when the signature cannot be made.
    #[must_use]
    pub fn issue(&self, grant: &LocalGrant<'_>, now: Timestamp) -> Option<String> {
        let issued_at = now.seconds();
        let claims = LocalClaims {
            iss: self.issuer,
            aud: self.audience,
            sub: grant.subject,
            iat: issued_at,
            exp: issued_at.saturating_add(grant.lifetime_seconds),
            scope: grant.scopes.to_claim(),
        };
        let key = EncodingKey::from_secret(self.secret);
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).ok()
    }
}

#[derive(Serialize)]
struct LocalClaims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    iat: i64,
    exp: i64,
    scope: String,
}
