//! The `credence` command.

mod command;

use std::io::IsTerminal;
use std::process::ExitCode;

use credence::config::{LogFormat, LogSettings};
use credence::failure::{Failure, FailureKind};
use rustix::fs::Mode;
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit, umask,
};
use tracing_subscriber::EnvFilter;

use command::CommandLine;

fn main() -> ExitCode {
    harden();
    let line = match CommandLine::read(std::env::args_os()) {
        Ok(line) => line,
        Err(error) => {
            let code = if error.use_stderr() {
                FailureKind::Usage.exit_code()
            } else {
                0
            };
            // When not even this can be written, there is nobody to tell.
            let _printed = error.print();
            return ExitCode::from(code);
        }
    };
    let outcome = start_log(line.log()).and_then(|()| line.run());
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            command::tell(&format!("credence: {failure}"));
            ExitCode::from(failure.kind.exit_code())
        }
    }
}

/// Keeps what the process knows from others on the machine, before it knows anything.
fn harden() {
    // Whatever is written, nobody else may read it.
    umask(Mode::from_raw_mode(0o077));
    // No memory is left in a file when the process is brought down, nor read by another one. Where the system has no such
    // settings, the process goes on without.
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let _limited = setrlimit(Resource::Core, none);
    let _hidden = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    // A connection is a descriptor: as many as the system allows, in place of the few that a shell gives.
    let descriptors = getrlimit(Resource::Nofile);
    let _raised = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: descriptors.maximum,
            ..descriptors
        },
    );
    // What a panic says may hold what it was about: its place is enough.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "a fault of the program");
    }));
}

fn start_log(settings: &LogSettings) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&settings.log).map_err(|_library_text| {
        Failure::new(
            FailureKind::Usage,
            "--log is no filter: write a level, such as info, or levels by module, such as info,credence::http=debug",
        )
    })?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        // When nobody reads the log any more, serving goes on without it.
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    match settings.log_format {
        LogFormat::Human => log.init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(())
}
