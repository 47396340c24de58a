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
use tokio::time::timeout;

use super::change;
use super::connection::{Database, DatabaseConnection};
use super::error::{Cause, JobError, StoreError};
use super::listener::{Listener, ListenerHandle};
use super::pool::ANSWER_LIMIT;
use crate::types::change::{CredentialChange, Told};

/// How many jobs wait at most; more are refused at once.
pub const QUEUE_LIMIT_JOBS: usize = 1_024;
/// How many jobs share a commit at most.
const SQLITE_BATCH_LIMIT_JOBS: usize = 64;
/// How many writer connections a server gets.
const POSTGRES_WRITERS: usize = 4;

/// How many connections a job is tried on.
const CONNECTIONS_TRIED: usize = 2;

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
    listener: Option<Listener>,
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
        if let Some(listener) = self.listener {
            listener.stop();
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
        let (writers, listener) = match database {
            Database::Sqlite(_) => (1, None),
            Database::Postgres(url) => (
                POSTGRES_WRITERS,
                Some(Listener::start(url, changes.clone())?),
            ),
        };
        let threads: Result<Vec<_>, StoreError> = (0..writers)
            .map(|_| {
                let listener = listener.as_ref().map(Listener::handle);
                start_thread(
                    database.clone(),
                    messages.clone(),
                    changes.clone(),
                    listener,
                )
            })
            .collect();
        let ends = WriterThreads {
            threads: threads?,
            queue: queue.clone(),
            listener,
        };
        Ok((Self { queue, changes }, ends))
    }

    /// Follows the changes from now on.
    pub fn follow(&self) -> broadcast::Receiver<Told> {
        self.changes.subscribe()
    }

    /// Runs `work` in a transaction and answers when it is durable. An error of `work` undoes what it did, and nothing else.
    /// The changes that it returns are told to those who follow them after the commit, and before this answers.
    ///
    /// # Errors
    /// [`StoreError::Overloaded`] when the queue is full, [`StoreError::Unavailable`] when the transaction cannot begin or
    /// commit, and what `work` returns.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: Fn(&mut DatabaseConnection) -> Result<(T, Vec<CredentialChange>), E> + Send + 'static,
        T: Send + 'static,
        E: JobError + 'static,
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
        match timeout(ANSWER_LIMIT, answered).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_dropped)) => Err(StoreError::Unavailable.into()),
            Err(_elapsed) => Err(StoreError::Unavailable.into()),
        }
    }
}

/// A job in the queue.
trait Job: Send {
    /// Whether somebody still waits for the answer.
    fn is_awaited(&self) -> bool;
    /// Whether its work changed what others follow.
    fn has_changes(&self) -> bool;
    /// Does the work, and says what is to become of it.
    fn run(&mut self, connection: &mut DatabaseConnection) -> Ran;
    /// Tells those who follow what changed, then the one who waits what the work returned, or that the commit failed.
    fn answer(self: Box<Self>, end: End, changes: &broadcast::Sender<Told>);
}

/// How a job's work went.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ran {
    /// It is to be kept.
    Well,
    /// It failed, and is to be undone.
    Failed,
    /// The database cannot be reached or written.
    Lost,
}

/// What became of a job's work.
#[derive(Clone, Copy)]
enum End {
    /// It is durable, or it failed by itself.
    Settled,
    /// It is durable, or it failed by itself; the database tells of what changed.
    SettledAndTold,
    /// The transaction could not be committed: nobody knows what became of it.
    NotCommitted(StoreError),
    /// The connection was lost before the commit: nothing of it stays.
    Lost,
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
    E: JobError,
{
    fn is_awaited(&self) -> bool {
        !self.answer.is_closed()
    }

    fn has_changes(&self) -> bool {
        matches!(&self.outcome, Some(Ok((_, changes))) if !changes.is_empty())
    }

    fn run(&mut self, connection: &mut DatabaseConnection) -> Ran {
        let outcome: Result<_, E> = catch_unwind(AssertUnwindSafe(|| {
            let (value, changed) = (self.work)(connection)?;
            if let DatabaseConnection::Postgres(postgres) = connection {
                change::notify(postgres, &changed)?;
            }
            Ok((value, changed))
        }))
        .unwrap_or_else(|_panic| Err(StoreError::Internal(Cause("a panic in a job")).into()));
        let ran = match &outcome {
            Ok(_) => Ran::Well,
            Err(error) if error.is_outage() => Ran::Lost,
            Err(_) => Ran::Failed,
        };
        self.outcome = Some(outcome);
        ran
    }

    fn answer(self: Box<Self>, end: End, changes: &broadcast::Sender<Told>) {
        let outcome = match (self.outcome, end) {
            (_, End::Lost) => Err(StoreError::Unavailable.into()),
            // What failed by itself failed whether or not the others were committed.
            (Some(Err(error)), _) => Err(error),
            (Some(Ok((value, _told))), End::SettledAndTold) => Ok(value),
            (outcome, End::NotCommitted(error)) => {
                // A commit that failed may have come so far that its changes are there after all.
                if outcome.is_some_and(|kept| kept.is_ok_and(|(_, changed)| !changed.is_empty())) {
                    let _followers = changes.send(Told::Missed);
                }
                Err(error.into())
            }
            (Some(Ok((value, changed))), End::Settled) => {
                for change in changed {
                    // Nobody follows: then nobody is told.
                    let _followers = changes.send(Told::Change(change));
                }
                Ok(value)
            }
            (None, End::Settled | End::SettledAndTold) => {
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
    listener: Option<ListenerHandle>,
) -> Result<JoinHandle<()>, StoreError> {
    let mut connection = Some(database.connect()?);
    let batch_limit = match &database {
        Database::Sqlite(_) => SQLITE_BATCH_LIMIT_JOBS,
        Database::Postgres(_) => 1,
    };
    std::thread::Builder::new()
        .name("writer".to_owned())
        .spawn(move || {
            while let Ok(Message::Job(first)) = messages.recv() {
                let (batch, stop) = take_batch(first, &messages, batch_limit);
                run_batch(
                    &database,
                    &mut connection,
                    batch,
                    &changes,
                    listener.as_ref(),
                );
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
    listener: Option<&ListenerHandle>,
) {
    // Who was told that the database cannot be reached, or went away, is not to find later that it was done after all.
    batch.retain(|job| job.is_awaited());
    if batch.is_empty() {
        return;
    }
    let end = match database {
        Database::Sqlite(_) => run_together(database, connection, &mut batch),
        Database::Postgres(_) => run_alone(database, connection, &mut batch),
    };
    let is_told_elsewhere = matches!(end, End::SettledAndTold);
    if let Some(listener) =
        listener.filter(|_| is_told_elsewhere && batch.iter().any(|job| job.has_changes()))
    {
        listener.wait_until_told();
    }
    for job in batch {
        job.answer(end, changes);
    }
}

/// Runs jobs in one transaction, each in a savepoint of its own.
fn run_together(
    database: &Database,
    connection: &mut Option<DatabaseConnection>,
    batch: &mut [Box<dyn Job>],
) -> End {
    let mut opened = match connection.take().map_or_else(|| database.connect(), Ok) {
        Ok(opened) => opened,
        Err(error) => return End::NotCommitted(error),
    };
    let committed = commit_together(&mut opened, batch);
    let clean = committed.is_ok() || opened.batch_execute("ROLLBACK").is_ok();
    *connection = clean.then_some(opened);
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
            Ran::Well => connection.batch_execute("RELEASE job")?,
            Ran::Failed | Ran::Lost => connection.batch_execute("ROLLBACK TO job; RELEASE job")?,
        }
    }
    connection.batch_execute("COMMIT")?;
    Ok(())
}

/// Runs the one job of a batch in a transaction of its own. A connection that was lost is replaced, and the job is done again as a whole,
/// as long as no commit was sent.
fn run_alone(
    database: &Database,
    connection: &mut Option<DatabaseConnection>,
    batch: &mut [Box<dyn Job>],
) -> End {
    let [job] = batch else {
        return End::Lost;
    };
    for _ in 0..CONNECTIONS_TRIED {
        let Ok(mut opened) = connection.take().map_or_else(|| database.connect(), Ok) else {
            return End::Lost;
        };
        let (end, clean) = commit_alone(&mut opened, job.as_mut());
        *connection = clean.then_some(opened);
        if !matches!(end, End::Lost) {
            return end;
        }
    }
    End::Lost
}

/// Runs a job in a transaction. Returns what became of it, and whether the connection can be used further.
fn commit_alone(connection: &mut DatabaseConnection, job: &mut dyn Job) -> (End, bool) {
    if connection.batch_execute("BEGIN").is_err() {
        return (End::Lost, false);
    }
    match job.run(connection) {
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
