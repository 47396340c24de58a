//! Why the process ends without having done what it was asked: what happened, where, and what to do. Each kind has its exit
//! code (sysexits.h).

use std::fmt;
use std::path::Path;

/// The kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// What was checked is not as it should be.
    CheckFailed,
    /// The command line cannot be understood.
    Usage,
    /// The database cannot be reached.
    DatabaseUnreachable,
    /// The server cannot be reached, or has no answer now.
    ServerUnreachable,
    /// A fault of the program.
    Software,
    /// A file or a socket cannot be used.
    InputOutput,
    /// Another process has the data directory, or writes the audit log that is to be let go on.
    DataDirectoryInUse,
    /// The configuration or a key is not right.
    Configuration,
    /// The command to become cannot be executed.
    CommandNotExecutable,
    /// There is no command to become.
    CommandNotFound,
}

impl FailureKind {
    /// The exit code.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::CheckFailed => 1,
            Self::Usage => 64,
            Self::DatabaseUnreachable | Self::ServerUnreachable => 69,
            Self::Software => 70,
            Self::InputOutput => 74,
            Self::DataDirectoryInUse => 75,
            Self::Configuration => 78,
            // As shells have it (POSIX, Shell Command Language, section 2.8.2).
            Self::CommandNotExecutable => 126,
            Self::CommandNotFound => 127,
        }
    }
}

/// A failure, told to the operator.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Its kind.
    pub kind: FailureKind,
    /// What happened, where, and what to do.
    pub message: String,
}

impl Failure {
    /// A failure of a kind.
    #[must_use]
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// A configuration that is not right.
    #[must_use]
    pub fn configuration(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Configuration, message)
    }

    /// A file that cannot be used: `doing` says for what.
    #[must_use]
    pub fn file(path: &Path, doing: &str, error: &std::io::Error) -> Self {
        Self::new(
            FailureKind::InputOutput,
            format!("{} cannot be {doing}: {}", path.display(), error.kind()),
        )
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}
