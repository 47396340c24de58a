//! Reads: pooled connections, used on threads that may block.

use std::sync::Arc;
use std::time::Duration;

use diesel::r2d2;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::connection::{ConnectionManager, Database, DatabaseConnection};
use super::error::{Cause, StoreError};

/// How many connections read at the same time.
pub const READ_CONNECTIONS: u32 = 8;
/// How long a read waits for a connection.
const WAIT: Duration = Duration::from_millis(500);
/// How long an answer is waited for: the disk or the server may hang.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// The read connections.
#[derive(Clone)]
pub struct ReadPool {
    connections: r2d2::Pool<ConnectionManager>,
    // Who waits for a connection waits here, as a future, and not on a thread.
    free: Arc<Semaphore>,
}

impl ReadPool {
    /// A pool whose connections are opened when they are first needed.
    #[must_use]
    pub fn new(database: Database) -> Self {
        let connections = r2d2::Pool::builder()
            .max_size(READ_CONNECTIONS)
            .min_idle(Some(1))
            // A file does not go away between two reads; a server's connection does.
            .test_on_check_out(matches!(database, Database::Postgres(_)))
            .connection_timeout(WAIT)
            .idle_timeout(None)
            .max_lifetime(None)
            .error_handler(Box::new(r2d2::NopErrorHandler))
            .build_unchecked(ConnectionManager { database });
        Self {
            connections,
            free: Arc::new(Semaphore::new(READ_CONNECTIONS.try_into().unwrap_or(1))),
        }
    }

    /// Runs `read` with a connection.
    ///
    /// # Errors
    /// [`StoreError::Overloaded`] when none is free within 500 ms, [`StoreError::Unavailable`] when none can be opened, and
    /// what `read` returns.
    pub async fn read<T, E, F>(&self, read: F) -> Result<T, E>
    where
        F: FnOnce(&mut DatabaseConnection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let permit = match timeout(WAIT, Arc::clone(&self.free).acquire_owned()).await {
            Ok(Ok(permit)) => permit,
            Ok(Err(_closed)) => return Err(StoreError::Unavailable.into()),
            Err(_elapsed) => return Err(StoreError::Overloaded.into()),
        };
        let connections = self.connections.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let mut connection = connections
                .get()
                .map_err(|_library_text| StoreError::Unavailable)?;
            read(&mut connection)
        });
        match timeout(ANSWER_LIMIT, reading).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_panicked)) => Err(StoreError::Internal(Cause("a panic in a read")).into()),
            Err(_elapsed) => Err(StoreError::Unavailable.into()),
        }
    }
}
