//! The data keys of a keyring, opened by a master key, and what authenticates the keyring's rows.

use super::digest::{HASH_LENGTH_BYTES, derive_key, hmac_sha256};
use super::keyring::{FORMAT, KeyPurpose, KeyringError};
use super::session::RowKey;
use super::wrapping::{DataKey, WrappingKey};
use crate::types::keyring::{KeyState, Slot, StoredKeyring};
use crate::types::secret::DataKeyId;

const SESSION_PURPOSE: &str = "session/v1";
const TAG_DOMAIN: &[u8] = b"credence/keyring/v1";

/// A data key that is not destroyed, opened.
pub(super) struct OpenedKey {
    pub(super) id: DataKeyId,
    pub(super) purpose: KeyPurpose,
    pub(super) state: KeyState,
    pub(super) key: DataKey,
}

/// All data keys of a keyring, opened: what is needed to change it. Wiped when dropped.
pub struct OpenedKeys(pub(super) Vec<OpenedKey>);

impl OpenedKeys {
    /// Opens a keyring with the first of these keys that has a slot. Returns the slot too.
    ///
    /// # Errors
    /// [`KeyringError::OtherMasterKey`] when none has, [`KeyringError::Damaged`] when a row does not open or does not say what it said
    /// when it was written, [`KeyringError::Newer`] when it cannot be read by this version.
    pub fn open<'a>(
        stored: &'a StoredKeyring,
        keys: &[WrappingKey],
    ) -> Result<(Self, &'a Slot), KeyringError> {
        if stored.format > FORMAT {
            return Err(KeyringError::Newer);
        }
        let found = keys.iter().find_map(|key| {
            let has_it = |slot: &&Slot| slot.master_key_id == key.id();
            Some((key, stored.slots.iter().find(has_it)?))
        });
        let (wrapping, slot) = found.ok_or_else(|| KeyringError::OtherMasterKey {
            wanted: stored.master_key_ids(),
            given: keys.iter().map(WrappingKey::id).collect(),
        })?;
        wrapping.open_check_value(&slot.check_value, &stored.deployment_id, slot.generation)?;
        let mut opened = Vec::new();
        for row in &stored.keys {
            let purpose = KeyPurpose::parse(&row.purpose).ok_or(KeyringError::Damaged)?;
            if row.state == KeyState::Destroyed {
                continue;
            }
            let copy = row
                .copies
                .iter()
                .find(|copy| copy.master_key_id == wrapping.id())
                .ok_or(KeyringError::Damaged)?;
            let key =
                wrapping.unwrap(&copy.wrapped, &stored.deployment_id, row.id, &row.purpose)?;
            opened.push(OpenedKey {
                id: row.id,
                purpose,
                state: row.state,
                key,
            });
        }
        let opened = Self(opened);
        let tag = opened.tag(stored)?;
        aws_lc_rs::constant_time::verify_slices_are_equal(&tag, &stored.tag)
            .map_err(|aws_lc_rs::error::Unspecified| KeyringError::Damaged)?;
        Ok((opened, slot))
    }

    /// The derived key of a purpose that has one key.
    pub(super) fn derived(
        &self,
        purpose: KeyPurpose,
        deployment_id: &[u8; 16],
    ) -> Result<DataKey, KeyringError> {
        let key = self.key(purpose)?;
        derive_key(key, deployment_id, purpose.info()).ok_or(KeyringError::Damaged)
    }

    fn key(&self, purpose: KeyPurpose) -> Result<&DataKey, KeyringError> {
        let found = self.0.iter().find(|opened| opened.purpose == purpose);
        found.map(|opened| &opened.key).ok_or(KeyringError::Damaged)
    }

    /// The key that authenticates sessions.
    pub(super) fn session_key(&self, deployment_id: &[u8; 16]) -> Result<RowKey, KeyringError> {
        let key = self.key(KeyPurpose::Cursor)?;
        RowKey::derive(key, deployment_id, SESSION_PURPOSE).ok_or(KeyringError::Damaged)
    }

    /// The key that authenticates the audit log.
    pub(super) fn audit_key(&self, deployment_id: &[u8; 16]) -> Result<DataKey, KeyringError> {
        self.derived(KeyPurpose::Audit, deployment_id)
    }

    /// What authenticates all that a keyring says: who can write the database can make no other key active, and bring none back by
    /// itself. That the whole of an older keyring was put back is not told by it, but by the audit log, which says the generation.
    pub(super) fn tag(
        &self,
        stored: &StoredKeyring,
    ) -> Result<[u8; HASH_LENGTH_BYTES], KeyringError> {
        let key = self.derived(KeyPurpose::Keyring, &stored.deployment_id)?;
        let mut parts: Vec<Vec<u8>> = vec![
            TAG_DOMAIN.to_vec(),
            stored.deployment_id.to_vec(),
            stored.format.to_be_bytes().to_vec(),
            stored.primary.0.to_vec(),
            stored.generation.to_be_bytes().to_vec(),
            count(stored.slots.len()),
        ];
        for slot in &stored.slots {
            parts.push(slot.number.to_be_bytes().to_vec());
            parts.push(slot.master_key_id.0.to_vec());
            parts.push(slot.purpose.as_str().as_bytes().to_vec());
            parts.push(slot.generation.to_be_bytes().to_vec());
            parts.push(slot.added_at.0.to_be_bytes().to_vec());
            parts.push(slot.check_value.clone());
        }
        for row in &stored.keys {
            parts.push(row.id.0.to_be_bytes().to_vec());
            parts.push(row.purpose.as_bytes().to_vec());
            parts.push(row.state.as_str().as_bytes().to_vec());
            parts.push(row.changed_at.0.to_be_bytes().to_vec());
            parts.push(count(row.copies.len()));
            for copy in &row.copies {
                parts.push(copy.master_key_id.0.to_vec());
                parts.push(copy.wrapped.clone());
            }
        }
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        Ok(hmac_sha256(&key, &parts))
    }
}

fn count(rows: usize) -> Vec<u8> {
    u64::try_from(rows)
        .unwrap_or(u64::MAX)
        .to_be_bytes()
        .to_vec()
}
