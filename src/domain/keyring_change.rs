//! What the commands change in the keyring. Each change is one transaction, under the condition that nobody else has changed it meanwhile.

use std::fmt;
use std::time::Duration;

use super::command_log::CommandLog;
use crate::crypto::keyring::KeyringError;
use crate::crypto::keyring_change::{KeyringChange, SLOT_LIMIT};
use crate::crypto::wrapping::WrappingKey;
use crate::store::connection::DatabaseConnection;
use crate::store::error::StoreError;
use crate::store::keyring;
use crate::store::write_ahead_log::empty_log;
use crate::types::audit::AuditAction;
use crate::types::clock::Clock;
use crate::types::keyring::{MasterKeyId, SlotPurpose, StoredKeyring};

/// How long those who read are waited for before it is said that copies of what is gone may be left.
const FORGET_PATIENCE: Duration = Duration::from_secs(5);

/// Why the keyring was not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyringProblem {
    /// It does not open, or a master key is missing.
    Keyring(KeyringError),
    /// The database cannot be read or written.
    Store(StoreError),
    /// There is none.
    NoKeyring,
    /// Another command has changed it at the same time.
    Overtaken,
    /// No slot has this master key.
    NoSlot(MasterKeyId),
    /// A slot has this master key already.
    HasSlot(MasterKeyId),
    /// All slots are taken.
    NoSlotFree,
    /// It is the primary one, which is dropped only when another one is promoted.
    IsPrimary(MasterKeyId),
    /// Who promotes a master key shows that they have it.
    NotGiven(MasterKeyId),
    /// Who drops a slot shows that they have a master key that stays.
    NoneStays,
}

impl fmt::Display for KeyringProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keyring(error) => error.fmt(formatter),
            Self::Store(_) => formatter.write_str("the database cannot be read or written"),
            Self::NoKeyring => {
                formatter.write_str("the database has no keyring yet: start `credence serve` once")
            }
            Self::Overtaken => formatter.write_str(
                "another command changed the keyring at the same time: look at `credence keys status`, and try again",
            ),
            Self::NoSlot(id) => write!(
                formatter,
                "the master key {id} has no slot: `credence keys status` shows those that have"
            ),
            Self::HasSlot(id) => write!(formatter, "the master key {id} has a slot already"),
            Self::NoSlotFree => write!(
                formatter,
                "all {SLOT_LIMIT} slots are taken: drop one first, with `credence keys drop-slot`"
            ),
            Self::IsPrimary(id) => write!(
                formatter,
                "{id} is the primary master key, which servers are started with: promote another one first"
            ),
            Self::NotGiven(id) => write!(
                formatter,
                "the master key {id} is not among those that were given: name its file too, with another --master-key-file, as every \
                 server must have it from now on"
            ),
            Self::NoneStays => formatter.write_str(
                "of the master keys that stay, none was given: name the file of one, to show that it is not lost",
            ),
        }
    }
}

impl From<KeyringError> for KeyringProblem {
    fn from(error: KeyringError) -> Self {
        Self::Keyring(error)
    }
}

impl From<StoreError> for KeyringProblem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => Self::Overtaken,
            error => Self::Store(error),
        }
    }
}

/// The keyring, in the hands of an operator.
pub struct KeyringEditor<'a> {
    /// A connection that is patient.
    pub connection: &'a mut DatabaseConnection,
    /// The wrapping keys of the master keys that the operator gave.
    pub keys: &'a [WrappingKey],
    /// What time it is.
    pub clock: &'a Clock,
    /// Where each change is recorded.
    pub log: CommandLog,
    /// Whether copies of what was dropped or destroyed may still stand in SQLite's write-ahead log, since others read the database.
    pub leaves_copies: bool,
}

impl KeyringEditor<'_> {
    /// The keyring as it is.
    ///
    /// # Errors
    /// [`KeyringProblem::NoKeyring`] when there is none.
    pub fn stored(&mut self) -> Result<StoredKeyring, KeyringProblem> {
        keyring::find_keyring(self.connection)?.ok_or(KeyringProblem::NoKeyring)
    }

    /// Gives another master key a slot, and a copy of each data key.
    ///
    /// # Errors
    /// A [`KeyringProblem`].
    pub fn add_slot(
        &mut self,
        key: &WrappingKey,
        purpose: SlotPurpose,
    ) -> Result<StoredKeyring, KeyringProblem> {
        self.change(|_connection, change| {
            let slots = change.stored().master_key_ids();
            if slots.contains(&key.id()) {
                return Err(KeyringProblem::HasSlot(key.id()));
            }
            if i32::try_from(slots.len()).is_ok_and(|count| count >= SLOT_LIMIT) {
                return Err(KeyringProblem::NoSlotFree);
            }
            change.add_slot(key, purpose)?;
            Ok(format!("SLOT_ADDED {}", key.id()))
        })
    }

    /// Makes a master key the one that servers are to be started with.
    ///
    /// # Errors
    /// A [`KeyringProblem`].
    pub fn promote(&mut self, id: MasterKeyId) -> Result<StoredKeyring, KeyringProblem> {
        let is_given = self.keys.iter().any(|key| key.id() == id);
        self.change(|_connection, change| {
            if !change.stored().master_key_ids().contains(&id) {
                return Err(KeyringProblem::NoSlot(id));
            }
            if !is_given {
                return Err(KeyringProblem::NotGiven(id));
            }
            change.promote(id);
            Ok(format!("SLOT_PROMOTED {id}"))
        })
    }

    /// Takes a master key its slot.
    ///
    /// # Errors
    /// A [`KeyringProblem`].
    pub fn drop_slot(&mut self, id: MasterKeyId) -> Result<StoredKeyring, KeyringProblem> {
        let given: Vec<MasterKeyId> = self.keys.iter().map(WrappingKey::id).collect();
        let changed = self.change(|_connection, change| {
            let slots = change.stored().master_key_ids();
            if !slots.contains(&id) {
                return Err(KeyringProblem::NoSlot(id));
            }
            if change.stored().primary == id {
                return Err(KeyringProblem::IsPrimary(id));
            }
            let stays = |slot: &MasterKeyId| *slot != id && given.contains(slot);
            if !slots.iter().any(stays) {
                return Err(KeyringProblem::NoneStays);
            }
            change.drop_slot(id);
            Ok(format!("SLOT_DROPPED {id}"))
        })?;
        self.forget_copies();
        Ok(changed)
    }

    /// Removes the copies of what was dropped or destroyed, once that is committed.
    pub(super) fn forget_copies(&mut self) {
        self.leaves_copies = !empty_log(self.connection, FORGET_PATIENCE);
    }

    /// Makes a change, in one transaction, and records it: `make` returns what it is. Returns the keyring as it is then.
    pub(super) fn change(
        &mut self,
        make: impl FnOnce(&mut DatabaseConnection, &mut KeyringChange) -> Result<String, KeyringProblem>,
    ) -> Result<StoredKeyring, KeyringProblem> {
        let (keys, now, log) = (self.keys, self.clock.now(), &mut self.log);
        self.connection.in_write_transaction(|connection| {
            let before = keyring::find_keyring(connection)?.ok_or(KeyringProblem::NoKeyring)?;
            let mut change = KeyringChange::begin(&before, keys, now)?;
            let what = make(connection, &mut change)?;
            let signer = change.audit_signer()?;
            let after = change.finish()?;
            if !keyring::update_keyring(connection, &before, &after)? {
                return Err(KeyringProblem::Overtaken);
            }
            log.follow(connection, &signer)?;
            let event = log.keyring_event(AuditAction::KeyringChanged, &what, after.generation);
            log.append(connection, &signer, &[event])?;
            Ok(after)
        })
    }
}
