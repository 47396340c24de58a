//! `credence audit`: the audit log, in the hands of an operator.

mod export;
mod prune;
mod verify;

use clap::Subcommand;
use credence::crypto::audit_key::audit_signer;
use credence::failure::{Failure, FailureKind};
use credence::keyring_start::keyring_failure;
use credence::types::audit::Signer;
use credence::types::clock::Timestamp;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::keyring::{KeyringSettings, Place};

/// The commands about the audit log.
#[derive(Subcommand)]
pub enum AuditCommand {
    /// Look whether every event is as it was written and at its place, and whether credentials are as the log says. Exit code 1 if not
    #[command(after_long_help = verify::EXAMPLES)]
    Verify(verify::VerifyArguments),
    /// Print all events, each as a line of JSON, the oldest first
    Export(export::ExportArguments),
    /// Remove old events, so that what is left still verifies
    Prune(prune::PruneArguments),
}

/// Does what the line says.
pub fn run(command: AuditCommand) -> Result<(), Failure> {
    match command {
        AuditCommand::Verify(arguments) => verify::run(&arguments),
        AuditCommand::Export(arguments) => export::run(&arguments),
        AuditCommand::Prune(arguments) => prune::run(&arguments),
    }
}

/// Opens the keyring, which has the key of the log. Not by [`credence::keyring_start::open_stored`]: what that refuses is what is looked for.
fn signer(settings: &KeyringSettings, place: &Place) -> Result<Signer, Failure> {
    let opened = credence::crypto::keyring::Keyring::open(&place.stored, &settings.keys()?);
    Ok(audit_signer(
        &opened.map_err(|error| keyring_failure(&error))?,
    ))
}

/// A bar that is drawn when somebody looks at it.
fn bar(doing: &'static str) -> ProgressBar {
    let bar = ProgressBar::no_length().with_message(doing);
    let style = ProgressStyle::with_template("{msg}: {human_pos} events, {elapsed}");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.set_draw_target(ProgressDrawTarget::stderr());
    bar
}

/// Reads a time (RFC 3339), or a day, which begins at midnight UTC.
fn parse_time(text: &str) -> Result<Timestamp, &'static str> {
    Timestamp::parse_rfc3339(text)
        .or_else(|| Timestamp::parse_rfc3339(&format!("{text}T00:00:00Z")))
        .ok_or("write a time, such as 2026-01-31T09:30:00Z, or a day, such as 2026-01-31")
}

fn check_failed(message: String) -> Failure {
    Failure::new(FailureKind::CheckFailed, message)
}
