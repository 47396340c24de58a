//! Changes of the keyring. Each makes the next generation of it, and changes nothing that is kept: whoever stores it does that under the
//! condition that the generation before is still there.

use super::audit_key::signer;
use super::keyring::{FORMAT, KeyPurpose, KeyringError};
use super::opened_keys::{OpenedKey, OpenedKeys};
use super::random::{self, RandomUnavailable};
use super::wrapping::WrappingKey;
use crate::types::audit::Signer;
use crate::types::clock::Timestamp;
use crate::types::keyring::{
    KeyState, MasterKeyId, Slot, SlotPurpose, StoredDataKey, StoredKeyring, WrappedKey,
};
use crate::types::secret::DataKeyId;

/// How many master keys a keyring has at most.
pub const SLOT_LIMIT: i32 = 4;

/// Makes the keyring of a new deployment.
///
/// # Errors
/// [`KeyringError::RandomUnavailable`] when the system's source fails.
pub fn generate(key: &WrappingKey, now: Timestamp) -> Result<StoredKeyring, KeyringError> {
    let deployment_id = *random::bytes::<16>().map_err(no_random)?;
    let mut stored = StoredKeyring {
        deployment_id,
        format: FORMAT,
        primary: key.id(),
        generation: 1,
        tag: Vec::new(),
        slots: vec![slot(key, 1, SlotPurpose::Serve, &deployment_id, 1, now)?],
        keys: Vec::new(),
    };
    let mut opened = OpenedKeys(Vec::new());
    for purpose in KeyPurpose::ALL {
        add_key(
            &mut stored,
            &mut opened,
            &[key],
            purpose,
            KeyState::Active,
            now,
        )?;
    }
    stored.tag = opened.tag(&stored)?.to_vec();
    Ok(stored)
}

/// A keyring that is being changed.
pub struct KeyringChange {
    stored: StoredKeyring,
    opened: OpenedKeys,
    now: Timestamp,
}

impl KeyringChange {
    /// Begins a change of a keyring that one of these keys opens.
    ///
    /// # Errors
    /// Those of [`OpenedKeys::open`].
    pub fn begin(
        stored: &StoredKeyring,
        keys: &[WrappingKey],
        now: Timestamp,
    ) -> Result<Self, KeyringError> {
        let (opened, _slot) = OpenedKeys::open(stored, keys)?;
        let mut stored = stored.clone();
        stored.generation = stored.generation.saturating_add(1);
        Ok(Self {
            stored,
            opened,
            now,
        })
    }

    /// The keyring as it was and has been changed so far.
    #[must_use]
    pub const fn stored(&self) -> &StoredKeyring {
        &self.stored
    }

    /// Gives another master key a slot, and a copy of each data key. There must be a slot free, and the key must have none.
    ///
    /// # Errors
    /// [`KeyringError::RandomUnavailable`] when the system's source fails.
    pub fn add_slot(
        &mut self,
        key: &WrappingKey,
        purpose: SlotPurpose,
    ) -> Result<(), KeyringError> {
        let is_taken = |number: &i32| self.stored.slots.iter().any(|slot| slot.number == *number);
        let number = (1..=SLOT_LIMIT)
            .find(|number| !is_taken(number))
            .ok_or(KeyringError::Damaged)?;
        let deployment_id = self.stored.deployment_id;
        let generation = self.stored.generation;
        let added = slot(key, number, purpose, &deployment_id, generation, self.now)?;
        self.stored.slots.push(added);
        self.stored.slots.sort_by_key(|slot| slot.number);
        for opened in &self.opened.0 {
            let rows = &mut self.stored.keys;
            let row = rows.iter_mut().find(|row| row.id == opened.id);
            let row = row.ok_or(KeyringError::Damaged)?;
            let wrapped = key.wrap(&opened.key, &deployment_id, row.id, &row.purpose)?;
            row.copies.push(WrappedKey {
                master_key_id: key.id(),
                wrapped,
            });
            row.copies.sort_by_key(|copy| copy.master_key_id);
        }
        Ok(())
    }

    /// Makes the master key of a slot the one that servers are to be started with.
    pub fn promote(&mut self, id: MasterKeyId) {
        self.stored.primary = id;
        for slot in &mut self.stored.slots {
            if slot.master_key_id == id {
                slot.purpose = SlotPurpose::Serve;
            }
        }
    }

    /// Takes a master key its slot, and its copies of the data keys.
    pub fn drop_slot(&mut self, id: MasterKeyId) {
        self.stored.slots.retain(|slot| slot.master_key_id != id);
        for row in &mut self.stored.keys {
            row.copies.retain(|copy| copy.master_key_id != id);
        }
    }

    /// Makes a data key for values that nothing is sealed with yet. These must be the keys of all slots.
    ///
    /// # Errors
    /// [`KeyringError::MissingMasterKeys`] when they are not; [`KeyringError::RandomUnavailable`] when the system's source fails.
    pub fn add_value_key(&mut self, keys: &[WrappingKey]) -> Result<DataKeyId, KeyringError> {
        let of_slot = |id: &MasterKeyId| keys.iter().find(|key| key.id() == *id);
        let wanted = self.stored.master_key_ids();
        let missing: Vec<MasterKeyId> = wanted
            .iter()
            .copied()
            .filter(|id| of_slot(id).is_none())
            .collect();
        if !missing.is_empty() {
            return Err(KeyringError::MissingMasterKeys(missing));
        }
        let all: Vec<&WrappingKey> = wanted.iter().filter_map(of_slot).collect();
        add_key(
            &mut self.stored,
            &mut self.opened,
            &all,
            KeyPurpose::Value,
            KeyState::Pending,
            self.now,
        )
    }

    /// Whether a data key for values is on its way: pending or retiring.
    #[must_use]
    pub fn is_rotating(&self) -> bool {
        let is_on_its_way = |row: &StoredDataKey| {
            is_value_key(row) && matches!(row.state, KeyState::Pending | KeyState::Retiring)
        };
        self.stored.keys.iter().any(is_on_its_way)
    }

    /// Makes a data key for values that is pending the active one. The one that was active retires. Returns whether it did: nothing is
    /// changed when the key is not pending.
    #[must_use]
    pub fn activate(&mut self, id: DataKeyId) -> bool {
        if !self.has_value_key(id, KeyState::Pending) {
            return false;
        }
        for row in self.stored.keys.iter_mut().filter(|row| is_value_key(row)) {
            let next = match row.state {
                KeyState::Active => KeyState::Retiring,
                KeyState::Pending if row.id == id => KeyState::Active,
                _ => continue,
            };
            row.state = next;
            row.changed_at = self.now;
        }
        true
    }

    /// Destroys a data key for values that is retiring: its copies are gone. Returns whether it did: nothing is changed when the key is not
    /// retiring.
    #[must_use]
    pub fn destroy(&mut self, id: DataKeyId) -> bool {
        if !self.has_value_key(id, KeyState::Retiring) {
            return false;
        }
        for row in self.stored.keys.iter_mut().filter(|row| row.id == id) {
            row.state = KeyState::Destroyed;
            row.changed_at = self.now;
            row.copies.clear();
        }
        true
    }

    fn has_value_key(&self, id: DataKeyId, state: KeyState) -> bool {
        let is_it = |row: &StoredDataKey| row.id == id && is_value_key(row) && row.state == state;
        self.stored.keys.iter().any(is_it)
    }

    /// The signer of the audit log.
    ///
    /// # Errors
    /// [`KeyringError::Damaged`] when there is no key for it, which there always is.
    pub fn audit_signer(&self) -> Result<Signer, KeyringError> {
        let key = self.opened.audit_key(&self.stored.deployment_id)?;
        Ok(signer(key))
    }

    /// The next generation of the keyring.
    ///
    /// # Errors
    /// [`KeyringError::Damaged`] when it has no key to authenticate it, or not exactly one data key that seals values, which it always has:
    /// no server would open it.
    pub fn finish(mut self) -> Result<StoredKeyring, KeyringError> {
        let seals = |row: &&StoredDataKey| is_value_key(row) && row.state == KeyState::Active;
        if self.stored.keys.iter().filter(seals).count() != 1 {
            return Err(KeyringError::Damaged);
        }
        self.stored.tag = self.opened.tag(&self.stored)?.to_vec();
        Ok(self.stored)
    }
}

fn is_value_key(row: &StoredDataKey) -> bool {
    row.purpose == KeyPurpose::Value.as_str()
}

fn slot(
    key: &WrappingKey,
    number: i32,
    purpose: SlotPurpose,
    deployment_id: &[u8; 16],
    generation: i32,
    now: Timestamp,
) -> Result<Slot, KeyringError> {
    Ok(Slot {
        number,
        master_key_id: key.id(),
        purpose,
        generation,
        added_at: now,
        check_value: key.make_check_value(deployment_id, generation)?,
    })
}

fn add_key(
    stored: &mut StoredKeyring,
    opened: &mut OpenedKeys,
    keys: &[&WrappingKey],
    purpose: KeyPurpose,
    state: KeyState,
    now: Timestamp,
) -> Result<DataKeyId, KeyringError> {
    let last = stored.keys.iter().map(|row| row.id.0).max().unwrap_or(0);
    let id = DataKeyId(last.saturating_add(1));
    let key = random::key().map_err(no_random)?;
    let mut copies = Vec::new();
    for wrapping in keys {
        copies.push(WrappedKey {
            master_key_id: wrapping.id(),
            wrapped: wrapping.wrap(&key, &stored.deployment_id, id, purpose.as_str())?,
        });
    }
    copies.sort_by_key(|copy| copy.master_key_id);
    stored.keys.push(StoredDataKey {
        id,
        purpose: purpose.as_str().to_owned(),
        state,
        changed_at: now,
        copies,
    });
    opened.0.push(OpenedKey {
        id,
        purpose,
        state,
        key,
    });
    Ok(id)
}

fn no_random(_unavailable: RandomUnavailable) -> KeyringError {
    KeyringError::RandomUnavailable
}
