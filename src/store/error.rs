//! What can go wrong below the rules. The text of a library or a database never goes further than this file: it may hold
//! what was written.

use diesel::result::{DatabaseErrorKind, Error as DieselError};

/// Why the store could not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// A row with the same unique value exists.
    NotUnique,
    /// A row that the change refers to does not exist.
    NoReferent,
    /// The database undid the transaction in favour of another one: done again as a whole, it can succeed.
    Conflict,
    /// The database cannot be reached, or cannot write: its disk is full or failing.
    Unavailable,
    /// Too much is waiting already.
    Overloaded,
    /// A row holds what no version of this program writes.
    Unreadable,
    /// A chain of the audit log does not end where it ended: nothing is added to it.
    ChainBroken(i32),
    /// Anything else: a fault of this program.
    Internal(Cause),
}

/// What a job of the writer can fail with.
pub trait JobError: From<StoreError> + Send {
    /// Whether it says that the database cannot be reached or written.
    fn is_outage(&self) -> bool;
}

impl JobError for StoreError {
    fn is_outage(&self) -> bool {
        *self == Self::Unavailable
    }
}

/// What a fault is, for the log: words of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause(pub &'static str);

impl From<DieselError> for StoreError {
    fn from(error: DieselError) -> Self {
        match error {
            DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => Self::NotUnique,
            DieselError::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _) => {
                Self::NoReferent
            }
            DieselError::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => {
                Self::Conflict
            }
            DieselError::DatabaseError(
                DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::ReadOnlyTransaction,
                _,
            )
            | DieselError::BrokenTransactionManager => Self::Unavailable,
            DieselError::DatabaseError(_, information)
                if information.message() == "deadlock detected" =>
            {
                Self::Conflict
            }
            // Another transaction, or too many of them, kept it from being done in time.
            DieselError::DatabaseError(_, information)
                if information.message().ends_with("due to lock timeout")
                    || information.message().ends_with("due to statement timeout") =>
            {
                Self::Overloaded
            }
            DieselError::DatabaseError(_, information) if is_outage(information.message()) => {
                Self::Unavailable
            }
            DieselError::DatabaseError(_, information)
                if information.message().starts_with("permission denied") =>
            {
                Self::Internal(Cause("a right of the database role is missing"))
            }
            error => Self::Internal(Cause(kind(&error))),
        }
    }
}

/// Whether SQLite says that another connection has the lock (`SQLITE_BUSY`): diesel hands on no code.
#[must_use]
pub fn is_locked(error: &DieselError) -> bool {
    matches!(error, DieselError::DatabaseError(_, information) if information.message() == "database is locked")
}

/// What kind of error of a statement it is, without its text.
const fn kind(error: &DieselError) -> &'static str {
    match error {
        DieselError::DatabaseError(DatabaseErrorKind::NotNullViolation, _) => {
            "a null where none may be"
        }
        DieselError::DatabaseError(DatabaseErrorKind::CheckViolation, _) => "a check of a table",
        DieselError::DatabaseError(_, _) => "an error of the database",
        DieselError::QueryBuilderError(_) => "a query that cannot be built",
        DieselError::DeserializationError(_) => "a row of other types",
        DieselError::SerializationError(_) => "a value of another type",
        DieselError::NotFound => "a row that is missing",
        _ => "a transaction in a wrong state",
    }
}

/// Whether a message is one of those by which SQLite says that its file cannot be used (`sqlite3_errstr`), or PostgreSQL that it stops,
/// starts or has no room: diesel hands on no code. Where PostgreSQL speaks another language, the next check of the connection tells.
fn is_outage(message: &str) -> bool {
    const OUTAGES: [&str; 18] = [
        "database or disk is full",
        "disk I/O error",
        "attempt to write a readonly database",
        "unable to open database file",
        "database is locked",
        "database disk image is malformed",
        "file is not a database",
        "out of memory",
        "terminating connection",
        "the database system is",
        "server closed the connection",
        "could not extend file",
        "No space left on device",
        "too many c",
        "remaining connection slots",
        "canceling statement",
        "no connection to the server",
        "could not receive data",
    ];
    OUTAGES.iter().any(|outage| message.contains(outage))
}
