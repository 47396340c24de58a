//! The secrets of sessions and one-time codes, and the keys that authenticate their rows: who can write to the database makes no
//! session with them, and gives none more rights. Sign-ins under way, which the browser keeps, are authenticated in the same manner.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::digest::{derive_key, hmac_sha256, sha256};
use super::locked_key::LockedKey;
use super::random::{self, RandomUnavailable};
use crate::types::session::{
    Authenticator, Fingerprint, LoginCode, RowMac, SECRET_LENGTH_BYTES, SecretHash, Session, Way,
};

const SESSION_DOMAIN: &[u8] = b"credence/session/v1";
const CODE_DOMAIN: &[u8] = b"credence/login-code/v1";
const AUTHENTICATOR_DOMAIN: &[u8] = b"credence/session-authenticator/v1";
const ATTEMPT_DOMAIN: &[u8] = b"credence/sign-in-attempt/v1";
const ROW_KEY_DOMAIN: &[u8] = b"credence/row-key/v1";
const CODE_PURPOSE: &str = "login-code/v1";

/// A new secret as text, 43 characters of base64url, and its hash.
///
/// # Errors
/// [`RandomUnavailable`] when the system's random source fails.
pub fn generate_secret() -> Result<(Zeroizing<String>, SecretHash), RandomUnavailable> {
    let secret = random::bytes::<SECRET_LENGTH_BYTES>()?;
    let text = Zeroizing::new(URL_SAFE_NO_PAD.encode(secret.as_slice()));
    Ok((text, SecretHash(sha256(secret.as_slice()))))
}

/// The hash of a secret in the form of a text; `None` for what can be none.
#[must_use]
pub fn hash_secret(text: &str) -> Option<SecretHash> {
    let secret = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).ok()?);
    (secret.len() == SECRET_LENGTH_BYTES).then(|| SecretHash(sha256(&secret)))
}

/// A hash as text, 43 characters of base64url.
#[must_use]
pub fn hash_to_text(hash: &SecretHash) -> String {
    URL_SAFE_NO_PAD.encode(hash.0)
}

/// The hash that a text holds; `None` for what can be none.
#[must_use]
pub fn hash_from_text(text: &str) -> Option<SecretHash> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    bytes.try_into().ok().map(SecretHash)
}

/// A text that follows from a secret for one purpose, 43 characters of base64url. It tells nothing of the secret.
#[must_use]
pub fn derive_text(secret: &str, purpose: &str) -> Zeroizing<String> {
    let derived = hmac_sha256(secret.as_bytes(), &[purpose.as_bytes()]);
    Zeroizing::new(URL_SAFE_NO_PAD.encode(derived))
}

/// Whether two texts are the same, in a time that does not tell where they differ.
#[must_use]
pub fn is_same(one: &str, other: &str) -> bool {
    verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok()
}

/// A key that authenticates rows.
pub struct RowKey(LockedKey);

impl RowKey {
    /// The key derived from another one for a purpose; `None` when that fails.
    pub(super) fn derive(key: &[u8], deployment_id: &[u8; 16], purpose: &str) -> Option<Self> {
        derive_key(key, deployment_id, purpose).map(Self)
    }

    /// The key of the one-time codes of a data directory, derived from the key that signs its tokens.
    #[must_use]
    pub fn of_codes(signing_key: &[u8], deployment_id: &[u8; 16]) -> Option<Self> {
        Self::derive(signing_key, deployment_id, CODE_PURPOSE)
    }

    /// Tells this key apart from others.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(hmac_sha256(&self.0, &[ROW_KEY_DOMAIN]))
    }

    /// What a session keeps of what it was made of.
    #[must_use]
    pub fn authenticator(&self, way: Way, fingerprint: Fingerprint) -> Authenticator {
        let parts = [
            AUTHENTICATOR_DOMAIN,
            way.as_str().as_bytes(),
            &fingerprint.0,
        ];
        Authenticator(hmac_sha256(&self.0, &parts))
    }

    /// Authenticates what a browser keeps of a sign-in under way. A text, 43 characters of base64url.
    #[must_use]
    pub fn attempt_mac(
        &self,
        secret: &str,
        begun_at_seconds: i64,
        session: Option<SecretHash>,
        path: &str,
    ) -> String {
        let session = session.as_ref().map(|hash| hash.0.as_slice());
        let mac = hmac_sha256(
            &self.0,
            &[
                ATTEMPT_DOMAIN,
                secret.as_bytes(),
                &begun_at_seconds.to_be_bytes(),
                session.unwrap_or_default(),
                path.as_bytes(),
            ],
        );
        URL_SAFE_NO_PAD.encode(mac)
    }

    /// Authenticates a session.
    #[must_use]
    pub fn session_mac(&self, session: &Session) -> RowMac {
        let credential_ids = session.credential_ids_bytes();
        // A session that is limited to no credential is not one that is limited to none at all.
        let is_limited: &[u8] = if credential_ids.is_some() { b"1" } else { b"0" };
        RowMac(hmac_sha256(
            &self.0,
            &[
                SESSION_DOMAIN,
                &session.id_hash.0,
                &session.authenticator.0,
                session.user_id.as_bytes(),
                session.scopes.to_claim().as_bytes(),
                is_limited,
                credential_ids.as_deref().unwrap_or_default(),
                &session.issued_at_seconds.to_be_bytes(),
                &session.created_at.0.to_be_bytes(),
                &session.ends_at.0.to_be_bytes(),
            ],
        ))
    }

    /// Authenticates a one-time code.
    #[must_use]
    pub fn code_mac(&self, code: &LoginCode) -> RowMac {
        RowMac(hmac_sha256(
            &self.0,
            &[
                CODE_DOMAIN,
                &code.code_hash.0,
                code.subject.as_bytes(),
                code.scopes.to_claim().as_bytes(),
                &code.created_at.0.to_be_bytes(),
                &code.ends_at.0.to_be_bytes(),
            ],
        ))
    }
}

/// Whether a row has the mac that it is to have.
#[must_use]
pub fn is_authentic(found: RowMac, expected: RowMac) -> bool {
    verify_slices_are_equal(&found.0, &expected.0).is_ok()
}
