//! Rotating the data key of values, beside servers that go on: a new key waits until every server knows it, then it seals, and what the old
//! one has sealed is sealed anew, until nothing is left and the old one is destroyed. How far it has come stands in the states of the keys:
//! whoever is killed in between is followed by whoever comes next.

use std::thread;
use std::time::{Duration, Instant};

use super::credential_change::binding;
use super::keyring_change::{KeyringEditor, KeyringProblem};
use crate::crypto::keyring::{KeyPurpose, Keyring};
use crate::store::connection::DatabaseConnection;
use crate::store::error::StoreError;
use crate::store::{credential, keyring};
use crate::types::credential::{Credential, StoredValue};
use crate::types::id::Id;
use crate::types::keyring::{KeyState, StoredDataKey, StoredKeyring};
use crate::types::secret::DataKeyId;

/// How many values are sealed anew in one transaction: on SQLite, the server waits for no more than that.
const BATCH_LIMIT_ROWS: i64 = 16;
/// The shortest rest between two transactions. Otherwise it is as long as the transaction was, so that servers have half of the time.
const REST: Duration = Duration::from_millis(1);
/// How often a transaction is done again that lost against those of servers.
const BATCH_ATTEMPTS: usize = 20;
/// How often it is looked whether a key has waited long enough.
const WAIT_INTERVAL: Duration = Duration::from_millis(100);

/// How far a rotation is.
#[derive(Clone, Copy, Debug)]
pub enum RotationProgress {
    /// The new key waits until every server knows it.
    Waiting(DataKeyId),
    /// The new key seals.
    Activated(DataKeyId),
    /// It begins to seal anew what an old key has sealed: so many values.
    Sealing(u64),
    /// So many of them were sealed anew since the last time.
    Sealed(u64),
    /// No value is left under this key, and it is destroyed.
    Destroyed(DataKeyId),
}

/// What a rotation has done.
#[derive(Debug, Default)]
pub struct Rotated {
    /// Whether it finished one that was broken off, and began none.
    pub resumed: bool,
    /// How many values were sealed anew.
    pub values: u64,
    /// The keys that were destroyed.
    pub destroyed: Vec<DataKeyId>,
    /// The credentials whose values do not open: their key is not destroyed.
    pub unreadable: Vec<Id<Credential>>,
}

/// What the next step of a rotation is.
enum Step {
    Begin,
    Activate(StoredDataKey),
    Retire(StoredKeyring, DataKeyId),
}

impl KeyringEditor<'_> {
    /// Rotates the data key, or finishes a rotation that was broken off. A new key seals after it has been there for `activate_after`.
    ///
    /// # Errors
    /// A [`KeyringProblem`]; what was done by then stays, and the next one goes on from there.
    pub fn rotate(
        &mut self,
        activate_after: Duration,
        tell: &mut dyn FnMut(RotationProgress),
    ) -> Result<Rotated, KeyringProblem> {
        let mut rotated = Rotated::default();
        let first = self.next_step()?;
        rotated.resumed = !matches!(first, Step::Begin);
        if let Step::Begin = first {
            rotated.resumed = !self.add_key()?;
        }
        loop {
            match self.next_step()? {
                Step::Begin => return Ok(rotated),
                Step::Activate(key) => self.activate(&key, activate_after, tell)?,
                Step::Retire(stored, id) => {
                    self.sweep(&stored, id, &mut rotated, tell)?;
                    if !rotated.unreadable.is_empty() {
                        return Ok(rotated);
                    }
                    if self.destroy(id)? {
                        rotated.destroyed.push(id);
                        tell(RotationProgress::Destroyed(id));
                    }
                }
            }
        }
    }

    /// Makes another data key. Returns whether it did: not when another command has begun a rotation meanwhile.
    fn add_key(&mut self) -> Result<bool, KeyringProblem> {
        let keys = self.keys;
        is_done(self.change(|_connection, change| {
            if change.is_rotating() {
                return Err(KeyringProblem::Overtaken);
            }
            let id = change.add_value_key(keys)?;
            Ok(format!("KEY_ADDED {}", id.0))
        }))
    }

    fn next_step(&mut self) -> Result<Step, KeyringProblem> {
        let stored = self.stored()?;
        let in_state = |state: KeyState| {
            let is_value = |key: &&StoredDataKey| key.purpose == KeyPurpose::Value.as_str();
            let mut keys = stored.keys.iter().filter(is_value);
            keys.find(|key| key.state == state).cloned()
        };
        Ok(
            match (in_state(KeyState::Pending), in_state(KeyState::Retiring)) {
                (Some(pending), _) => Step::Activate(pending),
                (None, Some(retiring)) => Step::Retire(stored, retiring.id),
                (None, None) => Step::Begin,
            },
        )
    }

    fn activate(
        &mut self,
        key: &StoredDataKey,
        activate_after: Duration,
        tell: &mut dyn FnMut(RotationProgress),
    ) -> Result<(), KeyringProblem> {
        tell(RotationProgress::Waiting(key.id));
        let wait_us = i64::try_from(activate_after.as_micros()).unwrap_or(i64::MAX);
        let due_at_us = key.changed_at.0.saturating_add(wait_us);
        let began_at = Instant::now();
        // A clock that was set back meanwhile does not make it wait for longer than it was told.
        while self.clock.now().0 < due_at_us && began_at.elapsed() < activate_after {
            thread::sleep(WAIT_INTERVAL.min(activate_after));
        }
        let id = key.id;
        // Where another command was first, the next look finds what is left to do.
        let is_activated = is_done(self.change(|_connection, change| {
            if !change.activate(id) {
                return Err(KeyringProblem::Overtaken);
            }
            Ok(format!("KEY_ACTIVATED {}", id.0))
        }))?;
        if is_activated {
            tell(RotationProgress::Activated(id));
        }
        Ok(())
    }

    /// Seals anew what a key has sealed.
    fn sweep(
        &mut self,
        stored: &StoredKeyring,
        id: DataKeyId,
        rotated: &mut Rotated,
        tell: &mut dyn FnMut(RotationProgress),
    ) -> Result<(), KeyringProblem> {
        let opened = Keyring::open(stored, self.keys)?;
        let counts = keyring::list_value_counts(self.connection)?;
        let count = counts.iter().find(|(of, _)| *of == id);
        let left = count.map_or(0, |(_, count)| u64::try_from(*count).unwrap_or(0));
        tell(RotationProgress::Sealing(left));
        let mut after = Id::NIL;
        loop {
            let began_at = Instant::now();
            let batch = self.seal_batch(&opened, id, after)?;
            let Some(last) = batch.last else {
                return Ok(());
            };
            after = last;
            rotated.values = rotated.values.saturating_add(batch.sealed);
            rotated.unreadable.extend(batch.unreadable);
            tell(RotationProgress::Sealed(batch.sealed));
            thread::sleep(began_at.elapsed().max(REST));
        }
    }

    fn seal_batch(
        &mut self,
        opened: &Keyring,
        id: DataKeyId,
        after: Id<Credential>,
    ) -> Result<Batch, KeyringProblem> {
        for _ in 1..BATCH_ATTEMPTS {
            match self.try_batch(opened, id, after) {
                // Another one had the same rows, in another order.
                Err(StoreError::Conflict) => thread::sleep(REST),
                outcome => return Ok(outcome?),
            }
        }
        Ok(self.try_batch(opened, id, after)?)
    }

    fn try_batch(
        &mut self,
        opened: &Keyring,
        id: DataKeyId,
        after: Id<Credential>,
    ) -> Result<Batch, StoreError> {
        // Sealing takes longer than writing, and is done before the transaction, which servers wait for. What is changed meanwhile is
        // under the new key by that, and is left as it is.
        let rows = credential::list_values(self.connection, id, after, BATCH_LIMIT_ROWS)?;
        let mut batch = Batch {
            last: rows.last().map(|(credential, _)| credential.id),
            ..Batch::default()
        };
        let mut sealed = Vec::with_capacity(rows.len());
        for (credential, before) in &rows {
            match seal_anew(opened, credential, before) {
                Some(after) => sealed.push((credential, before, after)),
                None => batch.unreadable.push(credential.id),
            }
        }
        if sealed.is_empty() {
            return Ok(batch);
        }
        let changed: Result<usize, StoreError> =
            self.connection.in_write_transaction(|connection| {
                let changed = sealed.iter().map(|(credential, before, after)| {
                    credential::update_seal(connection, credential, before, after)
                });
                changed.sum()
            });
        batch.sealed = u64::try_from(changed?).unwrap_or(0);
        Ok(batch)
    }

    /// Destroys a key when nothing is left that it has sealed. Returns whether it did.
    fn destroy(&mut self, id: DataKeyId) -> Result<bool, KeyringProblem> {
        if !is_unused(self.connection, id)? {
            return Ok(false);
        }
        let is_destroyed = is_done(self.change(|connection, change| {
            keyring::lock_data_key(connection, id)?;
            // A server that did not know of the new key may have written meanwhile, or another command was first.
            if !is_unused(connection, id)? || !change.destroy(id) {
                return Err(KeyringProblem::Overtaken);
            }
            Ok(format!("KEY_DESTROYED {}", id.0))
        }))?;
        if is_destroyed {
            self.forget_copies();
        }
        Ok(is_destroyed)
    }
}

/// Whether a change was made: not when something came between, which is looked at then.
fn is_done(changed: Result<StoredKeyring, KeyringProblem>) -> Result<bool, KeyringProblem> {
    match changed {
        Ok(_changed) => Ok(true),
        Err(KeyringProblem::Overtaken) => Ok(false),
        Err(problem) => Err(problem),
    }
}

/// Some values that were sealed anew.
#[derive(Default)]
struct Batch {
    last: Option<Id<Credential>>,
    sealed: u64,
    unreadable: Vec<Id<Credential>>,
}

fn seal_anew(
    opened: &Keyring,
    credential: &Credential,
    before: &StoredValue,
) -> Option<StoredValue> {
    let binding = binding(credential);
    let value = opened
        .open_value(&before.sealed, before.data_key, &binding)
        .ok()?;
    let (sealed, data_key) = opened.seal_value(&value, &binding).ok()?;
    Some(StoredValue { sealed, data_key })
}

fn is_unused(connection: &mut DatabaseConnection, id: DataKeyId) -> Result<bool, StoreError> {
    Ok(credential::list_values(connection, id, Id::NIL, 1)?.is_empty())
}
