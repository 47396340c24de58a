//! The database at the start: it is looked through, and its keyring opened, before anything is changed in it.

use crate::crypto::keyring::{Keyring, KeyringError};
use crate::crypto::master_key::MasterKey;
use crate::failure::{Failure, FailureKind};
use crate::store::connection::{Database, DatabaseConnection};
use crate::store::error::StoreError;
use crate::store::{keyring, migration};
use crate::types::keyring::StoredKeyring;

/// Opens the keyring of a database, and migrates it. An empty database gets a keyring.
///
/// # Errors
/// [`FailureKind::Configuration`] for another master key, a damaged keyring, and a database of a newer version;
/// [`FailureKind::DatabaseUnreachable`] when it cannot be read or written.
pub fn open_keyring(database: &Database, master_key: &MasterKey) -> Result<Keyring, Failure> {
    if let Some(stored) = inspect(database)? {
        let opened = Keyring::open(&stored, master_key).map_err(|error| keyring_failure(&error))?;
        apply(database)?;
        return Ok(opened);
    }
    let mut connection = apply(database)?;
    let made = Keyring::generate(master_key).map_err(|error| keyring_failure(&error))?;
    let opened = Keyring::open(&made, master_key).map_err(|error| keyring_failure(&error))?;
    connection
        .in_transaction(|connection| keyring::insert_keyring(connection, &made))
        .map_err(store_failure)?;
    Ok(opened)
}

/// Applies the migrations.
///
/// # Errors
/// [`FailureKind::Configuration`] for a database of a newer version; [`FailureKind::DatabaseUnreachable`] when it cannot be written.
pub fn migrate(database: &Database) -> Result<(), Failure> {
    inspect(database)?;
    apply(database).map(|_connection| ())
}

fn apply(database: &Database) -> Result<DatabaseConnection, Failure> {
    let mut connection = database.connect().map_err(store_failure)?;
    let applied = migration::migrate(&mut connection).map_err(store_failure)?;
    if applied > 0 {
        tracing::info!(applied, "the database was migrated");
    }
    Ok(connection)
}

/// Reads the keyring of a database, and changes nothing; `None` when there is none yet.
///
/// # Errors
/// [`FailureKind::Configuration`] for a database that is damaged or of a newer version; [`FailureKind::DatabaseUnreachable`] when it
/// cannot be read.
pub fn inspect(database: &Database) -> Result<Option<StoredKeyring>, Failure> {
    let Some(mut connection) = database.connect_read_only().map_err(store_failure)? else {
        return Ok(None);
    };
    if !migration::was_migrated(&mut connection).map_err(store_failure)? {
        return Ok(None);
    }
    if migration::is_newer(&mut connection).map_err(store_failure)? {
        return Err(Failure::configuration(
            "the database was migrated by a newer version of Credence: use that version",
        ));
    }
    if !connection.has_table("keyring").map_err(store_failure)? {
        return Ok(None);
    }
    let stored = keyring::find_keyring(&mut connection).map_err(store_failure)?;
    if stored.is_none() && keyring::has_credentials(&mut connection).map_err(store_failure)? {
        return Err(Failure::configuration(
            "the database has credentials but no keyring: it is damaged, restore it from a backup",
        ));
    }
    Ok(stored)
}

fn keyring_failure(error: &KeyringError) -> Failure {
    match error {
        KeyringError::RandomUnavailable => Failure::new(FailureKind::Software, error.to_string()),
        KeyringError::OtherMasterKey { .. } | KeyringError::Damaged => {
            Failure::configuration(error.to_string())
        }
    }
}

fn store_failure(error: StoreError) -> Failure {
    match error {
        StoreError::Unreadable => {
            Failure::configuration("a row of the keyring is damaged: restore it from a backup")
        }
        _ => Failure::new(
            FailureKind::DatabaseUnreachable,
            "the database cannot be read or written: is the file intact, the disk full, the directory writable?",
        ),
    }
}
