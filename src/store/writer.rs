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
use tokio::sync::{broadcast, oneshot};

use super::connection::{Database, DatabaseConnection};
use super::error::{Cause, StoreError};
use crate::types::change::{CredentialChange, Told};

/// How many jobs wait at most; more are refused at once.
pub const QUEUE_LIMIT_JOBS: usize = 1_024;
/// How many jobs share a commit at most.
const SQLITE_BATCH_LIMIT_JOBS: usize = 64;
/// How many writer connections a server gets.
const POSTGRES_WRITERS: usize = 4;

/// How many changes are kept for those who follow them; who is slower than that misses some, and is told so.
const CHANGES_KEPT: usize = 1_024;

/// What goes through the queue.
enum Message {
    Job(Box<dyn Job>),
    /// The thread that takes it ends.
    Stop,
}

/// Hands jobs to the writers of a database. Its clones hand to the same ones.
#[derive(Clone)]
pub struct Writer {
    queue: Sender<Message>,
    changes: broadcast::Sender<Told>,
}

/// The threads of the writers, to bring them to their end.
pub struct WriterThreads {
    threads: Vec<JoinHandle<()>>,
    queue: Sender<Message>,
}

impl WriterThreads {
    /// Waits until every job that is queued by now has been answered. Later ones are refused.
    pub fn stop(self) {
        for _ in &self.threads {
            // It fails when the writers have ended already.
            let _stopping = self.queue.send(Message::Stop);
        }
        for thread in self.threads {
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
        let (queue, messages) = crossbeam_channel::bounded(QUEUE_LIMIT_JOBS);
        let (changes, _nobody_yet) = broadcast::channel(CHANGES_KEPT);
        let (writers, batch_limit) = match database {
            Database::Sqlite(_) => (1, SQLITE_BATCH_LIMIT_JOBS),
            Database::Postgres(_) => (POSTGRES_WRITERS, 1),
        };
        let threads: Result<Vec<_>, StoreError> = (0..writers)
            .map(|_| {
                start_thread(
                    database.clone(),
                    messages.clone(),
                    changes.clone(),
                    batch_limit,
                )
            })
            .collect();
        let ends = WriterThreads {
            threads: threads?,
            queue: queue.clone(),
        };
        Ok((Self { queue, changes }, ends))
    }

    /// Follows the changes from now on.
    pub fn follow(&self) -> broadcast::Receiver<Told> {
        self.changes.subscribe()
    }

    /// Runs `work` in a transaction and answers when it is durable. An error of `work` undoes what it did, and nothing else.
    /// The changes that it returns are told to those who follow them after the commit: in the order of the jobs when there is one writer.
    ///
    /// # Errors
    /// [`StoreError::Overloaded`] when the queue is full, [`StoreError::Unavailable`] when the transaction cannot begin or
    /// commit, and what `work` returns.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: Fn(&mut DatabaseConnection) -> Result<(T, Vec<CredentialChange>), E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job = Box::new(WaitingJob {
            work,
            outcome: None,
            answer,
        });
        match self.queue.try_send(Message::Job(job)) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err(StoreError::Overloaded.into()),
            Err(TrySendError::Disconnected(_)) => return Err(StoreError::Unavailable.into()),
        }
        answered
            .await
            .unwrap_or_else(|_dropped| Err(StoreError::Unavailable.into()))
    }
}

/// A job in the queue.
trait Job: Send {
    /// Does the work, and says whether it is to be kept.
    fn run(&mut self, connection: &mut DatabaseConnection) -> Keep;
    /// Tells those who follow what changed, then the one who waits what the work returned, or that the commit failed.
    fn answer(
        self: Box<Self>,
        committed: Result<(), StoreError>,
        changes: &broadcast::Sender<Told>,
    );
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    Yes,
    No,
}

struct WaitingJob<F, T, E> {
    work: F,
    outcome: Option<Result<(T, Vec<CredentialChange>), E>>,
    answer: oneshot::Sender<Result<T, E>>,
}

impl<F, T, E> Job for WaitingJob<F, T, E>
where
    F: Fn(&mut DatabaseConnection) -> Result<(T, Vec<CredentialChange>), E> + Send,
    T: Send,
    E: From<StoreError> + Send,
{
    fn run(&mut self, connection: &mut DatabaseConnection) -> Keep {
        let outcome = catch_unwind(AssertUnwindSafe(|| (self.work)(connection)))
            .unwrap_or_else(|_panic| Err(StoreError::Internal(Cause("a panic in a job")).into()));
        let keep = if outcome.is_ok() { Keep::Yes } else { Keep::No };
        self.outcome = Some(outcome);
        keep
    }

    fn answer(
        self: Box<Self>,
        committed: Result<(), StoreError>,
        changes: &broadcast::Sender<Told>,
    ) {
        let outcome = match (self.outcome, committed) {
            // What failed by itself failed whether or not the others were committed.
            (Some(Err(error)), _) => Err(error),
            (outcome, Err(error)) => {
                // A commit that failed may have come so far that its changes are there after all.
                if outcome.is_some_and(|kept| kept.is_ok_and(|(_, changed)| !changed.is_empty())) {
                    let _followers = changes.send(Told::Missed);
                }
                Err(error.into())
            }
            (Some(Ok((value, changed))), Ok(())) => {
                for change in changed {
                    // Nobody follows: then nobody is told.
                    let _followers = changes.send(Told::Change(change));
                }
                Ok(value)
            }
            (None, Ok(())) => {
                Err(StoreError::Internal(Cause("a job that was committed but never run")).into())
            }
        };
        // Nobody listens any more when the client has gone: what was done stays done.
        let _listening = self.answer.send(outcome);
    }
}

fn start_thread(
    database: Database,
    messages: Receiver<Message>,
    changes: broadcast::Sender<Told>,
    batch_limit: usize,
) -> Result<JoinHandle<()>, StoreError> {
    let mut connection = Some(database.connect()?);
    std::thread::Builder::new()
        .name("writer".to_owned())
        .spawn(move || {
            while let Ok(Message::Job(first)) = messages.recv() {
                let (batch, stop) = take_batch(first, &messages, batch_limit);
                run_batch(&database, &mut connection, batch, &changes);
                if stop {
                    break;
                }
            }
        })
        .map_err(|_no_thread| StoreError::Internal(Cause("no thread for a writer")))
}

/// The first job and what waits behind it, and whether the thread is to end after that.
fn take_batch(
    first: Box<dyn Job>,
    messages: &Receiver<Message>,
    limit: usize,
) -> (Vec<Box<dyn Job>>, bool) {
    let mut batch = vec![first];
    while batch.len() < limit {
        match messages.try_recv() {
            Ok(Message::Job(job)) => batch.push(job),
            Ok(Message::Stop) => return (batch, true),
            Err(_empty) => break,
        }
    }
    (batch, false)
}

/// Runs a batch. A connection that could not be brought back to a clean state is replaced before the next one.
fn run_batch(
    database: &Database,
    connection: &mut Option<DatabaseConnection>,
    mut batch: Vec<Box<dyn Job>>,
    changes: &broadcast::Sender<Told>,
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
        job.answer(committed, changes);
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
