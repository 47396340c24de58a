//! The commands: what the command line says, and what each command does.

mod keys;
mod migrate;
mod schema;
mod serve;
mod token;

use std::io::Write;

use clap::{Parser, Subcommand};
use credence::config::{LogSettings, ServeSettings};
use credence::failure::{Failure, FailureKind};

const EXIT_CODES: &str = "Exit codes: 0 done; 1 stopped by a second signal; 64 usage; 69 the database cannot be reached; \
                          70 a fault of the program; 74 input or output; 75 another server has the data directory; \
                          78 configuration or keys.\n\n\
                          Every option can be set by the environment variable that stands behind it.";

/// A GraphQL API server for named secrets: people manage them by name, only the runtime reads them back.
#[derive(Parser)]
#[command(name = "credence", version, after_help = EXIT_CODES, args_conflicts_with_subcommands = true)]
pub struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeSettings,
    #[command(flatten)]
    log: LogSettings,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the API; also what happens without a command
    #[command(after_help = EXIT_CODES)]
    Serve(ServeSettings),
    /// Local mode: print a token, signed with the key of the data directory
    Token(token::TokenArguments),
    /// Print the GraphQL schema
    Schema,
    /// Bring the database to this version, and stop
    Migrate(migrate::MigrateArguments),
    /// Make keys
    #[command(subcommand)]
    Keys(keys::KeysCommand),
}

impl CommandLine {
    /// The settings of the log.
    pub const fn log(&self) -> &LogSettings {
        &self.log
    }

    /// Does what the line says.
    pub fn run(self) -> Result<(), Failure> {
        match self.command {
            None => serve::run(&self.serve),
            Some(Command::Serve(settings)) => serve::run(&settings),
            Some(Command::Token(arguments)) => token::run(&arguments),
            Some(Command::Schema) => schema::run(),
            Some(Command::Migrate(arguments)) => migrate::run(&arguments),
            Some(Command::Keys(command)) => keys::run(command),
        }
    }
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
