//! What the rules can answer instead of a result, in the caller's terms. Closed: whoever translates it sees every case.

use std::time::Duration;

use crate::crypto::seal::SealError;
use crate::store::error::{Cause, JobError, StoreError};
use crate::types::clock::Timestamp;
use crate::types::consumer::ConsumerProblem;
use crate::types::credential::NameProblem;
use crate::types::reference::Declared;
use crate::types::scope::Scope;
use crate::types::secret::ValueProblem;

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The input is wrong in a way that the person at the form can correct. Never empty.
    Rejected(Vec<Problem>),
    /// An argument is wrong in a way that only the program can correct.
    BadArgument(BadArgument),
    /// The token or the session is no longer good: its user was removed, or signed out, or its key is no longer the issuer's.
    Unauthenticated,
    /// The caller may not do this.
    Forbidden(Denial),
    /// The stored value does not open: it was changed, damaged, or belongs elsewhere.
    Unreadable,
    /// Changes may have been missed by one who follows them.
    EventsMissed,
    /// It is asked for too often: how long to wait before the next attempt.
    RateLimited(Duration),
    /// Too much is going on.
    Overloaded,
    /// The database cannot be reached or written.
    Unavailable,
    /// Somebody else changed the row between our reading and our writing it. Tried again where it arises.
    Overtaken,
    /// A fault of this program.
    Internal(Cause),
}

/// Why the caller may not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denial {
    /// The token has none of these scopes.
    NeedsScope(Vec<Scope>),
    /// The credential is somebody else's.
    NotOwner,
    /// The token's `credential_ids` leave the credential out.
    TokenLimited,
    /// The token was given to no program that may resolve, or it is a session.
    ClientNotNamed,
}

/// What the person at the form can correct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The text cannot be a name.
    Name(NameProblem),
    /// The name holds the value that came with it.
    NameHoldsValue,
    /// Another credential has the name.
    NameTaken,
    /// The text cannot be a value.
    Value(ValueProblem),
    /// The text cannot name a consumer.
    Consumer(ConsumerProblem),
    /// No credential has the ID, and none ever had.
    CredentialNotFound,
    /// The credential was deleted.
    CredentialDeleted {
        /// The last name it had.
        name: String,
        /// When.
        at: Timestamp,
    },
    /// Consumers declare that they use the credential.
    InUse(InUse),
    /// Consumers declare that they use more credentials of a user than are told one by one.
    MoreInUse {
        /// How many more.
        credentials: usize,
    },
    /// One of the credentials that a consumer declares never existed: its place in the list.
    DeclaredNotFound {
        /// Counted from 0.
        index: usize,
    },
    /// More credentials are declared than a consumer may.
    TooManyDeclared,
    /// The credential has another version than expected.
    VersionConflict {
        /// The version it has.
        present: i32,
    },
    /// No user has the ID, in this argument.
    UserNotFound(UserArgument),
    /// A user's credentials cannot be given to the very user who is removed.
    TransferToRemoved,
}

/// What keeps a credential, or a user's credentials, from being deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InUse {
    /// The name of the credential.
    pub credential_name: String,
    /// Whether a user was to be removed.
    pub with_user: bool,
    /// Who declares it.
    pub declared: Declared,
}

/// The arguments that name a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserArgument {
    /// The user who is removed.
    User,
    /// The user who is to own a credential.
    NewOwner,
    /// The user who gets all credentials of one who is removed.
    TransferTo,
}

/// What only the program can correct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadArgument {
    /// `first` and `last` were both given.
    FirstAndLast,
    /// `first` or `last` is not 1 to 100.
    PageSize,
    /// The cursor was not made here, or was made for another list, order or search.
    Cursor,
    /// More than 100 IDs.
    TooManyIds,
    /// More than 1,024 characters to search for.
    SearchTooLong,
}

impl Error {
    /// Why something was refused, as the audit log has it.
    #[must_use]
    pub const fn audit_reason(&self) -> &'static str {
        match self {
            Self::Rejected(_) => "NOT_FOUND",
            Self::BadArgument(_) => "BAD_ARGUMENT",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Forbidden(Denial::NeedsScope(_)) => "NEEDS_SCOPE",
            Self::Forbidden(Denial::NotOwner) => "NOT_OWNER",
            Self::Forbidden(Denial::TokenLimited) => "TOKEN_LIMITED",
            Self::Forbidden(Denial::ClientNotNamed) => "CLIENT_NOT_NAMED",
            Self::Unreadable => "UNREADABLE",
            Self::RateLimited(_) => "RATE_LIMITED",
            Self::EventsMissed
            | Self::Overloaded
            | Self::Unavailable
            | Self::Overtaken
            | Self::Internal(_) => "FAILED",
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Overloaded => Self::Overloaded,
            StoreError::Unavailable => Self::Unavailable,
            StoreError::Conflict => Self::Overtaken,
            StoreError::NotUnique | StoreError::NoReferent => {
                Self::Internal(Cause("a row that must not or must be there"))
            }
            StoreError::Unreadable => {
                Self::Internal(Cause("a row that no version of this program writes"))
            }
            StoreError::ChainBroken(_) => {
                Self::Internal(Cause("an audit log that does not end where it ended"))
            }
            StoreError::Internal(cause) => Self::Internal(cause),
        }
    }
}

impl JobError for Error {
    fn is_outage(&self) -> bool {
        *self == Self::Unavailable
    }
}

impl From<SealError> for Error {
    fn from(error: SealError) -> Self {
        match error {
            SealError::SealFailed => Self::Internal(Cause("a value that could not be sealed")),
            _ => Self::Unreadable,
        }
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Rejected(vec![problem])
    }
}

impl From<Denial> for Error {
    fn from(denial: Denial) -> Self {
        Self::Forbidden(denial)
    }
}
