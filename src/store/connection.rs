//! Connections: one type for both databases, and how each is set up.

use std::fmt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::r2d2::R2D2Connection;
use diesel::sql_types::{Integer, Text};
use diesel::{Connection as _, PgConnection, QueryableByName, RunQueryDsl as _, SqliteConnection};

use super::error::{StoreError, is_locked};
use super::postgres::PostgresUrl;

/// A connection to either database.
#[derive(diesel::MultiConnection)]
pub enum DatabaseConnection {
    /// A file on this machine.
    Sqlite(SqliteConnection),
    /// A server.
    Postgres(PgConnection),
}

/// Runs a statement on the connection that there is. [`DatabaseConnection`] puts the text of a statement together anew each time; a
/// connection of one kind does that once. So used by what every resolve does, it took a resolve in the throughput benchmark from 57.7 % of
/// the bare server's rate to 63.6 %.
macro_rules! on_connection {
    ($connection:expr, $inner:ident => $run:expr) => {
        match $connection {
            $crate::store::connection::DatabaseConnection::Sqlite($inner) => $run,
            $crate::store::connection::DatabaseConnection::Postgres($inner) => $run,
        }
    };
}
pub(super) use on_connection;

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Integer)]
    found: i32,
}

impl DatabaseConnection {
    /// Whether there is a table of this name.
    ///
    /// # Errors
    /// A [`StoreError`] when the database cannot be read.
    pub fn has_table(&mut self, name: &str) -> Result<bool, StoreError> {
        let found: Found = match self {
            Self::Sqlite(sqlite) => diesel::sql_query(
                "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?) AS found",
            )
            .bind::<Text, _>(name)
            .get_result(sqlite)?,
            Self::Postgres(postgres) => {
                diesel::sql_query("SELECT CASE WHEN to_regclass($1) IS NULL THEN 0 ELSE 1 END AS found")
                    .bind::<Text, _>(name)
                    .get_result(postgres)?
            }
        };
        Ok(found.found != 0)
    }

    /// Runs `work` in a transaction of its own: for what happens before the writers are there.
    ///
    /// # Errors
    /// What `work` returns, and [`StoreError::Unavailable`] when the transaction cannot be committed.
    pub fn in_transaction<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.transaction(work)
    }

    /// Lets a connection of SQLite that writes wait for commands with [`Self::begin_writing`], and no longer by SQLite's own pauses, which
    /// soon are longer than what they wait for.
    ///
    /// # Errors
    /// A [`StoreError`] when the database cannot be reached.
    pub fn wait_by_itself(&mut self) -> Result<(), StoreError> {
        if let Self::Sqlite(_) = self {
            self.batch_execute("PRAGMA busy_timeout = 0")?;
        }
        Ok(())
    }

    /// Begins a transaction on SQLite that has the write lock. Commands have it for about a millisecond at a time.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when another process has it for two seconds, and other [`StoreError`]s when it cannot begin.
    pub fn begin_writing(&mut self) -> Result<(), StoreError> {
        let began_at = Instant::now();
        loop {
            // Taking the write lock at once: a deferred transaction that reads first may fail when it comes to write.
            match self.batch_execute("BEGIN IMMEDIATE") {
                Err(error) if is_locked(&error) && began_at.elapsed() < SQLITE_LOCK_LIMIT => {
                    thread::sleep(SQLITE_LOCK_INTERVAL);
                }
                begun => return Ok(begun?),
            }
        }
    }

    /// As [`Self::in_transaction`], for work that reads before it writes: on SQLite it takes the write lock at once, since a transaction
    /// that has read may fail when it comes to write.
    ///
    /// # Errors
    /// What `work` returns, and a [`StoreError`] when the transaction cannot begin or commit.
    pub fn in_write_transaction<T, E: From<StoreError>>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let begin = match self {
            Self::Sqlite(_) => "BEGIN IMMEDIATE",
            Self::Postgres(_) => "BEGIN",
        };
        self.batch_execute(begin).map_err(StoreError::from)?;
        let outcome = work(self);
        let end = if outcome.is_ok() {
            "COMMIT"
        } else {
            "ROLLBACK"
        };
        match (outcome, self.batch_execute(end).map_err(StoreError::from)) {
            (Err(error), _) => Err(error),
            (Ok(value), Ok(())) => Ok(value),
            (Ok(_), Err(error)) => {
                // On PostgreSQL there is no transaction any more; on SQLite it may still be open.
                let _undone = self.batch_execute("ROLLBACK");
                Err(error.into())
            }
        }
    }

    /// Runs `work`, which only reads, on the database as it is at one moment.
    ///
    /// # Errors
    /// What `work` returns, and a [`StoreError`] when the database cannot be read.
    pub fn in_snapshot<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let begin = match self {
            Self::Sqlite(_) => "BEGIN",
            Self::Postgres(_) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        };
        self.batch_execute(begin)?;
        let outcome = work(self);
        // There is nothing to keep or to undo.
        let _ended = self.batch_execute("ROLLBACK");
        outcome
    }

    /// For commands that work beside a server: they wait longer for its locks than a request may. On SQLite they take the log into the file
    /// sooner than a server does, so that it has not to do that for what they have written.
    ///
    /// # Errors
    /// A [`StoreError`] when the database cannot be reached.
    pub fn be_patient(&mut self) -> Result<(), StoreError> {
        let settings = match self {
            Self::Sqlite(_) => "PRAGMA busy_timeout = 60000; PRAGMA wal_autocheckpoint = 500",
            Self::Postgres(_) => "SET lock_timeout = '60s'; SET statement_timeout = '10min'",
        };
        Ok(self.batch_execute(settings)?)
    }
}

/// How long SQLite waits for another process that writes.
const SQLITE_LOCK_LIMIT: Duration = Duration::from_secs(2);
/// How often the writer looks meanwhile.
const SQLITE_LOCK_INTERVAL: Duration = Duration::from_micros(200);

/// Set on every connection. `secure_delete` overwrites what is deleted; `synchronous=FULL` makes a commit durable;
/// `trusted_schema=OFF` keeps a schema that somebody changed from running functions. The log is taken into the file at 4,000 pages (16 MiB)
/// and not at 1,000: whoever waits for the writer waits for that too.
const SQLITE_SETTINGS: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA wal_autocheckpoint = 4000;
    PRAGMA foreign_keys = ON;
    PRAGMA secure_delete = ON;
    PRAGMA trusted_schema = OFF;
    PRAGMA cell_size_check = ON;
    PRAGMA temp_store = MEMORY;
";

/// Where the database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// A file in the data directory.
    Sqlite(PathBuf),
    /// A server.
    Postgres(PostgresUrl),
}

impl fmt::Display for Database {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(formatter, "{}", path.display()),
            Self::Postgres(_) => formatter.write_str("the PostgreSQL database"),
        }
    }
}

impl Database {
    /// What kind it is, as a word.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgres",
        }
    }

    /// Opens a connection for reading and writing.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the file cannot be opened or the server does not answer.
    pub fn connect(&self) -> Result<DatabaseConnection, StoreError> {
        match self {
            Self::Sqlite(path) => {
                let mut connection = open_sqlite(path, "rwc")?;
                connection.batch_execute(SQLITE_SETTINGS)?;
                Ok(DatabaseConnection::Sqlite(connection))
            }
            Self::Postgres(url) => {
                let connection = url.connect().map_err(|_problem| StoreError::Unavailable)?;
                Ok(DatabaseConnection::Postgres(connection))
            }
        }
    }

    /// Opens a connection that cannot change anything: what start-up looks through before it trusts its keys. `None` when
    /// there is no database yet.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the file cannot be opened or the server does not answer.
    pub fn connect_read_only(&self) -> Result<Option<DatabaseConnection>, StoreError> {
        match self {
            Self::Sqlite(path) if !path.exists() => Ok(None),
            Self::Sqlite(path) => Ok(Some(DatabaseConnection::Sqlite(open_sqlite(path, "ro")?))),
            Self::Postgres(_) => {
                let mut connection = self.connect()?;
                connection.batch_execute("SET default_transaction_read_only = on")?;
                Ok(Some(connection))
            }
        }
    }
}

fn open_sqlite(path: &Path, mode: &str) -> Result<SqliteConnection, StoreError> {
    let url = sqlite_url(path, mode).ok_or(StoreError::Unavailable)?;
    let mut connection =
        SqliteConnection::establish(&url).map_err(|_library_text| StoreError::Unavailable)?;
    let limit_ms = SQLITE_LOCK_LIMIT.as_millis();
    connection.batch_execute(&format!("PRAGMA busy_timeout = {limit_ms};"))?;
    Ok(connection)
}

/// The URI of a database file (sqlite.org/uri.html). What has a meaning in URIs is escaped.
fn sqlite_url(path: &Path, mode: &str) -> Option<String> {
    let path = path.to_str()?;
    let escaped = path
        .replace('%', "%25")
        .replace('?', "%3f")
        .replace('#', "%23");
    Some(format!("file:{escaped}?mode={mode}"))
}

/// What r2d2 needs to know to keep connections.
#[derive(Debug)]
pub struct ConnectionManager {
    /// Where the database is.
    pub database: Database,
}

/// r2d2 wants an error with a text: this one has none to tell.
#[derive(Debug)]
pub struct ConnectionRefused;

impl fmt::Display for ConnectionRefused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the database cannot be reached")
    }
}

impl std::error::Error for ConnectionRefused {}

impl diesel::r2d2::ManageConnection for ConnectionManager {
    type Connection = DatabaseConnection;
    type Error = ConnectionRefused;

    fn connect(&self) -> Result<DatabaseConnection, ConnectionRefused> {
        self.database.connect().map_err(|_error| ConnectionRefused)
    }

    fn is_valid(&self, connection: &mut DatabaseConnection) -> Result<(), ConnectionRefused> {
        connection.ping().map_err(|_error| ConnectionRefused)
    }

    fn has_broken(&self, connection: &mut DatabaseConnection) -> bool {
        thread::panicking() || connection.is_broken()
    }
}
