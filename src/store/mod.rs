//! Rows in, rows out: all SQL, for both databases, and the writer. Knows no rule.
//!
//! A function of a noun's file takes a connection and does one thing. What belongs together is put together by the
//! layer above, inside [`Store::read`] or [`Store::write`].

pub mod audit;
pub mod audit_chain;
pub mod audit_point;
pub mod audit_row;
mod availability;
pub mod backup;
mod batch;
mod change;
#[expect(missing_docs, reason = "what diesel derives has none")]
pub mod connection;
pub mod copy;
mod copy_row;
pub mod credential;
pub mod credential_list;
pub mod error;
mod job;
pub mod keyring;
mod listener;
#[expect(missing_docs, reason = "what diesel's macro makes has none")]
pub mod migration;
pub mod name_sample;
mod pool;
pub mod postgres;
pub mod postgres_route;
pub mod reference;
pub mod reference_use;
mod row;
#[expect(missing_docs, reason = "what diesel's macro makes has none")]
pub mod schema;
pub mod search;
pub mod session;
pub mod user;
mod worker;
pub mod write_ahead_log;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use diesel::connection::SimpleConnection;

use availability::Availability;
use connection::{Database, DatabaseConnection};
use error::{JobError, StoreError};
pub use job::Written;
use name_sample::NameSample;
use pool::ReadPool;
use tokio::sync::broadcast;
use tokio::time::timeout;
use writer::{Writer, WriterThreads};

use crate::metrics::Metrics;
use crate::types::audit::Signer;
use crate::types::change::Told;

/// How long the check whether the database can be used may take.
const USE_LIMIT: Duration = Duration::from_secs(2);

/// The opened database. Its clones share the connections.
#[derive(Clone)]
pub struct Store {
    reads: ReadPool,
    writer: Writer,
    name_sample: NameSample,
    metrics: Arc<Metrics>,
}

impl Store {
    /// Starts the writers and the read pool of a database that is migrated. What they add to the audit log is authenticated by `signer`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be opened.
    pub fn open(database: &Database, signer: &Signer) -> Result<(Self, StoreEnd), StoreError> {
        let availability = Availability::default();
        let metrics = Arc::new(Metrics::new(database.kind()));
        let (writer, threads) = Writer::start(database, &availability, signer, &metrics)?;
        let store = Self {
            reads: ReadPool::new(database.clone(), availability, Arc::clone(&metrics)),
            writer,
            name_sample: NameSample::default(),
            metrics,
        };
        let end = StoreEnd {
            threads,
            database: database.clone(),
        };
        Ok((store, end))
    }

    /// Runs `work` on a read connection, off the event loop.
    ///
    /// # Errors
    /// [`StoreError::Overloaded`] when no connection is free within 500 ms, [`StoreError::Unavailable`] when none can be
    /// opened, and what `work` returns.
    pub async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&mut DatabaseConnection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.reads.read(work).await
    }

    /// Runs `work` in a transaction and answers when it is durable; when it returns an error, nothing of it stays.
    ///
    /// # Errors
    /// [`StoreError::Overloaded`] when too many wait, [`StoreError::Unavailable`] when the transaction cannot begin or
    /// commit, and what `work` returns.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: Fn(&mut DatabaseConnection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: JobError + 'static,
    {
        self.writer
            .write(move |connection| Ok(Written::new(work(connection)?)))
            .await
    }

    /// As [`Self::write`]; what `work` returns beside its answer is added to the audit log in the same transaction, and the changes are told
    /// to those who follow them once they are durable, before this answers. The changes of one credential are told in the order in which
    /// they were made.
    ///
    /// # Errors
    /// Those of [`Self::write`].
    pub async fn write_changes<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: Fn(&mut DatabaseConnection) -> Result<Written<T>, E> + Send + 'static,
        T: Send + 'static,
        E: JobError + 'static,
    {
        self.writer.write(work).await
    }

    /// Notes which generation of the keyring there is: it is written with the ends of the audit log's chains.
    pub fn note_generation(&self, generation: i32) {
        self.writer.note_generation(generation);
    }

    /// Follows the changes of credentials from now on.
    #[must_use]
    pub fn follow_changes(&self) -> broadcast::Receiver<Told> {
        self.writer.follow()
    }

    /// What searches know of the names.
    #[must_use]
    pub fn name_sample(&self) -> NameSample {
        self.name_sample.clone()
    }

    /// What is counted of this server.
    #[must_use]
    pub const fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Notes how the connections and the queue are now.
    pub fn observe(&self) {
        self.reads.observe();
        self.writer.observe();
    }

    /// Whether the database can be read, an audit event can be written, and a row be written durably, within 2 seconds: whoever asks for
    /// that does not wait long.
    pub async fn is_usable(&self) -> bool {
        let used = async {
            self.read(|connection| Ok::<_, StoreError>(connection.batch_execute("SELECT 1")?))
                .await?;
            self.write(|connection| {
                audit::insert_and_take_back(connection)?;
                credential::write_and_delete(connection)
            })
            .await
        };
        timeout(USE_LIMIT, used)
            .await
            .is_ok_and(|used| used.is_ok())
    }
}

/// What is left to do when the server stops.
pub struct StoreEnd {
    threads: WriterThreads,
    database: Database,
}

impl StoreEnd {
    /// Waits for the writers, unless the database does not answer, and leaves SQLite as one file without a log beside it.
    pub fn finish(self) {
        self.threads.stop();
        if let Ok(DatabaseConnection::Sqlite(mut connection)) = self.database.connect() {
            // When another process still reads, the log stays, and the next start takes it in.
            let _taken_in = connection.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)");
        }
    }
}
