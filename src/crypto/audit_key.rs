//! The key of the audit log: who can write the database and has it not, cannot write an event, nor take one away unnoticed.

use std::sync::Arc;

use super::digest::hmac_sha256;
use super::keyring::Keyring;
use super::wrapping::DataKey;
use crate::types::audit::Signer;

/// The signer of a deployment's audit log.
#[must_use]
pub fn audit_signer(keyring: &Keyring) -> Signer {
    signer(keyring.audit_key().clone())
}

/// A signer of these 32 bytes (HMAC-SHA-256).
#[must_use]
pub fn signer(key: DataKey) -> Signer {
    Arc::new(move |parts| hmac_sha256(&key, parts))
}
