//! Why there is no answer, in the terms of a runtime.

use std::error::Error;
use std::fmt;

use super::bearer::HeaderProblem;
use super::settings::TokenUnavailable;

/// Why there is no answer. Its texts are ours or the server's: never a value, a token or what a library says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientError {
    /// Nothing has the ID, and nothing ever had.
    NotFound {
        /// The ID.
        id: String,
    },
    /// The credential was deleted.
    Deleted {
        /// The ID.
        id: String,
        /// What the server says of it: the name that it had, and when it was deleted.
        message: String,
    },
    /// The token does not allow it.
    Forbidden {
        /// What the server says of it: the scope that is needed.
        message: String,
    },
    /// The server does not accept the token.
    Unauthenticated,
    /// The source of tokens has none.
    NoToken(TokenUnavailable),
    /// The stored value does not open.
    Unreadable {
        /// The ID.
        id: String,
    },
    /// The value cannot stand in a header.
    NoHeader {
        /// The credential's name.
        name: String,
        /// Why it cannot.
        problem: HeaderProblem,
    },
    /// There is no answer now; there may be one shortly.
    Unavailable(Unavailable),
    /// The server refuses what it was asked.
    Rejected {
        /// What it says.
        message: String,
    },
    /// What answered is no Credence server of this version.
    Unexpected {
        /// What is wrong with the answer.
        what: &'static str,
    },
}

/// Why there is no answer now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unavailable {
    /// There is no connection: nobody listens, or the name or the way there is not known.
    Unreachable,
    /// A connection was made, but its certificate is not one that is trusted for the name.
    Untrusted,
    /// There was no answer in time. What was asked for may have been done.
    TooSlow,
    /// The connection broke. What was asked for may have been done.
    Broken,
    /// The server has too much to do, or its database is out of reach.
    Busy,
    /// The server failed.
    Failed,
}

impl ClientError {
    /// Whether the same may work shortly.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::NoToken(_))
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { id } => write!(
                formatter,
                "no credential has the ID {id}, and none ever had: look the ID up by the credential's name"
            ),
            Self::Deleted { id, message } => write!(
                formatter,
                "the credential with the ID {id} is gone: {message} Create it anew, and use the new ID"
            ),
            Self::Forbidden { message } => {
                write!(formatter, "the token does not allow it: {message}")
            }
            Self::Unauthenticated => formatter.write_str(
                "the server does not accept the token: it has expired, or another issuer made it; the server's log says why",
            ),
            Self::NoToken(unavailable) => unavailable.fmt(formatter),
            Self::Unreadable { id } => write!(
                formatter,
                "the stored value of the credential with the ID {id} does not open: it was damaged; set a new value"
            ),
            Self::NoHeader { name, problem } => write!(
                formatter,
                "the value of {name} cannot be sent in a header: {problem}; set the value again without"
            ),
            Self::Unavailable(unavailable) => unavailable.fmt(formatter),
            Self::Rejected { message } => write!(formatter, "the server refuses it: {message}"),
            Self::Unexpected { what } => write!(
                formatter,
                "what answered is no Credence server of this version ({what}): look at the URL"
            ),
        }
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Unreachable => "the server cannot be reached: look whether it runs, and at the URL",
            Self::Untrusted => "the server's certificate is not trusted for this name: name the authority that signed it",
            Self::TooSlow => "the server did not answer in time",
            Self::Broken => "the connection to the server broke",
            Self::Busy => "the server has too much to do, or its database is out of reach: try again shortly",
            Self::Failed => "the server failed: its log has the cause",
        })
    }
}

impl Error for ClientError {}
