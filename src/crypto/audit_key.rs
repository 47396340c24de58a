//! The key of the audit log: who can write the database and has it not, cannot write an event, nor take one away unnoticed.

use std::sync::Arc;

use super::digest::{HASH_LENGTH_BYTES, hmac_sha256};
use super::keyring::Keyring;
use super::wrapping::DataKey;

/// Makes message authentication codes (HMAC-SHA-256) of lists of parts, of which no two are the same bytes.
pub type AuditSigner = Arc<dyn Fn(&[&[u8]]) -> [u8; HASH_LENGTH_BYTES] + Send + Sync>;

/// The signer of a deployment's audit log.
#[must_use]
pub fn audit_signer(keyring: &Keyring) -> AuditSigner {
    signer(keyring.audit_key().clone())
}

/// A signer of these 32 bytes.
#[must_use]
pub fn signer(key: DataKey) -> AuditSigner {
    Arc::new(move |parts| hmac_sha256(key.as_slice(), parts))
}
