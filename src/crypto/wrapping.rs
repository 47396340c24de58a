//! Wrapping: what a master key does. It seals data keys, and nothing else.

use super::digest::derive_key;
use super::keyring::KeyringError;
use super::locked_key::LockedKey;
use super::master_key::MasterKey;
use super::seal::SealingKey;
use crate::types::keyring::MasterKeyId;
use crate::types::secret::DataKeyId;

const CHECK_CONTENT: [u8; 32] = [0; 32];
const CHECK_DOMAIN: &[u8] = b"credence/kcv/v1";
const WRAP_DOMAIN: &[u8] = b"credence/data-key/v1";
const WRAP_PURPOSE: &str = "kek/wrap/v1";

/// A data key as it is used.
pub type DataKey = LockedKey;

/// The key that a master key wraps with, derived from it. A server keeps it, so that it can open data keys that are made while it runs;
/// the master key itself is wiped once this is made.
pub struct WrappingKey {
    id: MasterKeyId,
    key: SealingKey,
}

impl WrappingKey {
    /// The wrapping key of a master key.
    ///
    /// # Errors
    /// [`KeyringError::Damaged`] when it cannot be derived, which never happens to 32 bytes.
    pub fn of(master_key: &MasterKey) -> Result<Self, KeyringError> {
        let derived =
            derive_key(master_key.bytes(), &[], WRAP_PURPOSE).ok_or(KeyringError::Damaged)?;
        Ok(Self {
            id: master_key.id(),
            key: SealingKey::new(0, derived),
        })
    }

    /// The ID of the master key.
    #[must_use]
    pub const fn id(&self) -> MasterKeyId {
        self.id
    }

    /// Makes the check value of a slot.
    pub(super) fn make_check_value(
        &self,
        deployment_id: &[u8; 16],
        generation: i32,
    ) -> Result<Vec<u8>, KeyringError> {
        let context = [CHECK_DOMAIN, deployment_id, &generation.to_be_bytes()];
        Ok(self.key.seal(&CHECK_CONTENT, &context)?)
    }

    /// Opens the check value of a slot.
    pub(super) fn open_check_value(
        &self,
        check_value: &[u8],
        deployment_id: &[u8; 16],
        generation: i32,
    ) -> Result<(), KeyringError> {
        let context = [CHECK_DOMAIN, deployment_id, &generation.to_be_bytes()];
        let content = self.key.open(check_value, &context)?;
        if content.as_slice() == CHECK_CONTENT {
            Ok(())
        } else {
            Err(KeyringError::Damaged)
        }
    }

    /// Wraps a data key.
    pub(super) fn wrap(
        &self,
        key: &DataKey,
        deployment_id: &[u8; 16],
        id: DataKeyId,
        purpose: &str,
    ) -> Result<Vec<u8>, KeyringError> {
        let id = id.0.to_be_bytes();
        let context = [WRAP_DOMAIN, deployment_id, &id, purpose.as_bytes()];
        Ok(self.key.seal(key, &context)?)
    }

    /// Opens a data key that was wrapped.
    pub(super) fn unwrap(
        &self,
        wrapped: &[u8],
        deployment_id: &[u8; 16],
        id: DataKeyId,
        purpose: &str,
    ) -> Result<DataKey, KeyringError> {
        let id = id.0.to_be_bytes();
        let context = [WRAP_DOMAIN, deployment_id, &id, purpose.as_bytes()];
        let opened = self.key.open(wrapped, &context)?;
        DataKey::copy_of(&opened).ok_or(KeyringError::Damaged)
    }
}
