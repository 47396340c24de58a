//! `credence audit prune`.

use clap::Args;
use credence::data_directory::{DataDirectory, DataDirectoryLock};
use credence::domain::audit_prune::{begin_anew, prune, try_take_chains};
use credence::domain::audit_verification::Verification;
use credence::domain::command_log::CommandLog;
use credence::failure::{Failure, FailureKind};
use credence::keyring_start::store_failure;
use credence::store::connection::Database;
use credence::types::audit::Signer;
use credence::types::clock::{Clock, Timestamp};

use super::{bar, check_failed, parse_time, signer, verify};
use crate::command::keyring::{KeyringSettings, Place};
use crate::command::tell;

/// The arguments of `credence audit prune`.
#[derive(Args)]
pub struct PruneArguments {
    /// Events before this time go: a day or a time (RFC 3339)
    #[arg(
        long,
        value_name = "TIME",
        value_parser = parse_time,
        required_unless_present = "damaged"
    )]
    before: Option<Timestamp>,
    /// Remove nothing, and let a log that does not verify go on from where it ends now, with credentials as they are. No server may run.
    /// What was found stays to be seen with `credence audit export`
    #[arg(long, conflicts_with = "before")]
    damaged: bool,
    #[command(flatten)]
    settings: KeyringSettings,
}

/// Removes old events.
pub fn run(arguments: &PruneArguments) -> Result<(), Failure> {
    let clock = Clock::system();
    let mut place = arguments.settings.open()?;
    // Before anything is looked at: what a server writes behind that would be lost.
    let _lock = if arguments.damaged {
        lock(&arguments.settings, &place)?
    } else {
        None
    };
    let signer = signer(&arguments.settings, &place)?;
    if arguments.damaged {
        take_chains(&mut place, &signer)?;
    }
    let mut verification = Verification::default();
    verify::verify(&mut place, &signer, &[], &mut verification)?;
    let mut log = CommandLog::new(&clock);
    let database = place.database.clone();
    let failure = |error| store_failure(&database, error);
    log.follow(&mut place.connection, &signer)
        .map_err(failure)?;
    let Some(before) = arguments.before else {
        let begun =
            begin_anew(&mut place.connection, &signer, &mut log, &verification).map_err(failure)?;
        tell(&format!(
            "The audit log goes on from where it ends, with {} credentials as they are; there were {} findings.",
            begun.credentials, verification.finding_count
        ));
        return Ok(());
    };
    if verification.finding_count > 0 {
        return Err(check_failed(format!(
            "the audit log does not verify, and nothing is removed: {} findings; `credence audit verify` shows them",
            verification.finding_count
        )));
    }
    // What a damaged log has left goes in one transaction, which a server would wait for longer than it may.
    let _lock = if verification.verified.iter().any(|chain| chain.has_kept) {
        lock(&arguments.settings, &place)?
    } else {
        None
    };
    let bar = bar("removing");
    let pruned = prune(
        &mut place.connection,
        &signer,
        &mut log,
        &verification,
        before,
        &mut |count| bar.inc(count),
    );
    bar.finish_and_clear();
    let pruned = pruned.map_err(failure)?;
    tell(&format!(
        "{} events from before {} are removed. What the log said of {} credentials is said again, and what is left verifies.",
        pruned.events,
        before.to_rfc3339(),
        pruned.credentials
    ));
    Ok(())
}

/// Takes the place of the server on SQLite.
fn lock(settings: &KeyringSettings, place: &Place) -> Result<Option<DataDirectoryLock>, Failure> {
    match &place.database {
        Database::Sqlite(_) => Ok(Some(DataDirectory::open(&settings.data.data_dir)?.lock()?)),
        Database::Postgres(_) => Ok(None),
    }
}

/// Takes the place of servers on PostgreSQL: whoever writes has a chain.
fn take_chains(place: &mut Place, signer: &Signer) -> Result<(), Failure> {
    let taken = try_take_chains(&mut place.connection, signer);
    if taken.map_err(|error| store_failure(&place.database, error))? {
        return Ok(());
    }
    Err(Failure::new(
        FailureKind::DataDirectoryInUse,
        "a server or a command writes the audit log of this database: stop all instances first, and nothing is changed until then",
    ))
}
