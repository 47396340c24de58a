//! Rotating the data key of values, beside servers that go on: a new key waits until every server knows it, then it seals, and what the old
//! one has sealed is sealed anew, until nothing is left and the old one is destroyed. How far it has come stands in the states of the keys:
//! whoever is killed in between is followed by whoever comes next.

use std::thread;
use std::time::{Duration, Instant};

use super::keyring_change::{KeyringEditor, KeyringProblem};
use super::resealing::Batch;
use crate::crypto::keyring::{KeyPurpose, Keyring};
use crate::store::connection::DatabaseConnection;
use crate::store::error::StoreError;
use crate::store::{credential, keyring};
use crate::types::credential::Credential;
use crate::types::id::Id;
use crate::types::keyring::{KeyState, StoredDataKey, StoredKeyring};
use crate::types::secret::DataKeyId;

/// How many values are sealed anew in one transaction.
const BATCH_LIMIT_ROWS: i64 = 16;
/// How many values this command seals anew even where a server would: those are done before a server has noticed.
const FEW_VALUES: u64 = 500;
/// The shortest time between two looks at how far a server has come.
const SERVER_INTERVAL: Duration = Duration::from_millis(200);
/// The longest time between two looks: who waits is told, and a server that has ended is noticed.
const SERVER_INTERVAL_LIMIT: Duration = Duration::from_secs(2);
/// How many times as long as such a look took it rests: counting a million values would keep a processor from the server otherwise.
const SERVER_RESTS: u32 = 50;
/// How long a server may take to go on. It looks every 5 seconds whether there is something to do.
const SERVER_PATIENCE: Duration = Duration::from_secs(8);
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
    /// How many values are no longer under the old keys.
    pub values: u64,
    /// The keys that were destroyed.
    pub destroyed: Vec<DataKeyId>,
    /// The credentials whose values do not open: their key is not destroyed.
    pub unreadable: Vec<Id<Credential>>,
}

/// A rotation that goes on.
struct Rotation<'a> {
    rotated: Rotated,
    tell: &'a mut dyn FnMut(RotationProgress),
}

impl Rotation<'_> {
    fn tell(&mut self, progress: RotationProgress) {
        (self.tell)(progress);
    }

    fn count(&mut self, values: u64) {
        self.rotated.values = self.rotated.values.saturating_add(values);
        self.tell(RotationProgress::Sealed(values));
    }
}

/// What the next step of a rotation is.
enum Step {
    Begin,
    Activate(StoredDataKey),
    Retire(StoredKeyring, DataKeyId),
}

impl KeyringEditor<'_> {
    /// Rotates the data key, or finishes a rotation that was broken off. A new key seals after it has been there for `activate_after`. On
    /// SQLite it is a server that seals anew what is more than a little, as long as one does.
    ///
    /// # Errors
    /// A [`KeyringProblem`]; what was done by then stays, and the next one goes on from there.
    pub fn rotate(
        &mut self,
        activate_after: Duration,
        tell: &mut dyn FnMut(RotationProgress),
    ) -> Result<Rotated, KeyringProblem> {
        let mut rotation = Rotation {
            rotated: Rotated::default(),
            tell,
        };
        let first = self.next_step()?;
        rotation.rotated.resumed = !matches!(first, Step::Begin);
        if let Step::Begin = first {
            rotation.rotated.resumed = !self.add_key()?;
        }
        loop {
            match self.next_step()? {
                Step::Begin => return Ok(rotation.rotated),
                Step::Activate(key) => self.activate(&key, activate_after, rotation.tell)?,
                Step::Retire(stored, id) => {
                    self.sweep(&stored, id, &mut rotation)?;
                    if !rotation.rotated.unreadable.is_empty() {
                        return Ok(rotation.rotated);
                    }
                    if self.destroy(id)? {
                        rotation.rotated.destroyed.push(id);
                        rotation.tell(RotationProgress::Destroyed(id));
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
        rotation: &mut Rotation<'_>,
    ) -> Result<(), KeyringProblem> {
        let opened = Keyring::open(stored, self.keys)?;
        let left = keyring::count_values(self.connection, id)?;
        rotation.tell(RotationProgress::Sealing(left));
        // PostgreSQL locks rows, so that nobody waits for this command.
        if matches!(self.connection, DatabaseConnection::Sqlite(_)) && left > FEW_VALUES {
            self.let_server_seal(id, left, rotation)?;
        }
        let mut after = Id::NIL;
        loop {
            let began_at = Instant::now();
            let Some((batch, written)) = self.seal_batch(&opened, id, after)? else {
                return Ok(());
            };
            after = batch.last;
            rotation.rotated.unreadable.extend(batch.unreadable);
            rotation.count(written);
            thread::sleep(began_at.elapsed().max(REST));
        }
    }

    /// Waits for as long as a server beside this command seals anew what a key has sealed: its writer does so without keeping others
    /// waiting. When there is none, nothing moves.
    fn let_server_seal(
        &mut self,
        id: DataKeyId,
        mut left: u64,
        rotation: &mut Rotation<'_>,
    ) -> Result<(), KeyringProblem> {
        let mut moved_at = Instant::now();
        let mut rest = SERVER_INTERVAL;
        while left > 0 && moved_at.elapsed() < SERVER_PATIENCE {
            thread::sleep(rest);
            let counts_at = Instant::now();
            let now_left = keyring::count_values(self.connection, id)?;
            let rested = counts_at.elapsed().saturating_mul(SERVER_RESTS);
            rest = rested.clamp(SERVER_INTERVAL, SERVER_INTERVAL_LIMIT);
            if now_left < left {
                moved_at = Instant::now();
                rotation.count(left.saturating_sub(now_left));
            }
            left = now_left;
        }
        Ok(())
    }

    /// Seals some values anew. Returns them, and how many of them were written; `None` when there are no more.
    fn seal_batch(
        &mut self,
        opened: &Keyring,
        id: DataKeyId,
        after: Id<Credential>,
    ) -> Result<Option<(Batch, u64)>, KeyringProblem> {
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
    ) -> Result<Option<(Batch, u64)>, StoreError> {
        let batch = Batch::prepare(self.connection, opened, id, after, BATCH_LIMIT_ROWS)?;
        let Some(batch) = batch else {
            return Ok(None);
        };
        let written = if batch.is_empty() {
            0
        } else {
            self.connection
                .in_write_transaction(|connection| batch.write(connection))?
        };
        Ok(Some((batch, written)))
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

fn is_unused(connection: &mut DatabaseConnection, id: DataKeyId) -> Result<bool, StoreError> {
    Ok(credential::list_values(connection, id, Id::NIL, 1)?.is_empty())
}
