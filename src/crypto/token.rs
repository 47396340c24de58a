//! JSON Web Tokens: verification by the rules of RFC 8725.
//!
//! `jsonwebtoken` verifies the signature. What it accepts and we do not (a `crit` header, a list for `iss`, a claim that
//! is missing, a lifetime without bounds, a clock that is not ours) is checked here.

use std::sync::Arc;

use jsonwebtoken::Validation;

use super::digest::{hmac_sha256, sha256};
use super::token_algorithm::TokenAlgorithm;
use super::token_claims::{Claims, GrantClaims, payload};
use super::token_header::TokenHeader;
use super::token_key::{TokenKey, TokenKeys};
use super::token_rules::{TokenRules, TokenTimes};
use crate::types::clock::Timestamp;
use crate::types::credential::Credential;
use crate::types::id::Id;
use crate::types::scope::ScopeSet;
use crate::types::session::Fingerprint;
use crate::types::text::is_nameable;
use crate::types::user::{PROFILE_LIMIT_CHARACTERS, Profile, UserKey};

/// The longest token, in bytes.
pub const TOKEN_LIMIT_BYTES: usize = 8 * 1024;

const FINGERPRINT_DOMAIN: &[u8] = b"credence/token-fingerprint/v1";
/// The longest subject, in bytes.
const SUBJECT_LIMIT_BYTES: usize = 255;

/// Why a token is refused. The answer is always the same; this is for the log and the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenProblem {
    /// It is too long, or not three parts of base64url with JSON in them.
    Malformed,
    /// Its header has a member that is refused, or a `typ` that is not of a token, or not of an access token where that is required.
    Header,
    /// Its algorithm is not that of the key.
    Algorithm,
    /// It names a key that there is not, or names none where there are several.
    UnknownKey,
    /// Its signature is not that of the key.
    Signature,
    /// A claim is missing, twice there, or of another type.
    Claims,
    /// It is from another issuer.
    Issuer,
    /// It is for another audience.
    Audience,
    /// Its subject is empty, too long, or has control characters.
    Subject,
    /// It has expired.
    Expired,
    /// Its `nbf` or `iat` lies ahead.
    NotYetValid,
    /// It lives longer than a token may.
    Lifetime,
    /// It is an ID token of another sign-in.
    Nonce,
    /// The keys of its issuer cannot be used.
    KeySet,
}

impl TokenProblem {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Malformed,
        Self::Header,
        Self::Algorithm,
        Self::UnknownKey,
        Self::Signature,
        Self::Claims,
        Self::Issuer,
        Self::Audience,
        Self::Subject,
        Self::Expired,
        Self::NotYetValid,
        Self::Lifetime,
        Self::Nonce,
        Self::KeySet,
    ];

    /// The reason, as a word for the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Header => "header",
            Self::Algorithm => "algorithm",
            Self::UnknownKey => "unknown_key",
            Self::Signature => "signature",
            Self::Claims => "claims",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Subject => "subject",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::Lifetime => "lifetime",
            Self::Nonce => "nonce",
            Self::KeySet => "key_set",
        }
    }
}

/// What a verified token says.
#[derive(Clone, Debug)]
pub struct VerifiedToken {
    /// Who it speaks for.
    pub user: UserKey,
    /// What it says of them.
    pub profile: Profile,
    /// What it allows.
    pub scopes: ScopeSet,
    /// When it was issued: the `iat` claim, in seconds.
    pub issued_at_seconds: i64,
    /// From when on it is good: the later one of the claims `iat` and `nbf`, in seconds.
    pub begins_at_seconds: i64,
    /// When it expires: the `exp` claim, in seconds.
    pub expires_at_seconds: i64,
    /// Until when it is accepted: the `exp` claim and the leeway, in seconds.
    pub accepted_until_seconds: i64,
    /// The only credentials that it resolves; `None` for all.
    pub credential_ids: Option<Arc<[Id<Credential>]>>,
    /// The programs that it was given to: its claims `client_id` and `azp`.
    pub clients: Vec<String>,
    /// The SHA-256 of the name that its issuer gave it: its claim `jti`.
    pub id_hash: Option<[u8; 32]>,
    /// What it was verified with.
    pub verified_with: Fingerprint,
}

/// Verifies the tokens of one issuer.
pub struct TokenVerifier {
    // Each with the fingerprint of what it verifies, made once: every token asks for it, and every session for all of them.
    keys: Vec<(TokenKey, Fingerprint)>,
    rules: TokenRules,
}

impl TokenVerifier {
    /// A verifier of the tokens that these keys sign and these rules allow.
    #[must_use]
    pub fn new(keys: TokenKeys, rules: TokenRules) -> Self {
        let keys = keys.into_vec().into_iter().map(|key| {
            let fingerprint = fingerprint(&rules.issuer, &rules.audience, &key);
            (key, fingerprint)
        });
        Self {
            keys: keys.collect(),
            rules,
        }
    }

    /// Verifies a token.
    ///
    /// # Errors
    /// A [`TokenProblem`].
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<VerifiedToken, TokenProblem> {
        if token.len() > TOKEN_LIMIT_BYTES {
            return Err(TokenProblem::Malformed);
        }
        let header = TokenHeader::parse(token)?;
        if self.rules.require_at_jwt && !header.is_access_token() {
            return Err(TokenProblem::Header);
        }
        let (key, fingerprint) = self
            .find(header.kid.as_deref())
            .ok_or(TokenProblem::UnknownKey)?;
        if header.alg != key.algorithm.as_str() {
            return Err(TokenProblem::Algorithm);
        }
        let claims = jsonwebtoken::decode::<Claims>(token, &key.key, &validation(key.algorithm))
            .map_err(|error| problem_of(error.kind()))?
            .claims;
        let grants = GrantClaims {
            scope: &self.rules.scope_claim,
            role: self.rules.role_claim.as_deref(),
        };
        let scopes = grants.read(&payload(token)?)?;
        self.check(claims, scopes, *fingerprint, now)
    }

    /// Whether what was verified earlier is good now: time goes on, and the clock may be set back.
    ///
    /// # Errors
    /// A [`TokenProblem`] of its times.
    pub fn check_again(&self, token: &VerifiedToken, now: Timestamp) -> Result<(), TokenProblem> {
        let times = TokenTimes {
            iat: token.issued_at_seconds,
            start: token.begins_at_seconds,
            exp: token.expires_at_seconds,
        };
        self.rules.check_times(times, now)
    }

    /// What tokens are verified with: one for each key.
    pub fn fingerprints(&self) -> impl Iterator<Item = Fingerprint> {
        self.keys.iter().map(|(_, fingerprint)| *fingerprint)
    }

    /// Whether its keys and their names are those of another one, in whatever order.
    #[must_use]
    pub fn has_keys_of(&self, other: &Self) -> bool {
        let is_there = |(key, fingerprint): &(TokenKey, Fingerprint)| {
            let mut others = other.keys.iter();
            others.any(|(its, its_fingerprint)| its.id == key.id && its_fingerprint == fingerprint)
        };
        self.keys.len() == other.keys.len() && self.keys.iter().all(is_there)
    }

    /// The key that a token names; without a name, the only one there is.
    fn find(&self, id: Option<&str>) -> Option<&(TokenKey, Fingerprint)> {
        match (id, self.keys.as_slice()) {
            (_, [only]) if only.0.id.is_none() => Some(only),
            (None, [only]) => Some(only),
            (None, _) => None,
            (Some(id), keys) => keys.iter().find(|(key, _)| key.id.as_deref() == Some(id)),
        }
    }

    fn check(
        &self,
        claims: Claims,
        scopes: ScopeSet,
        verified_with: Fingerprint,
        now: Timestamp,
    ) -> Result<VerifiedToken, TokenProblem> {
        if claims.iss != self.rules.issuer {
            return Err(TokenProblem::Issuer);
        }
        if !claims.aud.contains(&self.rules.audience) {
            return Err(TokenProblem::Audience);
        }
        let (iat, exp) = (claims.iat.0, claims.exp.0);
        let times = TokenTimes {
            iat,
            start: claims.nbf.map_or(iat, |nbf| nbf.0.max(iat)),
            exp,
        };
        self.rules.check_times(times, now)?;
        if !is_subject(&claims.sub) {
            return Err(TokenProblem::Subject);
        }
        let credential_ids = claims.credential_ids.as_deref().map(parse_ids);
        Ok(VerifiedToken {
            user: UserKey {
                issuer: claims.iss,
                subject: claims.sub,
            },
            profile: Profile {
                name: profile_text(claims.name),
                email: profile_text(claims.email),
            },
            scopes,
            issued_at_seconds: iat,
            begins_at_seconds: times.start,
            expires_at_seconds: exp,
            accepted_until_seconds: exp.saturating_add(self.rules.leeway_seconds),
            credential_ids: credential_ids.transpose()?,
            clients: [claims.client_id, claims.azp]
                .into_iter()
                .flatten()
                .collect(),
            id_hash: claims.jti.map(|id| sha256(id.as_bytes())),
            verified_with,
        })
    }
}

/// Whether a text may be the subject of a token: 1 to 255 bytes, and no control characters.
#[must_use]
pub fn is_subject(text: &str) -> bool {
    (1..=SUBJECT_LIMIT_BYTES).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// Tells apart what tokens are verified with. It is kept in the database, with each session: what it is made of stays as it is.
fn fingerprint(issuer: &str, audience: &str, key: &TokenKey) -> Fingerprint {
    let [one, other] = key.material();
    Fingerprint(hmac_sha256(
        FINGERPRINT_DOMAIN,
        &[
            issuer.as_bytes(),
            audience.as_bytes(),
            key.algorithm.as_str().as_bytes(),
            one,
            other,
        ],
    ))
}

fn validation(algorithm: TokenAlgorithm) -> Validation {
    let mut validation = Validation::new(algorithm.of_library());
    // The type of the claims requires them.
    validation.required_spec_claims.clear();
    // Times and audiences are checked here, by our own clock: the library asks the machine's, and panics before 1970.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
}

fn problem_of(kind: &jsonwebtoken::errors::ErrorKind) -> TokenProblem {
    use jsonwebtoken::errors::ErrorKind;
    match kind {
        ErrorKind::InvalidToken | ErrorKind::Base64(_) => TokenProblem::Malformed,
        ErrorKind::MissingRequiredClaim(_) | ErrorKind::Json(_) => TokenProblem::Claims,
        _ => TokenProblem::Signature,
    }
}

/// A name or email that is blank, too long or has characters that cannot be seen is not kept: it is only shown.
fn profile_text(text: Option<String>) -> Option<String> {
    text.filter(|text| {
        let fits = text.chars().nth(PROFILE_LIMIT_CHARACTERS).is_none();
        fits && !text.trim().is_empty() && text.chars().all(is_nameable)
    })
}

fn parse_ids(texts: &[String]) -> Result<Arc<[Id<Credential>]>, TokenProblem> {
    let ids: Option<Arc<[_]>> = texts.iter().map(|text| Id::parse(text)).collect();
    ids.ok_or(TokenProblem::Claims)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::hex::hex;

    /// Sessions are kept by these: were they others, everybody would be signed out by an update.
    #[test]
    fn what_tokens_are_verified_with_has_the_same_fingerprint_in_every_version() {
        let secret: Vec<u8> = (0..32).collect();
        let keys = TokenKeys::from_secret(&secret).ok();
        let rules = TokenRules::new("issuer".into(), "audience".into());
        let verifier = keys.map(|keys| TokenVerifier::new(keys, rules));
        let fingerprints: Vec<String> = verifier
            .iter()
            .flat_map(TokenVerifier::fingerprints)
            .map(|fingerprint| hex(&fingerprint.0))
            .collect();
        assert_eq!(
            fingerprints,
            ["067acf42ad890345491ecf0a0822dffa0d629783ecf823308c074e1f9444ca0f"]
        );
    }
}
