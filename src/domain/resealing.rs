//! Values that are sealed anew with the active data key, a few at a time: by the command that rotates, and by a server beside it.

use std::sync::Arc;
use std::time::Instant;

use tokio::time::sleep;

use super::Domain;
use super::credential_change::binding;
use super::error::Error;
use super::keyring::LiveKeyring;
use crate::crypto::keyring::{KeyPurpose, Keyring};
use crate::store::connection::DatabaseConnection;
use crate::store::error::StoreError;
use crate::store::{credential, keyring};
use crate::types::credential::{Credential, StoredValue};
use crate::types::id::Id;
use crate::types::keyring::KeyState;
use crate::types::secret::DataKeyId;

/// How many values a server seals anew in one job: what is written beside it waits for no more than that.
const SERVER_BATCH_LIMIT_ROWS: i64 = 16;
/// How many times as long as a job took a server rests before the next one: what else is written has most of the time.
const SERVER_RESTS: u32 = 2;

/// Some values that a key has sealed, and the same ones sealed anew.
///
/// Sealing takes longer than writing, and is done before the transaction, which others wait for. What is changed meanwhile is under the new
/// key by that, and is left as it is.
pub struct Batch {
    /// The last one of them all.
    pub last: Id<Credential>,
    /// Those that do not open.
    pub unreadable: Vec<Id<Credential>>,
    resealed: Vec<(Credential, StoredValue, StoredValue)>,
}

impl Batch {
    /// Reads values that this key has sealed, so many behind an ID, and seals them with the active key; `None` when there are no more.
    ///
    /// # Errors
    /// A [`StoreError`] when the database cannot be read.
    pub fn prepare(
        connection: &mut DatabaseConnection,
        opened: &Keyring,
        id: DataKeyId,
        after: Id<Credential>,
        limit_rows: i64,
    ) -> Result<Option<Self>, StoreError> {
        let rows = credential::list_values(connection, id, after, limit_rows)?;
        let Some((last, _)) = rows.last() else {
            return Ok(None);
        };
        let mut batch = Self {
            last: last.id,
            unreadable: Vec::new(),
            resealed: Vec::with_capacity(rows.len()),
        };
        for (credential, before) in rows {
            match reseal(opened, &credential, &before) {
                Some(after) => batch.resealed.push((credential, before, after)),
                None => batch.unreadable.push(credential.id),
            }
        }
        Ok(Some(batch))
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.resealed.is_empty()
    }

    /// Writes them, within a transaction. Returns how many that were.
    ///
    /// # Errors
    /// A [`StoreError`] when the database cannot be written.
    pub fn write(&self, connection: &mut DatabaseConnection) -> Result<u64, StoreError> {
        let mut written = 0_u64;
        for (credential, before, after) in &self.resealed {
            let rows = credential::update_seal(connection, credential, before, after)?;
            written = written.saturating_add(u64::try_from(rows).unwrap_or(0));
        }
        Ok(written)
    }
}

fn reseal(opened: &Keyring, credential: &Credential, before: &StoredValue) -> Option<StoredValue> {
    let binding = binding(credential);
    let value = opened
        .open_value(&before.sealed, before.data_key, &binding)
        .ok()?;
    let (sealed, data_key) = opened.seal_value(&value, &binding).ok()?;
    Some(StoredValue { sealed, data_key })
}

impl Domain {
    /// Seals anew what a data key that retires has sealed, until nothing is left that opens.
    ///
    /// Over SQLite only. There, a command that does so has the lock for writing now and then, and what the server is to write waits for it;
    /// jobs of the server's own writer share their commits with all others. PostgreSQL locks rows, and the command alone does it there.
    ///
    /// # Errors
    /// That it could not be done now: the next time it is gone on with.
    pub async fn reseal_values(&self) -> Result<(), Error> {
        let mut after = Id::NIL;
        loop {
            let began_at = Instant::now();
            let live = Arc::clone(&self.keyring);
            let next = self
                .store
                .read(move |connection| next_batch(connection, &live, after));
            let Some((batch, active)) = next.await? else {
                return Ok(());
            };
            after = batch.last;
            if batch.is_empty() {
                sleep(began_at.elapsed()).await;
                continue;
            }
            let live = Arc::clone(&self.keyring);
            let written = self.store.write(move |connection| {
                batch.write(connection)?;
                live.check_active(connection, active)
            });
            match written.await {
                // Another key is the active one meanwhile: those that were left out are found the next time.
                Ok(()) | Err(Error::Overtaken) => {}
                Err(error) => return Err(error),
            }
            sleep(began_at.elapsed().saturating_mul(SERVER_RESTS)).await;
        }
    }
}

/// The next values that are to be sealed anew, and the key that they are sealed with.
fn next_batch(
    connection: &mut DatabaseConnection,
    live: &LiveKeyring,
    after: Id<Credential>,
) -> Result<Option<(Batch, DataKeyId)>, Error> {
    let DatabaseConnection::Sqlite(_) = connection else {
        return Ok(None);
    };
    let purpose = KeyPurpose::Value.as_str();
    let Some(retiring) = keyring::find_key_in_state(connection, purpose, KeyState::Retiring)?
    else {
        return Ok(None);
    };
    let opened = live.refresh(connection, false)?;
    if opened.active() == retiring {
        return Ok(None);
    }
    let batch = Batch::prepare(
        connection,
        &opened,
        retiring,
        after,
        SERVER_BATCH_LIMIT_ROWS,
    )?;
    Ok(batch.map(|batch| (batch, opened.active())))
}
