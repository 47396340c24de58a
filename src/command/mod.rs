//! The commands: what the command line says, and what each command does.

mod audit;
mod backup;
mod check;
mod completions;
mod copy;
mod grant;
mod health;
mod keyring;
mod keys;
mod login_link;
mod man;
mod migrate;
mod misunderstood;
mod program;
mod remote;
mod run;
mod schema;
mod serve;
mod token;

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::Write;
use std::path::Path;

use clap::{Parser, Subcommand};
use credence::config::{LogSettings, ServeSettings};
use credence::failure::{Failure, FailureKind};

use crate::hardening::Inherited;

pub use misunderstood::misunderstood;

const EXIT_CODES: &str = "Exit codes: 0 done; 1 stopped by a second signal, or what was checked is not as it should be (check, audit \
                          verify, audit prune, keys rotate, keys drop-slot); 64 usage; 69 the database or the server cannot be reached; 70 a fault of the program; 74 input or output; 75 another \
                          server has the data directory; 78 configuration, keys or credentials; 126 and 127 the command \
                          to run cannot be executed, or there is none.\n\n\
                          An option can be set by the environment variable that stands behind it.";

/// A GraphQL API server for named secrets: people manage them by name, only the runtime reads them back.
#[derive(Parser)]
#[command(name = "credence", version, after_help = EXIT_CODES)]
pub struct CommandLine {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    log: LogSettings,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the API. Without a command, this is what happens: `credence --listen …` is `credence serve --listen …`
    #[command(after_help = EXIT_CODES)]
    Serve(Box<ServeSettings>),
    /// Local mode: print a token, signed with the key of the data directory
    Token(token::TokenArguments),
    /// Local mode: print a link that somebody can sign in to the pages with, once, within ten minutes
    LoginLink(login_link::LoginLinkArguments),
    /// Print the GraphQL schema
    Schema,
    /// Bring the database to this version, and stop
    Migrate(migrate::MigrateArguments),
    /// Copy the SQLite database into a file, while it is served
    Backup(backup::BackupArguments),
    /// Move all data between SQLite and PostgreSQL, and compare both
    Copy(copy::CopyArguments),
    /// The keyring: make master keys, add, replace and drop them, and rotate the data key
    #[command(subcommand, after_long_help = keys::EXAMPLES)]
    Keys(keys::KeysCommand),
    /// The audit log: verify it, export it, remove old events
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Look whether the credentials exist that workflows and MCP servers refer to
    #[command(after_long_help = check::EXAMPLES)]
    Check(check::CheckArguments),
    /// Run a command with the values of credentials in its environment
    #[command(after_long_help = run::EXAMPLES)]
    Run(run::RunArguments),
    /// Ask a server whether it can serve: 0 when it can, 69 when it cannot or does not answer
    #[command(after_long_help = health::EXAMPLES)]
    Health(health::HealthArguments),
    /// Print what makes a shell complete this command and its options
    #[command(after_long_help = completions::EXAMPLES)]
    Completions(completions::CompletionsArguments),
    /// Print the manual page, or write those of all commands into a folder
    Man(man::ManArguments),
}

impl CommandLine {
    /// Reads the arguments of the process. Where no command stands first, `serve` is meant.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut arguments: Vec<OsString> = arguments.into_iter().collect();
        if !names_command(arguments.get(1..).unwrap_or_default()) {
            arguments.insert(arguments.len().min(1), OsString::from("serve"));
        }
        Self::try_parse_from(arguments)
    }

    /// The settings of the log.
    pub const fn log(&self) -> &LogSettings {
        &self.log
    }

    /// Whether the process is to become another command.
    pub const fn becomes_another(&self) -> bool {
        matches!(self.command, Command::Run(_))
    }

    /// Does what the line says. `inherited` is for the command that the process becomes, if it does.
    pub fn run(self, inherited: Inherited) -> Result<(), Failure> {
        match self.command {
            Command::Serve(settings) => serve::run(&settings),
            Command::Token(arguments) => token::run(&arguments),
            Command::LoginLink(arguments) => login_link::run(&arguments),
            Command::Schema => schema::run(),
            Command::Migrate(arguments) => migrate::run(&arguments),
            Command::Backup(arguments) => backup::run(&arguments),
            Command::Copy(arguments) => copy::run(&arguments),
            Command::Keys(command) => keys::run(command),
            Command::Audit(command) => audit::run(command),
            Command::Check(arguments) => check::run(&arguments),
            Command::Run(arguments) => run::run(&arguments, inherited),
            Command::Health(arguments) => health::run(&arguments),
            Command::Completions(arguments) => completions::run(&arguments),
            Command::Man(arguments) => man::run(&arguments),
        }
    }
}

/// Whether a command, or a question about the program, stands behind the options that all commands have.
fn names_command(arguments: &[OsString]) -> bool {
    let mut words = arguments.iter().map(|argument| argument.to_string_lossy());
    while let Some(word) = words.next() {
        match word.as_ref() {
            "--log" | "--log-format" => drop(words.next()),
            "--help" | "-h" | "--version" | "-V" => return true,
            word if word.starts_with("--log=") || word.starts_with("--log-format=") => {}
            word => return !word.starts_with('-'),
        }
    }
    false
}

/// Prints what was asked for, on standard output.
fn print(text: &str) -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    let printed = output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush());
    printed.map_err(|error| {
        let message = format!("standard output cannot be written: {}", error.kind());
        Failure::new(FailureKind::InputOutput, message)
    })
}

/// Tells the operator something, on standard error.
pub fn tell(text: &str) {
    // When not even this can be written, there is nobody to tell.
    let _told = writeln!(std::io::stderr(), "{text}");
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    // A path with a null byte in it, which alone cannot be quoted, cannot have been given either.
    let quoted = shlex::try_quote(&text).map(Cow::into_owned);
    quoted.unwrap_or_default()
}
