//! How a benchmark with aims ends.

use std::process::ExitCode;

/// Says whether the aims are met, to people and to programs.
pub fn tell(met: bool) -> ExitCode {
    let (told, code) = if met {
        ("All aims are met.", ExitCode::SUCCESS)
    } else {
        ("An aim is missed.", ExitCode::FAILURE)
    };
    println!("{told}");
    code
}
