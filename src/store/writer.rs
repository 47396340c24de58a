//! Writes. On SQLite there is one writer: it takes what waits, runs it in one transaction, each job in a savepoint of its
//! own, commits once, and answers all of them after that. A disk that syncs 4,000 times a second so carries many more
//! durable jobs than that.
//!
//! A job is a function that may run more than once, as a whole; its answer is sent only when its work is durable. On
//! PostgreSQL, which groups commits itself, a few writers take jobs from the same queue, one a transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError};
use tokio::sync::broadcast;
use tokio::time::timeout;

use super::availability::Availability;
use super::batch::{Connections, run_alone, run_together};
use super::connection::{Database, DatabaseConnection};
use super::error::{JobError, StoreError};
use super::job::{End, Job, WaitingJob, Written};
use super::listener::{Listener, ListenerHandle};
use super::pool::ANSWER_LIMIT;
use super::worker::{Turn, Workers};
use crate::metrics::Metrics;
use crate::types::audit::Signer;
use crate::types::change::Told;

/// How many jobs wait at most; more are refused at once.
pub const QUEUE_LIMIT_JOBS: usize = 1_024;
/// How many jobs share a commit at most.
const SQLITE_BATCH_LIMIT_JOBS: usize = 64;
/// How many writer connections a server gets.
const POSTGRES_WRITERS: usize = 4;
/// How many changes are kept for those who follow them; who is slower than that misses some, and is told so.
const CHANGES_KEPT: usize = 1_024;
/// How long the end waits for jobs that have begun.
const END_LIMIT: Duration = Duration::from_secs(4);

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
    availability: Availability,
    generation: Arc<AtomicI32>,
    metrics: Arc<Metrics>,
}

/// The threads of the writers, to bring them to their end.
pub struct WriterThreads {
    workers: Workers,
    count: usize,
    queue: Sender<Message>,
    listener: Option<Listener>,
}

impl WriterThreads {
    /// Waits until every job that is queued by now has been answered, or the database does not answer. Later ones are refused.
    pub fn stop(self) {
        for _ in 0..self.count {
            // It fails when the writers have ended already.
            let _stopping = self.queue.send_timeout(Message::Stop, END_LIMIT);
        }
        self.workers.wait(END_LIMIT);
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
    pub fn start(
        database: &Database,
        availability: &Availability,
        signer: &Signer,
        metrics: &Arc<Metrics>,
    ) -> Result<(Self, WriterThreads), StoreError> {
        let (queue, messages) = crossbeam_channel::bounded(QUEUE_LIMIT_JOBS);
        let (changes, _nobody_yet) = broadcast::channel(CHANGES_KEPT);
        // What keeps the writers from working is found now, and not by the first job.
        drop(database.connect()?);
        let (count, listener) = match database {
            Database::Sqlite(_) => (1, None),
            Database::Postgres(url) => {
                let listener = Listener::start(url, changes.clone(), availability)?;
                (POSTGRES_WRITERS, Some(listener))
            }
        };
        let generation = Arc::new(AtomicI32::new(0));
        let writing = Writing {
            database: database.clone(),
            messages,
            changes: changes.clone(),
            availability: availability.clone(),
            listener: listener.as_ref().map(Listener::handle),
            signer: Arc::clone(signer),
            generation: Arc::clone(&generation),
            metrics: Arc::clone(metrics),
        };
        // A commit may hang while all else goes on, when it waits for a standby: other connections are not left for that.
        let workers = Workers::start(
            "writer",
            count,
            Arc::new(move |turn: &Turn| writing.write(turn)),
            || {},
        )?;
        let ends = WriterThreads {
            workers,
            count,
            queue: queue.clone(),
            listener,
        };
        let writer = Self {
            queue,
            changes,
            availability: availability.clone(),
            generation,
            metrics: Arc::clone(metrics),
        };
        Ok((writer, ends))
    }

    /// Notes which generation of the keyring there is.
    pub fn note_generation(&self, generation: i32) {
        self.generation.fetch_max(generation, Ordering::Relaxed);
    }

    /// Notes how many jobs wait now.
    pub fn observe(&self) {
        self.metrics.database.set_queued_jobs(self.queue.len());
    }

    /// Follows the changes from now on.
    pub fn follow(&self) -> broadcast::Receiver<Told> {
        self.changes.subscribe()
    }

    /// Runs `work` in a transaction and answers when it is durable. An error of `work` undoes what it did, and nothing else.
    /// What it returns beside its answer is added to the audit log, and told to those who follow changes, as [`super::Store::write_changes`] has it.
    ///
    /// # Errors
    /// [`StoreError::Overloaded`] when the queue is full, [`StoreError::Unavailable`] when the transaction cannot begin or
    /// commit, and what `work` returns.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: Fn(&mut DatabaseConnection) -> Result<Written<T>, E> + Send + 'static,
        T: Send + 'static,
        E: JobError + 'static,
    {
        if self.availability.is_lost() {
            return Err(StoreError::Unavailable.into());
        }
        let (job, answered) = WaitingJob::new(work);
        match self.queue.try_send(Message::Job(Box::new(job))) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                self.metrics.database.count_refused_job();
                return Err(StoreError::Overloaded.into());
            }
            Err(TrySendError::Disconnected(_)) => return Err(StoreError::Unavailable.into()),
        }
        match timeout(ANSWER_LIMIT, answered).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_dropped)) => Err(StoreError::Unavailable.into()),
            Err(_elapsed) => Err(StoreError::Unavailable.into()),
        }
    }
}

/// What a writer needs.
struct Writing {
    database: Database,
    messages: Receiver<Message>,
    changes: broadcast::Sender<Told>,
    availability: Availability,
    listener: Option<ListenerHandle>,
    signer: Signer,
    generation: Arc<AtomicI32>,
    metrics: Arc<Metrics>,
}

impl Writing {
    /// Runs what comes, until it is told to end.
    fn write(&self, turn: &Turn) {
        let mut connections = Connections {
            database: &self.database,
            availability: &self.availability,
            turn,
            signer: &self.signer,
            generation: &self.generation,
            kept: None,
            is_broken: false,
        };
        while let Ok(Message::Job(first)) = self.messages.recv() {
            let (batch, stop) = self.take_batch(first);
            self.run_batch(&mut connections, batch);
            if stop || turn.is_left() {
                break;
            }
        }
    }

    /// The first job and what waits behind it, and whether the thread is to end after that.
    fn take_batch(&self, first: Box<dyn Job>) -> (Vec<Box<dyn Job>>, bool) {
        let limit = match &self.database {
            Database::Sqlite(_) => SQLITE_BATCH_LIMIT_JOBS,
            Database::Postgres(_) => 1,
        };
        let mut batch = vec![first];
        while batch.len() < limit {
            match self.messages.try_recv() {
                Ok(Message::Job(job)) => batch.push(job),
                Ok(Message::Stop) => return (batch, true),
                Err(_empty) => break,
            }
        }
        (batch, false)
    }

    fn run_batch(&self, connections: &mut Connections<'_>, mut batch: Vec<Box<dyn Job>>) {
        // Who was told that the database cannot be reached, or went away, is not to find later that it was done after all.
        batch.retain(|job| job.is_awaited());
        let began_at = Instant::now();
        let end = match (&self.database, batch.as_mut_slice()) {
            (_, []) => return,
            (Database::Postgres(_), [job]) => run_alone(connections, job.as_mut()),
            (_, batch) => run_together(connections, batch),
        };
        match end {
            End::Settled | End::SettledAndTold => {
                let metrics = &self.metrics.database;
                metrics.observe_commit(batch.len(), began_at.elapsed());
            }
            End::Undone => {}
            // It was undone since nobody waits for it any more.
            End::Lost if batch.iter().all(|job| !job.is_awaited()) => {}
            End::NotCommitted(_) | End::Lost => self.metrics.database.count_failed_commit(),
        }
        let is_told_elsewhere = matches!(end, End::SettledAndTold);
        if let Some(listener) = &self.listener
            && is_told_elsewhere
            && batch.iter().any(|job| job.has_changes())
        {
            listener.wait_until_told();
        }
        for job in batch {
            job.answer(end, &self.changes, &self.metrics);
        }
    }
}
