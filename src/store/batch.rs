//! How jobs are run: on SQLite those of a batch in one transaction, on PostgreSQL each in its own.

use std::time::Duration;

use diesel::connection::SimpleConnection;

use super::availability::Availability;
use super::connection::{Database, DatabaseConnection};
use super::error::StoreError;
use super::job::{End, Job, Ran};
use super::pool::ANSWER_LIMIT;
use super::worker::Turn;

/// How many connections a job is tried on.
const CONNECTIONS_TRIED: usize = 2;
/// How long it may take to connect: libpq gives up by itself before that, unless the URL says otherwise.
pub const CONNECT_LIMIT: Duration = Duration::from_secs(30);

/// A writer's connection, which is kept from one batch to the next.
pub struct Connections<'a> {
    /// Where the database is.
    pub database: &'a Database,
    /// Whether it is there.
    pub availability: &'a Availability,
    /// The turn of the writer.
    pub turn: &'a Turn,
    /// The connection that is kept, and the epoch in which it was opened.
    pub kept: Option<(u64, DatabaseConnection)>,
}

impl Connections<'_> {
    /// The connection that was kept, if it is of this epoch, or a new one; and the epoch.
    fn take(&mut self) -> Result<(u64, DatabaseConnection), StoreError> {
        let epoch = self.availability.epoch();
        let kept = self
            .kept
            .take()
            .filter(|(opened_in, _)| *opened_in == epoch);
        if let Some(kept) = kept {
            return Ok(kept);
        }
        let connection = self.turn.call(CONNECT_LIMIT, || self.database.connect())?;
        Ok((epoch, connection))
    }
}

/// Runs jobs in one transaction, each in a savepoint of its own. A connection that could not be brought back to a clean state is not kept.
pub fn run_together(connections: &mut Connections<'_>, batch: &mut [Box<dyn Job>]) -> End {
    let (epoch, mut opened) = match connections.take() {
        Ok(taken) => taken,
        Err(error) => return End::NotCommitted(error),
    };
    let committed = commit_together(&mut opened, batch);
    let clean = committed.is_ok() || opened.batch_execute("ROLLBACK").is_ok();
    connections.kept = clean.then_some((epoch, opened));
    committed.map_or_else(End::NotCommitted, |()| End::Settled)
}

fn commit_together(
    connection: &mut DatabaseConnection,
    batch: &mut [Box<dyn Job>],
) -> Result<(), StoreError> {
    // Taking the write lock at once: a deferred transaction that reads first may fail when it comes to write.
    connection.batch_execute("BEGIN IMMEDIATE")?;
    for job in batch {
        connection.batch_execute("SAVEPOINT job")?;
        match job.run(connection) {
            Ran::Well if job.is_awaited() => connection.batch_execute("RELEASE job")?,
            // Who was told meanwhile that the database is not there does not find later that it was done after all.
            Ran::Well | Ran::Failed | Ran::Lost => {
                connection.batch_execute("ROLLBACK TO job; RELEASE job")?;
            }
        }
    }
    connection.batch_execute("COMMIT")?;
    Ok(())
}

/// Runs a job in a transaction of its own. A connection that was lost is replaced, and the job is done again as a whole, as long as no
/// commit was sent and somebody waits for it.
pub fn run_alone(connections: &mut Connections<'_>, job: &mut dyn Job) -> End {
    for _ in 0..CONNECTIONS_TRIED {
        let Ok((epoch, mut opened)) = connections.take() else {
            return End::Lost;
        };
        let turn = connections.turn;
        let (end, clean) = turn.call(ANSWER_LIMIT, || commit_alone(&mut opened, job, turn));
        connections.kept = clean.then_some((epoch, opened));
        if !matches!(end, End::Lost) || turn.is_left() || !job.is_awaited() {
            return end;
        }
    }
    End::Lost
}

/// Runs a job in a transaction. Returns what became of it, and whether the connection can be used further.
fn commit_alone(
    connection: &mut DatabaseConnection,
    job: &mut dyn Job,
    turn: &Turn,
) -> (End, bool) {
    if connection.batch_execute("BEGIN").is_err() {
        return (End::Lost, false);
    }
    match job.run(connection) {
        // Who was told meanwhile that the database is not there does not find later that it was done after all.
        Ran::Well if turn.is_left() || !job.is_awaited() => {
            (End::Lost, connection.batch_execute("ROLLBACK").is_ok())
        }
        Ran::Well => match connection.batch_execute("COMMIT") {
            Ok(()) => (End::SettledAndTold, true),
            Err(_error) => (End::NotCommitted(StoreError::Unavailable), false),
        },
        Ran::Failed => match connection.batch_execute("ROLLBACK") {
            Ok(()) => (End::SettledAndTold, true),
            Err(_error) => (End::Lost, false),
        },
        Ran::Lost => (End::Lost, false),
    }
}
