//! How jobs are run: on SQLite those of a batch in one transaction, on PostgreSQL each in its own.

use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use diesel::connection::SimpleConnection;

use super::audit_chain::{Chain, ChainOwner, tell_broken};
use super::availability::Availability;
use super::connection::{Database, DatabaseConnection};
use super::error::StoreError;
use super::job::{End, Job, Ran};
use super::pool::ANSWER_LIMIT;
use super::worker::Turn;
use crate::types::audit::Signer;

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
    /// What authenticates the audit log.
    pub signer: &'a Signer,
    /// The generation of the keyring.
    pub generation: &'a AtomicI32,
    /// The connection that is kept.
    pub kept: Option<Opened>,
    /// Whether the chain that was to be taken last does not end where it ended: that is said once.
    pub is_broken: bool,
}

/// A connection, and the chain of the audit log that it writes.
pub struct Opened {
    /// The epoch in which it was opened.
    epoch: u64,
    connection: DatabaseConnection,
    chain: Chain,
}

impl Connections<'_> {
    /// The connection that was kept, if it is of this epoch, or a new one.
    fn take(&mut self) -> Result<Opened, StoreError> {
        let epoch = self.availability.epoch();
        let kept = self.kept.take().filter(|kept| kept.epoch == epoch);
        if let Some(kept) = kept {
            return Ok(kept);
        }
        let opened = self.turn.call(CONNECT_LIMIT, || {
            let mut connection = self.database.connect()?;
            let chain = Chain::open(&mut connection, ChainOwner::Server, self.signer)?;
            connection.wait_by_itself()?;
            Ok(Opened {
                epoch,
                connection,
                chain,
            })
        });
        self.without_broken(opened)
    }

    /// Nothing is written to a chain that does not end where it ended: that is said once.
    fn without_broken(&mut self, opened: Result<Opened, StoreError>) -> Result<Opened, StoreError> {
        let Err(StoreError::ChainBroken(chain)) = opened else {
            self.is_broken = false;
            return opened;
        };
        if !self.is_broken {
            tell_broken(chain);
        }
        self.is_broken = true;
        Err(StoreError::Unavailable)
    }
}

/// Runs jobs in one transaction, each in a savepoint of its own. A connection that failed to commit is not kept.
pub fn run_together(connections: &mut Connections<'_>, batch: &mut [Box<dyn Job>]) -> End {
    let mut opened = match connections.take() {
        Ok(taken) => taken,
        Err(error) => return End::NotCommitted(error),
    };
    let generation = connections.generation.load(Ordering::Relaxed);
    let committed = commit_together(&mut opened, batch, generation);
    // Where the chain ends is known only as long as every transaction is committed.
    connections.kept = committed.is_ok().then_some(opened);
    committed.map_or_else(End::NotCommitted, |()| End::Settled)
}

fn commit_together(
    opened: &mut Opened,
    batch: &mut [Box<dyn Job>],
    generation: i32,
) -> Result<(), StoreError> {
    let Opened {
        connection, chain, ..
    } = opened;
    let before = chain.end();
    connection.begin_writing()?;
    for job in batch {
        connection.batch_execute("SAVEPOINT job")?;
        let mut longer = chain.clone();
        match job.run(connection, &mut longer) {
            Ran::Well if job.is_awaited() => {
                connection.batch_execute("RELEASE job")?;
                *chain = longer;
            }
            // Who was told meanwhile that the database is not there does not find later that it was done after all.
            Ran::Well => {
                connection.batch_execute("ROLLBACK TO job; RELEASE job")?;
                job.undo();
            }
            Ran::Failed | Ran::Lost => {
                connection.batch_execute("ROLLBACK TO job; RELEASE job")?;
            }
        }
    }
    if chain.end() != before {
        chain.note_generation(generation);
        chain.write_end(connection)?;
    }
    connection.batch_execute("COMMIT")?;
    Ok(())
}

/// Runs a job in a transaction of its own. A connection that was lost is replaced, and the job is done again as a whole, as long as no
/// commit was sent and somebody waits for it.
pub fn run_alone(connections: &mut Connections<'_>, job: &mut dyn Job) -> End {
    for _ in 0..CONNECTIONS_TRIED {
        let Ok(mut opened) = connections.take() else {
            return End::Lost;
        };
        let turn = connections.turn;
        opened
            .chain
            .note_generation(connections.generation.load(Ordering::Relaxed));
        let (end, clean) = turn.call(ANSWER_LIMIT, || commit_alone(&mut opened, job, turn));
        connections.kept = clean.then_some(opened);
        if !matches!(end, End::Lost) || turn.is_left() || !job.is_awaited() {
            return end;
        }
    }
    End::Lost
}

/// Runs a job in a transaction. Returns what became of it, and whether the connection can be used further.
fn commit_alone(opened: &mut Opened, job: &mut dyn Job, turn: &Turn) -> (End, bool) {
    let Opened {
        connection, chain, ..
    } = opened;
    if connection.batch_execute("BEGIN").is_err() {
        return (End::Lost, false);
    }
    let mut longer = chain.clone();
    match job.run(connection, &mut longer) {
        // Who was told meanwhile that the database is not there does not find later that it was done after all.
        Ran::Well if turn.is_left() || !job.is_awaited() => {
            (End::Lost, connection.batch_execute("ROLLBACK").is_ok())
        }
        Ran::Well => match connection.batch_execute(&commit_statement(chain, &longer)) {
            Ok(()) => {
                *chain = longer;
                (End::SettledAndTold, true)
            }
            Err(_error) => (End::NotCommitted(StoreError::Unavailable), false),
        },
        Ran::Failed => match connection.batch_execute("ROLLBACK") {
            Ok(()) => (End::Undone, true),
            Err(_error) => (End::Lost, false),
        },
        Ran::Lost => (End::Lost, false),
    }
}

/// What commits, after it has written where the chain ends, if that has changed.
fn commit_statement(before: &Chain, after: &Chain) -> String {
    if before.end() == after.end() {
        return "COMMIT".to_owned();
    }
    format!("{}; COMMIT", after.postgres_end_statement())
}
