//! The database at the start: it is looked through, and its keyring opened, before anything is changed in it.

use crate::crypto::keyring::{Keyring, KeyringError};
use crate::crypto::master_key::MasterKey;
use crate::failure::{Failure, FailureKind};
use crate::store::connection::{Database, DatabaseConnection};
use crate::store::error::StoreError;
use crate::store::postgres::{self, ConnectProblem};
use crate::store::{keyring, migration};
use crate::types::keyring::StoredKeyring;

/// Opens the keyring of a database, and migrates it. An empty database gets a keyring.
///
/// # Errors
/// [`FailureKind::Configuration`] for another master key, a damaged keyring, and a database of a newer version;
/// [`FailureKind::DatabaseUnreachable`] when it cannot be read or written.
pub fn open_keyring(database: &Database, master_key: &MasterKey) -> Result<Keyring, Failure> {
    // Of the instances that start at once, one makes the tables and the keyring, and the others find them.
    let _alone = lock_for_start(database)?;
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
        .map_err(|error| store_failure(database, error))?;
    Ok(opened)
}

/// Applies the migrations.
///
/// # Errors
/// [`FailureKind::Configuration`] for a database of a newer version; [`FailureKind::DatabaseUnreachable`] when it cannot be written.
pub fn migrate(database: &Database) -> Result<(), Failure> {
    let _alone = lock_for_start(database)?;
    inspect(database)?;
    apply(database).map(|_connection| ())
}

/// Applies the migrations to a database that a copy is to be written to, or was begun to be written to.
///
/// # Errors
/// Those of [`migrate`].
pub fn migrate_unfinished(database: &Database) -> Result<(), Failure> {
    let _alone = lock_for_start(database)?;
    apply(database).map(|_connection| ())
}

fn apply(database: &Database) -> Result<DatabaseConnection, Failure> {
    let failure = |error| store_failure(database, error);
    let mut connection = database.connect().map_err(failure)?;
    check_version(database, &mut connection)?;
    if migration::is_current(&mut connection).map_err(failure)? {
        return Ok(connection);
    }
    if let DatabaseConnection::Postgres(postgres) = &mut connection
        && let Some(lack) = postgres::prepare(postgres).map_err(failure)?
    {
        return Err(Failure::configuration(lack.to_string()));
    }
    let applied = migration::migrate(&mut connection).map_err(failure)?;
    tracing::info!(applied, "the database was migrated");
    Ok(connection)
}

/// The lock of a starting instance: as long as this connection is open, no other one starts. SQLite has the lock of its directory.
fn lock_for_start(database: &Database) -> Result<Option<DatabaseConnection>, Failure> {
    let Database::Postgres(url) = database else {
        return Ok(None);
    };
    let mut connection = url.connect().map_err(|problem| {
        let kind = match problem {
            ConnectProblem::Malformed => FailureKind::Configuration,
            _ => FailureKind::DatabaseUnreachable,
        };
        Failure::new(kind, problem.to_string())
    })?;
    postgres::lock_for_start(&mut connection).map_err(|error| store_failure(database, error))?;
    Ok(Some(DatabaseConnection::Postgres(connection)))
}

/// Reads the keyring of a database, and changes nothing; `None` when there is none yet.
///
/// # Errors
/// [`FailureKind::Configuration`] for a database that is damaged or of a newer version; [`FailureKind::DatabaseUnreachable`] when it
/// cannot be read.
pub fn inspect(database: &Database) -> Result<Option<StoredKeyring>, Failure> {
    let failure = |error| store_failure(database, error);
    let Some(mut connection) = database.connect_read_only().map_err(failure)? else {
        return Ok(None);
    };
    check_version(database, &mut connection)?;
    if !connection.has_table("keyring").map_err(failure)? {
        return Ok(None);
    }
    let stored = keyring::find_keyring(&mut connection).map_err(failure)?;
    if stored.is_none() && keyring::has_data_keys(&mut connection).map_err(failure)? {
        return Err(Failure::configuration(
            "the database has data keys but no keyring: finish the copy into it with `credence copy`, or, when it is damaged, restore \
             it from a backup",
        ));
    }
    Ok(stored)
}

fn check_version(database: &Database, connection: &mut DatabaseConnection) -> Result<(), Failure> {
    let failure = |error| store_failure(database, error);
    if migration::was_migrated(connection).map_err(failure)?
        && migration::is_newer(connection).map_err(failure)?
    {
        return Err(Failure::configuration(
            "the database was migrated by a newer version of Credence: use that version",
        ));
    }
    Ok(())
}

fn keyring_failure(error: &KeyringError) -> Failure {
    match error {
        KeyringError::RandomUnavailable => Failure::new(FailureKind::Software, error.to_string()),
        KeyringError::OtherMasterKey { .. } | KeyringError::Damaged => {
            Failure::configuration(error.to_string())
        }
    }
}

/// Why the start ends, in words for the operator.
#[must_use]
pub fn store_failure(database: &Database, error: StoreError) -> Failure {
    let message = match (error, database) {
        (StoreError::Unreadable, _) => {
            return Failure::configuration(
                "a row of the keyring is damaged: restore it from a backup",
            );
        }
        (_, Database::Sqlite(path)) => format!(
            "the database {} cannot be read or written: is the file intact, the disk full, the directory writable?",
            path.display()
        ),
        (_, Database::Postgres(_)) => {
            "PostgreSQL refused what the start needs: may the role read and write the tables? \
                                       Its log says more"
                .to_owned()
        }
    };
    Failure::new(FailureKind::DatabaseUnreachable, message)
}
