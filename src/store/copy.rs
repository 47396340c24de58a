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
use super::schema::reference_progress;

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

/// What a copy does with a table.
struct Table {
    name: &'static str,
    count: fn(&mut DatabaseConnection) -> Result<i64, StoreError>,
    carry: fn(&mut DatabaseCopy<'_>) -> Result<(), CopyError>,
    is_same: fn(&mut DatabaseCopy<'_>) -> Result<Outcome, CopyError>,
}

impl Table {
    const fn of<R: Row>() -> Self {
        Self {
            name: R::TABLE,
            count: R::count,
            carry: |copy| copy.carry_table::<R>(),
            is_same: |copy| copy.is_same::<R>(),
        }
    }
}

/// All tables but the keyring, in an order in which each row finds those that it refers to. People sign in again: sessions and one-time
/// codes are left out.
const TABLES: [Table; 12] = [
    Table::of::<SlotRow>(),
    Table::of::<DataKeyRow>(),
    Table::of::<DataKeyCopyRow>(),
    Table::of::<UserRow>(),
    Table::of::<RemovedUserRow>(),
    Table::of::<DeletedCredentialRow>(),
    Table::of::<CredentialRow>(),
    Table::of::<ReferenceRow>(),
    Table::of::<AuditEventRow>(),
    Table::of::<AuditChainRow>(),
    Table::of::<AuditCheckpointRow>(),
    // The one row that the migration made is replaced.
    Table {
        carry: |copy| copy.carry_progress(),
        ..Table::of::<ProgressRow>()
    },
];
const KEYRING: Table = Table::of::<KeyringRow>();

/// The names of the tables that are carried over.
#[must_use]
pub fn carried_tables() -> Vec<&'static str> {
    TABLES
        .iter()
        .chain([&KEYRING])
        .map(|table| table.name)
        .collect()
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
        let mut total = 0;
        for table in TABLES.iter().chain([&KEYRING]) {
            total += (table.count)(self.from)?;
        }
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
        for table in &TABLES {
            (table.carry)(self)?;
        }
        Ok(())
    }

    /// Carries over the keyring, when all else was compared: no server starts on a copy without it.
    ///
    /// # Errors
    /// A [`CopyError`] when one of both databases cannot be reached.
    pub fn finish(&mut self) -> Result<Outcome, CopyError> {
        (KEYRING.carry)(self)?;
        (KEYRING.is_same)(self)
    }

    /// Compares both databases, row by row, but for the keyring.
    ///
    /// # Errors
    /// A [`CopyError`] when one of both cannot be read.
    pub fn compare(&mut self) -> Result<Outcome, CopyError> {
        for table in &TABLES {
            if let Outcome::Different(table) = (table.is_same)(self)? {
                return Ok(Outcome::Different(table));
            }
        }
        Ok(Outcome::Same)
    }

    fn carry_table<R: Row>(&mut self) -> Result<(), CopyError> {
        let mut after = R::last_key(self.to).map_err(CopyError::Target)?;
        let there = R::count(self.to).map_err(CopyError::Target)?;
        self.count("copying", usize::try_from(there).unwrap_or(0));
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
