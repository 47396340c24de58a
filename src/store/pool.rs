//! Reads: pooled connections, used on threads that may block.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use diesel::r2d2;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::availability::Availability;
use super::connection::{ConnectionManager, Database, DatabaseConnection};
use super::error::{Cause, StoreError};
use crate::metrics::{Metrics, PoolState};

/// How many connections read at the same time.
pub const READ_CONNECTIONS: u32 = 8;
/// How long a read waits until a connection is free.
const WAIT: Duration = Duration::from_millis(500);
/// How long opening one may take: a busy PostgreSQL server starts a process for it.
const OPEN_LIMIT: Duration = Duration::from_secs(2);
/// How long an answer is waited for: the disk or the server may hang. It is more than PostgreSQL gives a statement.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(6);

/// The read connections.
#[derive(Clone)]
pub struct ReadPool {
    database: Database,
    availability: Availability,
    connections: Arc<RwLock<Connections>>,
    metrics: Arc<Metrics>,
}

/// The connections of an epoch. Those that hang stay with theirs, and end with it.
#[derive(Clone)]
struct Connections {
    epoch: u64,
    pool: r2d2::Pool<ConnectionManager>,
    // Who waits for a connection waits here, as a future, and not on a thread.
    free: Arc<Semaphore>,
}

impl Connections {
    /// Connections that are opened when they are first needed.
    fn new(database: &Database, epoch: u64) -> Self {
        let pool = r2d2::Pool::builder()
            .max_size(READ_CONNECTIONS)
            .min_idle(Some(0))
            // A file does not go away between two reads; a server's connection does.
            .test_on_check_out(matches!(database, Database::Postgres(_)))
            .connection_timeout(OPEN_LIMIT)
            .idle_timeout(None)
            .max_lifetime(None)
            .error_handler(Box::new(r2d2::NopErrorHandler))
            .build_unchecked(ConnectionManager {
                database: database.clone(),
            });
        Self {
            epoch,
            pool,
            free: Arc::new(Semaphore::new(READ_CONNECTIONS.try_into().unwrap_or(1))),
        }
    }
}

impl ReadPool {
    /// The pool of a database.
    #[must_use]
    pub fn new(database: Database, availability: Availability, metrics: Arc<Metrics>) -> Self {
        let connections = Connections::new(&database, availability.epoch());
        Self {
            database,
            availability,
            connections: Arc::new(RwLock::new(connections)),
            metrics,
        }
    }

    /// Runs `read` with a connection.
    ///
    /// # Errors
    /// [`StoreError::Overloaded`] when none is free within 500 ms, [`StoreError::Unavailable`] when none can be opened
    /// within 2 s, and what `read` returns.
    pub async fn read<T, E, F>(&self, read: F) -> Result<T, E>
    where
        F: FnOnce(&mut DatabaseConnection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        if self.availability.is_lost() {
            return Err(StoreError::Unavailable.into());
        }
        let connections = self.connections();
        let permit = match Arc::clone(&connections.free).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_none_free) => self.wait(&connections.free).await?,
        };
        let pool = connections.pool;
        let reading = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let mut connection = pool
                .get()
                .map_err(|_library_text| StoreError::Unavailable)?;
            read(&mut connection)
        });
        match timeout(ANSWER_LIMIT, reading).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_panicked)) => Err(StoreError::Internal(Cause("a panic in a read")).into()),
            Err(_elapsed) => {
                self.leave(connections.epoch);
                Err(StoreError::Unavailable.into())
            }
        }
    }

    /// Waits until a connection is free.
    async fn wait(&self, free: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, StoreError> {
        let waits_since = Instant::now();
        let waited = timeout(WAIT, Arc::clone(free).acquire_owned()).await;
        let metrics = &self.metrics.database;
        metrics.observe_wait(waits_since.elapsed());
        match waited {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_closed)) => Err(StoreError::Unavailable),
            Err(_elapsed) => {
                metrics.count_timeout();
                Err(if self.availability.is_lost() {
                    StoreError::Unavailable
                } else {
                    StoreError::Overloaded
                })
            }
        }
    }

    /// Notes the connections as they are now, and whether there is a database at their other end.
    pub fn observe(&self) {
        let connections = self.connections();
        let state = connections.pool.state();
        let free = connections.free.available_permits();
        let limit = i64::from(READ_CONNECTIONS);
        let metrics = &self.metrics.database;
        metrics.set_pool(PoolState {
            busy: limit.saturating_sub(i64::try_from(free).unwrap_or(limit)),
            idle: i64::from(state.idle_connections),
            limit,
        });
        metrics.set_up(!self.availability.is_lost());
    }

    /// The connections of the present epoch.
    fn connections(&self) -> Connections {
        let epoch = self.availability.epoch();
        let present = self
            .connections
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        if present.epoch == epoch {
            return present.clone();
        }
        drop(present);
        let mut present = self
            .connections
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let epoch = self.availability.epoch();
        if present.epoch != epoch {
            *present = Connections::new(&self.database, epoch);
        }
        present.clone()
    }

    /// Leaves the connections of an epoch behind, unless that was done already. A disk that hangs would hang others too.
    fn leave(&self, epoch: u64) {
        if matches!(self.database, Database::Postgres(_)) && self.availability.epoch() == epoch {
            self.availability.leave_connections();
        }
    }
}
