//! Writes. On SQLite there is one writer: it takes what waits, runs it in one transaction, each job in a savepoint of its
//! own, commits once, and answers all of them after that. A disk that syncs 4,000 times a second so carries many more
//! durable jobs than that.
//!
//! A job is a function that may run more than once, as a whole; its answer is sent only when its work is durable. On
//! PostgreSQL, which groups commits itself, a few writers take jobs from the same queue, one a transaction.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, TrySendError};
use diesel::connection::SimpleConnection;
use tokio::sync::oneshot;

use super::connection::{Database, DatabaseConnection};
use super::error::StoreError;

/// How many jobs wait at most; more are refused at once.
pub const QUEUE_LIMIT_JOBS: usize = 1_024;
/// How many jobs share a commit at most.
const SQLITE_BATCH_LIMIT_JOBS: usize = 64;
/// How many writer connections a server gets.
const POSTGRES_WRITERS: usize = 4;

/// Hands jobs to the writers of a database. Its clones hand to the same ones.
#[derive(Clone)]
pub struct Writer {
    queue: Sender<Box<dyn Job>>,
}

/// The threads of the writers, to wait for their end.
pub struct WriterThreads(Vec<JoinHandle<()>>);

impl WriterThreads {
    /// Waits until every queued job has been answered. Returns once the last [`Writer`] is dropped.
    pub fn join(self) {
        for thread in self.0 {
            // A writer catches what jobs panic with; if it ended otherwise, there is nothing left to wait for.
            let _ended = thread.join();
        }
    }
}

impl Writer {
    /// Starts the writers of a database.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be opened, [`StoreError::Internal`] when no thread can be had.
    pub fn start(database: &Database) -> Result<(Self, WriterThreads), StoreError> {
        let (queue, jobs) = crossbeam_channel::bounded(QUEUE_LIMIT_JOBS);
        let (writers, batch_limit) = match database {
            Database::Sqlite(_) => (1, SQLITE_BATCH_LIMIT_JOBS),
            Database::Postgres(_) => (POSTGRES_WRITERS, 1),
        };
        let threads: Result<Vec<_>, StoreError> = (0..writers)
            .map(|_| start_thread(database.clone(), jobs.clone(), batch_limit))
            .collect();
        Ok((Self { queue }, WriterThreads(threads?)))
    }

    /// Runs `work` in a transaction and answers when it is durable. An error of `work` undoes what it did, and nothing else.
    ///
    /// # Errors
    /// [`StoreError::Overloaded`] when the queue is full, [`StoreError::Unavailable`] when the transaction cannot begin or
    /// commit, and what `work` returns.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: Fn(&mut DatabaseConnection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job = Box::new(WaitingJob {
            work,
            outcome: None,
            answer,
        });
        match self.queue.try_send(job) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err(StoreError::Overloaded.into()),
            Err(TrySendError::Disconnected(_)) => return Err(StoreError::Unavailable.into()),
        }
        answered
            .await
            .unwrap_or_else(|_dropped| Err(StoreError::Internal.into()))
    }
}

/// A job in the queue.
trait Job: Send {
    /// Does the work, and says whether it is to be kept.
    fn run(&mut self, connection: &mut DatabaseConnection) -> Keep;
    /// Tells the one who waits: what the work returned, or that the commit failed.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    Yes,
    No,
}

struct WaitingJob<F, T, E> {
    work: F,
    outcome: Option<Result<T, E>>,
    answer: oneshot::Sender<Result<T, E>>,
}

impl<F, T, E> Job for WaitingJob<F, T, E>
where
    F: Fn(&mut DatabaseConnection) -> Result<T, E> + Send,
    T: Send,
    E: From<StoreError> + Send,
{
    fn run(&mut self, connection: &mut DatabaseConnection) -> Keep {
        let outcome = catch_unwind(AssertUnwindSafe(|| (self.work)(connection)))
            .unwrap_or_else(|_panic| Err(StoreError::Internal.into()));
        let keep = if outcome.is_ok() { Keep::Yes } else { Keep::No };
        self.outcome = Some(outcome);
        keep
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let outcome = match (self.outcome, committed) {
            // What failed by itself failed whether or not the others were committed.
            (Some(Err(error)), _) => Err(error),
            (_, Err(error)) => Err(error.into()),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (None, Ok(())) => Err(StoreError::Internal.into()),
        };
        // Nobody listens any more when the client has gone: what was done stays done.
        let _listening = self.answer.send(outcome);
    }
}

fn start_thread(
    database: Database,
    jobs: Receiver<Box<dyn Job>>,
    batch_limit: usize,
) -> Result<JoinHandle<()>, StoreError> {
    let mut connection = Some(database.connect()?);
    std::thread::Builder::new()
        .name("writer".to_owned())
        .spawn(move || {
            while let Ok(first) = jobs.recv() {
                let mut batch = vec![first];
                batch.extend(jobs.try_iter().take(batch_limit - 1));
                run_batch(&database, &mut connection, batch);
            }
        })
        .map_err(|_no_thread| StoreError::Internal)
}

/// Runs a batch. A connection that could not be brought back to a clean state is replaced before the next one.
fn run_batch(
    database: &Database,
    connection: &mut Option<DatabaseConnection>,
    mut batch: Vec<Box<dyn Job>>,
) {
    let committed = match connection.take().map_or_else(|| database.connect(), Ok) {
        Ok(mut opened) => {
            let committed = commit_batch(&mut opened, &mut batch);
            let clean = committed.is_ok() || opened.batch_execute("ROLLBACK").is_ok();
            *connection = clean.then_some(opened);
            committed
        }
        Err(error) => Err(error),
    };
    for job in batch {
        job.answer(committed);
    }
}

fn commit_batch(
    connection: &mut DatabaseConnection,
    batch: &mut [Box<dyn Job>],
) -> Result<(), StoreError> {
    let begin = match connection {
        // Taking the write lock at once: a deferred transaction that reads first may fail when it comes to write.
        DatabaseConnection::Sqlite(_) => "BEGIN IMMEDIATE",
        DatabaseConnection::Postgres(_) => "BEGIN",
    };
    connection.batch_execute(begin)?;
    for job in batch {
        connection.batch_execute("SAVEPOINT job")?;
        match job.run(connection) {
            Keep::Yes => connection.batch_execute("RELEASE job")?,
            Keep::No => connection.batch_execute("ROLLBACK TO job; RELEASE job")?,
        }
    }
    connection.batch_execute("COMMIT")?;
    Ok(())
}
