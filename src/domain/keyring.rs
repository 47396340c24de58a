//! The keyring while a server runs: it is changed by commands, and every server notices that without a restart.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::Domain;
use super::credential_change::binding;
use super::error::Error;
use crate::crypto::keyring::{Keyring, KeyringError};
use crate::crypto::wrapping::WrappingKey;
use crate::store::connection::DatabaseConnection;
use crate::store::error::{Cause, StoreError};
use crate::store::{credential, keyring};
use crate::types::credential::{Credential, StoredValue};
use crate::types::id::Id;
use crate::types::keyring::{KeyState, StoredKeyring};
use crate::types::secret::{DataKeyId, SecretValue};

/// How many values of a data key are tried at the start: damaged rows keep nobody from the others.
const SAMPLE_LIMIT_ROWS: i64 = 64;

/// Reads the master keys anew from where they come from, and makes their wrapping keys; none when that fails.
pub type MasterKeySource = Box<dyn Fn() -> Vec<WrappingKey> + Send + Sync>;

/// The keyring as it is now.
pub struct LiveKeyring {
    present: RwLock<Arc<Keyring>>,
    known: Mutex<KnownKeys>,
    source: MasterKeySource,
}

/// The wrapping keys that a server has.
struct KnownKeys {
    keys: Vec<WrappingKey>,
    /// The generation of the keyring for which they were read again last.
    read_for: i32,
}

impl LiveKeyring {
    /// A keyring that was opened with some of these keys.
    #[must_use]
    pub fn new(opened: Keyring, keys: Vec<WrappingKey>, source: MasterKeySource) -> Self {
        Self {
            present: RwLock::new(Arc::new(opened)),
            known: Mutex::new(KnownKeys { keys, read_for: 0 }),
            source,
        }
    }

    /// The keyring as this server knows it.
    #[must_use]
    pub fn present(&self) -> Arc<Keyring> {
        let present = self.present.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&present)
    }

    /// The keyring as the database has it.
    ///
    /// # Errors
    /// [`Error::Internal`] when none of the keys that this server has opens it.
    pub(super) fn refresh(
        &self,
        connection: &mut DatabaseConnection,
        read_again: bool,
    ) -> Result<Arc<Keyring>, Error> {
        let present = self.present();
        // A keyring of an earlier generation was put back: what was destroyed is not to be used again.
        if keyring::find_generation(connection)?
            .is_none_or(|generation| generation <= present.generation())
        {
            return Ok(present);
        }
        let stored = keyring::find_keyring(connection)?.ok_or(StoreError::Unreadable)?;
        let opened = self.open(&stored, read_again).map_err(|error| {
            tracing::error!(
                generation = stored.generation,
                "the keyring was changed, and this server cannot open it: {error}"
            );
            Error::Internal(Cause("a keyring that this server cannot open"))
        })?;
        let opened = Arc::new(opened);
        let mut place = self.present.write().unwrap_or_else(PoisonError::into_inner);
        if place.generation() < opened.generation() {
            tracing::info!(
                generation = opened.generation(),
                active_data_key = opened.active().0,
                "the keyring was changed"
            );
            *place = Arc::clone(&opened);
        }
        Ok(Arc::clone(&place))
    }

    /// Opens the keyring with the keys that are there. When these are about to be replaced, or are already, they are read again from where
    /// they come from: by requests once for each change of the keyring, since that may take long.
    fn open(&self, stored: &StoredKeyring, read_again: bool) -> Result<Keyring, KeyringError> {
        // Who comes while another one reads waits for what that finds.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let has_primary = known.keys.iter().any(|key| key.id() == stored.primary);
        if has_primary || (known.read_for == stored.generation && !read_again) {
            return Keyring::open(stored, &known.keys);
        }
        known.read_for = stored.generation;
        let keys = (self.source)();
        let Ok(opened) = Keyring::open(stored, &keys) else {
            // Those that were there at the start may still do.
            return Keyring::open(stored, &known.keys);
        };
        known.keys = keys;
        Ok(opened)
    }

    /// The keyring that has this data key, if any has: the one that this server knows, or the one that the database has.
    ///
    /// # Errors
    /// Those of [`Self::refresh`].
    fn with_data_key(
        &self,
        connection: &mut DatabaseConnection,
        id: DataKeyId,
    ) -> Result<Arc<Keyring>, Error> {
        let present = self.present();
        if present.has_value_key(id) {
            return Ok(present);
        }
        self.refresh(connection, false)
    }

    /// Opens a value that this transaction has read.
    ///
    /// # Errors
    /// [`Error::Overtaken`] when it was sealed anew after it was read, and the data key of before is gone; [`Error::Unreadable`] when it
    /// does not open; otherwise those of [`Self::refresh`].
    pub(super) fn open_value(
        &self,
        connection: &mut DatabaseConnection,
        credential: &Credential,
        stored: &StoredValue,
    ) -> Result<SecretValue, Error> {
        let keyring = self.with_data_key(connection, stored.data_key)?;
        // PostgreSQL shows each statement what was committed before it: a rotation may have come to its end since the row was read.
        if !keyring.has_value_key(stored.data_key)
            && credential::find_value(connection, credential.id)?.as_ref() != Some(stored)
        {
            return Err(Error::Overtaken);
        }
        Ok(keyring.open_value(&stored.sealed, stored.data_key, &binding(credential))?)
    }

    /// Looks whether what was just written was sealed with the active data key. When another one has taken its place meanwhile, all of it
    /// is to be done again: a value must not be written under a key that is destroyed.
    ///
    /// # Errors
    /// [`Error::Overtaken`] when it was not.
    pub(super) fn check_active(
        &self,
        connection: &mut DatabaseConnection,
        id: DataKeyId,
    ) -> Result<(), Error> {
        if keyring::find_key_state(connection, id)? == Some(KeyState::Active) {
            return Ok(());
        }
        self.refresh(connection, false)?;
        Err(Error::Overtaken)
    }
}

impl Domain {
    /// Takes over what commands have changed in the keyring.
    ///
    /// # Errors
    /// That it could not be done now: the next time it is.
    pub async fn refresh_keyring(&self) -> Result<(), Error> {
        let keyring = Arc::clone(&self.keyring);
        let present = self
            .store
            .read(move |connection| keyring.refresh(connection, true))
            .await?;
        self.store.note_generation(present.generation());
        Ok(())
    }
}

/// What came of trying some values of each data key.
#[derive(Debug, Default)]
pub struct ValueSample {
    /// Whether any value opened.
    pub opens_any: bool,
    /// The data keys of whose values none opened.
    pub unreadable: Vec<DataKeyId>,
}

/// Tries some values of each data key, as they are stored.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn sample_values(
    connection: &mut DatabaseConnection,
    opened: &Keyring,
) -> Result<ValueSample, StoreError> {
    let mut sample = ValueSample::default();
    for id in opened.value_key_ids() {
        let rows =
            credential::list_values(connection, id, Id::<Credential>::NIL, SAMPLE_LIMIT_ROWS)?;
        let opens = rows.iter().any(|(credential, stored)| {
            let value = opened.open_value(&stored.sealed, stored.data_key, &binding(credential));
            value.is_ok()
        });
        sample.opens_any |= opens;
        if !opens && !rows.is_empty() {
            sample.unreadable.push(id);
        }
    }
    Ok(sample)
}
