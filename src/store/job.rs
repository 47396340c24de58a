//! Jobs: the work of one transaction, and the one who waits for its answer.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::sync::{broadcast, oneshot};

use super::audit_chain::Chain;
use super::change;
use super::connection::DatabaseConnection;
use super::error::{Cause, JobError, StoreError};
use crate::metrics::Metrics;
use crate::types::audit::AuditEntry;
use crate::types::change::{CredentialChange, Told};

/// What a job has to show for its work.
pub struct Written<T> {
    /// What the one who waits is told.
    pub answer: T,
    /// What those who follow the changes of credentials are told.
    pub changes: Vec<CredentialChange>,
    /// What is added to the audit log.
    pub entries: Vec<AuditEntry>,
}

impl<T> Written<T> {
    /// An answer, and nothing else.
    pub const fn new(answer: T) -> Self {
        Self {
            answer,
            changes: Vec::new(),
            entries: Vec::new(),
        }
    }
}

/// A job in the queue.
pub trait Job: Send {
    /// Whether somebody still waits for the answer.
    fn is_awaited(&self) -> bool;
    /// Whether its work changed what others follow.
    fn has_changes(&self) -> bool;
    /// Does the work, adds what it records to the chain of the connection, and says what is to become of it.
    fn run(&mut self, connection: &mut DatabaseConnection, chain: &mut Chain) -> Ran;
    /// Its work was undone, though it went well.
    fn undo(&mut self);
    /// Tells those who follow what changed, then the one who waits what the work returned, or that the commit failed.
    fn answer(self: Box<Self>, end: End, changes: &broadcast::Sender<Told>, metrics: &Metrics);
}

/// How a job's work went.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ran {
    /// It is to be kept.
    Well,
    /// It failed, and is to be undone.
    Failed,
    /// The database cannot be reached or written.
    Lost,
}

/// What became of a job's work.
#[derive(Clone, Copy)]
pub enum End {
    /// It is durable, or it failed by itself.
    Settled,
    /// It is durable, and the database tells of what changed.
    SettledAndTold,
    /// It failed by itself, and so did its transaction, which was its own.
    Undone,
    /// The transaction could not be committed: nobody knows what became of it.
    NotCommitted(StoreError),
    /// The connection was lost before the commit: nothing of it stays.
    Lost,
}

/// Where somebody else has gone on with the chain, what this connection knows of it is wrong: it is of no use any more.
fn chain_lost(error: StoreError) -> StoreError {
    match error {
        StoreError::NotUnique => StoreError::Unavailable,
        error => error,
    }
}

/// A job that somebody waits for.
pub struct WaitingJob<F, T, E> {
    work: F,
    outcome: Option<Result<Written<T>, E>>,
    answer: oneshot::Sender<Result<T, E>>,
}

impl<F, T, E> WaitingJob<F, T, E> {
    /// A job that does `work`, and by what its answer comes.
    pub fn new(work: F) -> (Self, oneshot::Receiver<Result<T, E>>) {
        let (answer, answered) = oneshot::channel();
        let job = Self {
            work,
            outcome: None,
            answer,
        };
        (job, answered)
    }
}

impl<F, T, E> Job for WaitingJob<F, T, E>
where
    F: Fn(&mut DatabaseConnection) -> Result<Written<T>, E> + Send,
    T: Send,
    E: JobError,
{
    fn is_awaited(&self) -> bool {
        !self.answer.is_closed()
    }

    fn has_changes(&self) -> bool {
        matches!(&self.outcome, Some(Ok(written)) if !written.changes.is_empty())
    }

    fn run(&mut self, connection: &mut DatabaseConnection, chain: &mut Chain) -> Ran {
        let outcome: Result<_, E> = catch_unwind(AssertUnwindSafe(|| {
            let written = (self.work)(connection)?;
            chain
                .append(connection, &written.entries)
                .map_err(chain_lost)?;
            if let DatabaseConnection::Postgres(postgres) = connection {
                change::notify(postgres, &written.changes)?;
            }
            Ok(written)
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

    fn undo(&mut self) {
        self.outcome = None;
    }

    fn answer(self: Box<Self>, end: End, changes: &broadcast::Sender<Told>, metrics: &Metrics) {
        if let (Some(Ok(written)), End::Settled | End::SettledAndTold) = (&self.outcome, end) {
            metrics.audit.count_entries(&written.entries);
        }
        let outcome = match (self.outcome, end) {
            (_, End::Lost) => Err(StoreError::Unavailable.into()),
            // What failed by itself failed whether or not the others were committed.
            (Some(Err(error)), _) => Err(error),
            (Some(Ok(written)), End::SettledAndTold) => Ok(written.answer),
            (outcome, End::NotCommitted(error)) => {
                // A commit that failed may have come so far that its changes are there after all.
                if outcome.is_some_and(|kept| kept.is_ok_and(|written| !written.changes.is_empty()))
                {
                    let _followers = changes.send(Told::Missed);
                }
                Err(error.into())
            }
            (Some(Ok(written)), End::Settled) => {
                for change in written.changes {
                    // Nobody follows: then nobody is told.
                    let _followers = changes.send(Told::Change(change));
                }
                Ok(written.answer)
            }
            (Some(Ok(_)) | None, End::Undone) | (None, End::Settled | End::SettledAndTold) => {
                Err(StoreError::Internal(Cause("a job that was committed but never run")).into())
            }
        };
        // Nobody listens any more when the client has gone: what was done stays done.
        let _listening = self.answer.send(outcome);
    }
}
