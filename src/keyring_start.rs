//! The database at the start: it is looked through, and its keyring opened, before anything is changed in it.

use std::thread;
use std::time::{Duration, Instant};

use crate::crypto::audit_key::audit_signer;
use crate::crypto::keyring::{Keyring, KeyringError};
use crate::crypto::keyring_change;
use crate::crypto::opened_keys::OpenedKeys;
use crate::crypto::wrapping::WrappingKey;
use crate::domain::audit_break::{BrokenLog, find_break};
use crate::domain::keyring::sample_values;
use crate::failure::{Failure, FailureKind};
use crate::store::audit_point::list_heads_before_migration;
use crate::store::connection::{Database, DatabaseConnection};
use crate::store::error::StoreError;
use crate::store::postgres::{self, ConnectProblem};
use crate::store::write_ahead_log::empty_log;
use crate::store::{keyring, migration};
use crate::types::clock::Timestamp;
use crate::types::keyring::StoredKeyring;

/// How long a start waits for another one. An index over millions of rows takes minutes; what takes longer than this hangs.
const START_LOCK_LIMIT_MINUTES: u64 = 5;
/// How often it looks meanwhile.
const START_LOCK_INTERVAL: Duration = Duration::from_millis(250);

/// How long those who read are waited for, to remove what an earlier command has left behind.
pub const LEFT_PATIENCE: Duration = Duration::from_secs(1);

/// Opens the keyring of a database, and migrates it. An empty database gets a keyring, of the first of these keys.
///
/// # Errors
/// [`FailureKind::Configuration`] for other master keys, a damaged keyring, values that do not open, and a database of a newer version;
/// [`FailureKind::DatabaseUnreachable`] when it cannot be read or written.
pub fn open_keyring(
    database: &Database,
    keys: &[WrappingKey],
    now: Timestamp,
) -> Result<Keyring, Failure> {
    // Of the instances that start at once, one makes the tables and the keyring, and the others find them.
    let _alone = lock_for_start(database)?;
    if let Some(stored) = inspect(database)? {
        let opened = open_stored(database, &stored, keys)?;
        apply(database)?;
        return Ok(opened);
    }
    let first = keys
        .first()
        .ok_or_else(|| Failure::configuration("no master key is given"))?;
    let mut connection = apply(database)?;
    let made = keyring_change::generate(first, now).map_err(|error| keyring_failure(&error))?;
    let opened = Keyring::open(&made, keys).map_err(|error| keyring_failure(&error))?;
    connection
        .in_transaction(|connection| keyring::insert_keyring(connection, &made))
        .map_err(|error| store_failure(database, error))?;
    Ok(opened)
}

/// Opens a keyring, and some of the values that its keys have sealed. Changes nothing.
///
/// # Errors
/// [`FailureKind::Configuration`] for other master keys, a damaged keyring, and values that do not open.
pub fn open_stored(
    database: &Database,
    stored: &StoredKeyring,
    keys: &[WrappingKey],
) -> Result<Keyring, Failure> {
    let failure = |error: KeyringError| keyring_failure(&error);
    let (data_keys, slot) = OpenedKeys::open(stored, keys).map_err(failure)?;
    let opened = Keyring::of(&data_keys, stored).map_err(failure)?;
    if slot.master_key_id != stored.primary {
        tracing::warn!(
            opened_with = %slot.master_key_id,
            primary = %stored.primary,
            "the keyring was opened with another master key than the one that servers are to be started with"
        );
    }
    let unreadable = |error| store_failure(database, error);
    let Some(mut connection) = database.connect_read_only().map_err(unreadable)? else {
        return Ok(opened);
    };
    let sample = sample_values(&mut connection, &opened).map_err(unreadable)?;
    // Where no value opens, all may be damaged, or be another deployment's. The log has keys of the same keyring.
    let is_own = sample.opens_any
        || sample.unreadable.is_empty()
        || has_own_log(&mut connection, &opened).map_err(unreadable)?;
    if !is_own {
        return Err(Failure::configuration(format!(
            "the keyring opens with the master key {}, but none of the values that were looked at opens with its data keys, and the audit \
             log is not its own: the keyring and the values are not of one database; restore both from one backup",
            slot.master_key_id
        )));
    }
    let opened = check_log(database, &mut connection, opened)?;
    for id in sample.unreadable {
        tracing::warn!(
            data_key = id.0,
            "of the values that this data key has sealed, none that was looked at opens: they are damaged, and refused one by one; restore \
             them from a backup, or give those credentials new values"
        );
    }
    Ok(opened)
}

/// Whether somebody who had the keys of this keyring wrote the audit log.
fn has_own_log(connection: &mut DatabaseConnection, opened: &Keyring) -> Result<bool, StoreError> {
    let heads = list_heads_before_migration(connection, &audit_signer(opened))?;
    Ok(heads.iter().any(|head| head.is_authentic))
}

/// Looks whether the audit log is there, begins where it began and ends where it ended, and names no newer keyring than this one.
fn check_log(
    database: &Database,
    connection: &mut DatabaseConnection,
    opened: Keyring,
) -> Result<Keyring, Failure> {
    let broken = find_break(connection, &audit_signer(&opened))
        .map_err(|error| store_failure(database, error))?;
    let told = match broken {
        None => return Ok(opened),
        Some(BrokenLog::Beginning(chain)) => format!(
            "the audit log does not begin where it began (chain {chain}): somebody added to it or changed it"
        ),
        Some(BrokenLog::End(chain)) => format!(
            "the audit log does not end where it ended (chain {chain}): somebody cut or changed it"
        ),
        Some(BrokenLog::Missing) => {
            "there are credentials and no audit log: somebody deleted all of it".to_owned()
        }
        Some(BrokenLog::KeyringOld { logged, found }) => format!(
            "the keyring is of generation {found}, and the audit log says {logged}: somebody put an older one back, with keys that were \
             dropped since"
        ),
        Some(BrokenLog::KeyringUnlogged { logged, found }) => format!(
            "the keyring is of generation {found}, and the audit log says {logged}: somebody took events of commands away"
        ),
    };
    Err(Failure::configuration(format!(
        "{told}; `credence audit verify` shows what there is to see; restore the database from a backup, or let it go on as it is with \
         `credence audit prune --damaged`"
    )))
}

/// Removes what a command has left in SQLite's write-ahead log that was killed before it emptied that.
pub fn forget_old_copies(database: &Database, connection: &mut DatabaseConnection) {
    if !empty_log(connection, LEFT_PATIENCE) {
        tracing::warn!(
            "{database}-wal could not be emptied, since somebody reads the database: it may hold copies of keys and values that are gone; \
             run `credence keys status` later, which removes them"
        );
    }
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
    if let DatabaseConnection::Postgres(postgres) = &mut connection
        && let Some(lack) = postgres::find_session_lack(postgres).map_err(failure)?
    {
        return Err(Failure::configuration(lack.to_string()));
    }
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

/// Opens a connection, and says why when there is none.
///
/// # Errors
/// [`FailureKind::Configuration`] for a URL that cannot be understood; otherwise [`FailureKind::DatabaseUnreachable`].
pub fn connect(database: &Database) -> Result<DatabaseConnection, Failure> {
    let Database::Postgres(url) = database else {
        return database
            .connect()
            .map_err(|error| store_failure(database, error));
    };
    let connection = url.connect().map_err(|problem| {
        let kind = match problem {
            ConnectProblem::Malformed => FailureKind::Configuration,
            _ => FailureKind::DatabaseUnreachable,
        };
        Failure::new(kind, problem.to_string())
    })?;
    Ok(DatabaseConnection::Postgres(connection))
}

/// What another attempt to connect ends with.
fn why_unreachable(database: &Database, error: StoreError) -> Failure {
    match connect(database) {
        Ok(_connection) => store_failure(database, error),
        Err(failure) => failure,
    }
}

/// The lock of a starting instance: as long as this connection is open, no other one starts. SQLite has the lock of its directory.
fn lock_for_start(database: &Database) -> Result<Option<DatabaseConnection>, Failure> {
    if let Database::Sqlite(_) = database {
        return Ok(None);
    }
    let mut connection = connect(database)?;
    wait_until_alone(
        Duration::from_mins(START_LOCK_LIMIT_MINUTES),
        || match &mut connection {
            DatabaseConnection::Postgres(postgres) => postgres::try_lock_for_start(postgres)
                .map_err(|error| store_failure(database, error)),
            DatabaseConnection::Sqlite(_) => Ok(true),
        },
    )?;
    Ok(Some(connection))
}

/// Tries until the lock is had. It is not waited for in the database: a statement that waits there holds up what builds an index.
fn wait_until_alone(
    limit: Duration,
    mut try_lock: impl FnMut() -> Result<bool, Failure>,
) -> Result<(), Failure> {
    if try_lock()? {
        return Ok(());
    }
    tracing::info!("another instance is starting on this database, or migrates it: this one waits");
    let began_at = Instant::now();
    while began_at.elapsed() < limit {
        thread::sleep(START_LOCK_INTERVAL);
        if try_lock()? {
            return Ok(());
        }
    }
    Err(Failure::new(
        FailureKind::DatabaseUnreachable,
        format!(
            "another instance has been starting on this database, or migrating it, for {START_LOCK_LIMIT_MINUTES} minutes: look for one \
             that hangs while it starts, and end it (its session in PostgreSQL: SELECT pid FROM pg_locks WHERE locktype = 'advisory')"
        ),
    ))
}

/// Reads the keyring of a database, and changes nothing; `None` when there is none yet.
///
/// # Errors
/// [`FailureKind::Configuration`] for a database that is damaged or of a newer version; [`FailureKind::DatabaseUnreachable`] when it
/// cannot be read.
pub fn inspect(database: &Database) -> Result<Option<StoredKeyring>, Failure> {
    let failure = |error| store_failure(database, error);
    let opened = database.connect_read_only();
    let opened = opened.map_err(|error| why_unreachable(database, error))?;
    let Some(mut connection) = opened else {
        return Ok(None);
    };
    check_version(database, &mut connection)?;
    if !connection.has_table("keyring").map_err(failure)? {
        return Ok(None);
    }
    let stored = keyring::find_keyring(&mut connection).map_err(failure)?;
    if stored.is_none() && keyring::has_rows_of_keyring(&mut connection).map_err(failure)? {
        return Err(Failure::configuration(
            "the database has data but no keyring: finish the copy into it with `credence copy`, or, when it is damaged, restore it \
             from a backup",
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

/// Why a keyring is not opened or changed, in words for the operator.
#[must_use]
pub fn keyring_failure(error: &KeyringError) -> Failure {
    match error {
        KeyringError::RandomUnavailable => Failure::new(FailureKind::Software, error.to_string()),
        KeyringError::OtherMasterKey { .. }
        | KeyringError::MissingMasterKeys(_)
        | KeyringError::Damaged
        | KeyringError::Newer => Failure::configuration(error.to_string()),
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
        (StoreError::ChainBroken(chain), _) => {
            return Failure::configuration(format!(
                "the audit log does not end where it ended (chain {chain}): somebody cut or changed it, and nothing is written; `credence \
                 audit verify` shows what there is to see; restore the database from a backup, or let it go on as it is with `credence \
                 audit prune --damaged`"
            ));
        }
        (_, Database::Sqlite(path)) => format!(
            "the database {} cannot be read or written: is the file intact, the disk full, the directory writable?",
            path.display()
        ),
        (StoreError::Unavailable, Database::Postgres(_)) => {
            "the connection to PostgreSQL was lost, or it takes no writes: does it run? Its log says more".to_owned()
        }
        (_, Database::Postgres(_)) => {
            "PostgreSQL refused what it was asked for: may the role read and write the tables? Its log says more".to_owned()
        }
    };
    Failure::new(FailureKind::DatabaseUnreachable, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_does_not_wait_for_ever_for_one_that_hangs() {
        let mut tries = 0;
        let waited = wait_until_alone(START_LOCK_INTERVAL, || {
            tries += 1;
            Ok(false)
        });
        let failure = waited.err();
        assert!(failure.is_some_and(|failure| {
            failure.kind == FailureKind::DatabaseUnreachable && failure.message.contains("hangs")
        }));
        assert_eq!(tries, 2);
    }
}
