//! The `credence` command.

mod command;
mod hardening;

use std::io::IsTerminal;
use std::process::ExitCode;

use credence::config::{LogFormat, LogSettings};
use credence::failure::{Failure, FailureKind};
use mimalloc::MiMalloc;
use tracing_subscriber::EnvFilter;
use zeroizing_alloc::ZeroAlloc;

use command::CommandLine;

/// What is given back is overwritten first, so that no value stays in the heap of Rust code that nothing uses. What C libraries take is not overwritten.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<MiMalloc> = ZeroAlloc(MiMalloc);

fn main() -> ExitCode {
    let inherited = hardening::harden();
    let line = match CommandLine::read(std::env::args_os()) {
        Ok(line) => line,
        Err(error) => {
            let code = if error.use_stderr() {
                FailureKind::Usage.exit_code()
            } else {
                0
            };
            match command::misunderstood(&error) {
                Some(told) => command::tell(&format!("credence: {told}")),
                // When not even this can be written, there is nobody to tell.
                None => drop(error.print()),
            }
            return ExitCode::from(code);
        }
    };
    if !line.becomes_another() {
        hardening::give_up_core_dumps();
    }
    let outcome = start_log(line.log()).and_then(|()| line.run(inherited));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            command::tell(&format!("credence: {failure}"));
            ExitCode::from(failure.kind.exit_code())
        }
    }
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
