//! The rows of all tables, carried from one database into another one as they are.

use std::thread;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use super::connection::DatabaseConnection;
use super::copy_row::{
    AuditChainRow, AuditCheckpointRow, AuditEventRow, CredentialRow, DataKeyCopyRow, DataKeyRow,
    DeletedCredentialRow, KeyringRow, ProgressRow, ReferenceRow, RemovedUserRow, Row, SlotRow,
    UserRow,
};
use super::error::StoreError;
use super::postgres;
use super::schema::{
    audit_chains, audit_checkpoints, audit_events, credential_references, credentials,
    data_key_copies, data_keys, deleted_credentials, keyring, master_key_slots, reference_progress,
    removed_users, users,
};

/// How far a copy is: told after each batch.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// What is done now.
    pub doing: &'static str,
    /// How many rows of all tables were read.
    pub rows: u64,
}

/// What both databases have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The same rows.
    Same,
    /// Other rows in this table.
    Different(&'static str),
}

/// Which side of a copy failed, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyError {
    /// What is read.
    Source(StoreError),
    /// What is written.
    Target(StoreError),
}

/// How long the locks are tried for: PostgreSQL gives those of a process that has ended back a moment later.
const LOCK_LIMIT: Duration = Duration::from_secs(2);
const LOCK_INTERVAL: Duration = Duration::from_millis(50);

/// Takes both sides for a copy, until the connections are closed. Returns whether it got them: not when they are one database, by whatever
/// names, or another copy works on the target. SQLite has the lock of its directory.
///
/// # Errors
/// A [`CopyError`] when a database cannot be reached.
pub fn try_lock_sides(
    from: &mut DatabaseConnection,
    to: &mut DatabaseConnection,
) -> Result<bool, CopyError> {
    let may_read = try_lock(from, postgres::try_lock_for_reading_copy);
    if !may_read.map_err(CopyError::Source)? {
        return Ok(false);
    }
    try_lock(to, postgres::try_lock_for_writing_copy).map_err(CopyError::Target)
}

fn try_lock(
    connection: &mut DatabaseConnection,
    lock: impl Fn(&mut PgConnection) -> Result<bool, StoreError>,
) -> Result<bool, StoreError> {
    let DatabaseConnection::Postgres(connection) = connection else {
        return Ok(true);
    };
    let began_at = Instant::now();
    loop {
        if lock(connection)? {
            return Ok(true);
        }
        if began_at.elapsed() > LOCK_LIMIT {
            return Ok(false);
        }
        thread::sleep(LOCK_INTERVAL);
    }
}

/// A copy from one database into another one.
pub struct DatabaseCopy<'a> {
    /// What is read. Nobody changes it meanwhile, or it is read in one transaction.
    from: &'a mut DatabaseConnection,
    /// What is written: migrated, and empty or begun by an earlier copy of the same database.
    to: &'a mut DatabaseConnection,
    /// Is told how far it is.
    tell: &'a mut dyn FnMut(Progress),
    rows: u64,
}

impl<'a> DatabaseCopy<'a> {
    /// A copy that has not begun. The time limits of requests do not apply to it, and PostgreSQL is read as it is now.
    ///
    /// # Errors
    /// A [`CopyError`] when a database cannot be reached.
    pub fn new(
        from: &'a mut DatabaseConnection,
        to: &'a mut DatabaseConnection,
        tell: &'a mut dyn FnMut(Progress),
    ) -> Result<Self, CopyError> {
        const NO_LIMITS: &str = "SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0;";
        if let DatabaseConnection::Postgres(postgres) = from {
            let begun = postgres.batch_execute(NO_LIMITS).and_then(|()| {
                postgres.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            });
            begun.map_err(|error| CopyError::Source(error.into()))?;
        }
        if let DatabaseConnection::Postgres(postgres) = to {
            let set = postgres.batch_execute(NO_LIMITS);
            set.map_err(|error| CopyError::Target(error.into()))?;
        }
        Ok(Self {
            from,
            to,
            tell,
            rows: 0,
        })
    }

    /// How many rows there are to read in all, those that are compared afterwards included.
    ///
    /// # Errors
    /// A [`StoreError`] when the database cannot be read.
    pub fn total_rows(&mut self) -> Result<u64, StoreError> {
        let from = &mut *self.from;
        let counts: [i64; 13] = [
            data_keys::table.count().get_result(from)?,
            data_key_copies::table.count().get_result(from)?,
            master_key_slots::table.count().get_result(from)?,
            users::table.count().get_result(from)?,
            removed_users::table.count().get_result(from)?,
            deleted_credentials::table.count().get_result(from)?,
            credentials::table.count().get_result(from)?,
            credential_references::table.count().get_result(from)?,
            reference_progress::table.count().get_result(from)?,
            audit_events::table.count().get_result(from)?,
            audit_chains::table.count().get_result(from)?,
            audit_checkpoints::table.count().get_result(from)?,
            keyring::table.count().get_result(from)?,
        ];
        let total: i64 = counts.iter().sum();
        Ok(u64::try_from(total).unwrap_or(0).saturating_mul(2))
    }

    /// Carries over what is not there yet, but for the keyring.
    ///
    /// # Errors
    /// [`StoreError::NotUnique`] of the target when it has rows of another database; otherwise that one of both cannot be reached.
    pub fn carry(&mut self) -> Result<(), CopyError> {
        // Data keys are random: a target that has others belongs to another database, and nothing is to be mixed with its rows. Its own
        // may have been rotated since, when it is finished.
        let own = SlotRow::read(self.from, None).map_err(CopyError::Source)?;
        let there = SlotRow::read(self.to, None).map_err(CopyError::Target)?;
        if !there.iter().all(|slot| own.contains(slot)) {
            return Err(CopyError::Target(StoreError::NotUnique));
        }
        // A target that is finished may have been served since: what was deleted there is not to come back.
        let finished = KeyringRow::last_key(self.to).map_err(CopyError::Target)?;
        if finished.is_some() {
            return Ok(());
        }
        self.carry_table::<SlotRow>()?;
        self.carry_table::<DataKeyRow>()?;
        self.carry_table::<DataKeyCopyRow>()?;
        self.carry_table::<UserRow>()?;
        self.carry_table::<RemovedUserRow>()?;
        self.carry_table::<DeletedCredentialRow>()?;
        self.carry_table::<CredentialRow>()?;
        self.carry_table::<ReferenceRow>()?;
        self.carry_table::<AuditEventRow>()?;
        self.carry_table::<AuditChainRow>()?;
        self.carry_table::<AuditCheckpointRow>()?;
        self.carry_progress()
    }

    /// Carries over the keyring, when all else was compared: no server starts on a copy without it.
    ///
    /// # Errors
    /// A [`CopyError`] when one of both databases cannot be reached.
    pub fn finish(&mut self) -> Result<Outcome, CopyError> {
        self.carry_table::<KeyringRow>()?;
        self.is_same::<KeyringRow>()
    }

    /// Compares both databases, row by row, but for the keyring.
    ///
    /// # Errors
    /// A [`CopyError`] when one of both cannot be read.
    pub fn compare(&mut self) -> Result<Outcome, CopyError> {
        let tables = [
            Self::is_same::<SlotRow>,
            Self::is_same::<DataKeyRow>,
            Self::is_same::<DataKeyCopyRow>,
            Self::is_same::<UserRow>,
            Self::is_same::<RemovedUserRow>,
            Self::is_same::<DeletedCredentialRow>,
            Self::is_same::<CredentialRow>,
            Self::is_same::<ReferenceRow>,
            Self::is_same::<AuditEventRow>,
            Self::is_same::<AuditChainRow>,
            Self::is_same::<AuditCheckpointRow>,
            Self::is_same::<ProgressRow>,
        ];
        for is_same in tables {
            if let Outcome::Different(table) = is_same(self)? {
                return Ok(Outcome::Different(table));
            }
        }
        Ok(Outcome::Same)
    }

    fn carry_table<R: Row>(&mut self) -> Result<(), CopyError> {
        let mut after = R::last_key(self.to).map_err(CopyError::Target)?;
        loop {
            let batch = R::read(self.from, after).map_err(CopyError::Source)?;
            let Some(last) = batch.last() else {
                return Ok(());
            };
            after = Some(last.key());
            self.to
                .in_transaction(|to| batch.iter().try_for_each(|row| row.insert(to)))
                .map_err(CopyError::Target)?;
            self.count("copying", batch.len());
        }
    }

    /// The one row that the migration made is replaced.
    fn carry_progress(&mut self) -> Result<(), CopyError> {
        for row in ProgressRow::read(self.from, None).map_err(CopyError::Source)? {
            diesel::update(reference_progress::table)
                .set(reference_progress::counted_through.eq(row.counted_through))
                .execute(self.to)
                .map_err(|error| CopyError::Target(error.into()))?;
            self.count("copying", 1);
        }
        Ok(())
    }

    fn is_same<R: Row>(&mut self) -> Result<Outcome, CopyError> {
        let (mut after_here, mut after_there) = (None, None);
        loop {
            let here = R::read(self.from, after_here).map_err(CopyError::Source)?;
            let there = R::read(self.to, after_there).map_err(CopyError::Target)?;
            if here != there {
                return Ok(Outcome::Different(R::TABLE));
            }
            let (Some(last_here), Some(last_there)) = (here.last(), there.last()) else {
                return Ok(Outcome::Same);
            };
            (after_here, after_there) = (Some(last_here.key()), Some(last_there.key()));
            self.count("comparing", here.len());
        }
    }

    fn count(&mut self, doing: &'static str, rows: usize) {
        self.rows = self.rows.saturating_add(u64::try_from(rows).unwrap_or(0));
        (self.tell)(Progress {
            doing,
            rows: self.rows,
        });
    }
}
