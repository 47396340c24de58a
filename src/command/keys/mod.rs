//! `credence keys`: the keyring, in the hands of an operator.

mod generate;
mod rotate;
mod slot;
mod status;

use std::path::PathBuf;

use clap::Subcommand;
use credence::config::key_file;
use credence::crypto::wrapping::WrappingKey;
use credence::domain::command_log::CommandLog;
use credence::domain::keyring_change::{KeyringEditor, KeyringProblem};
use credence::failure::{Failure, FailureKind};
use credence::keyring_start::{LEFT_PATIENCE, keyring_failure, store_failure};
use credence::store::write_ahead_log::empty_log;
use credence::types::clock::Clock;
use credence::types::keyring::MasterKeyId;

use super::keyring::KeyringSettings;

/// How a master key is replaced, for the help.
pub const EXAMPLES: &str = "\
How the pieces hang together: values are sealed by a data key. Data keys lie in the database, each in up to four copies, one for each
master key that has a slot. A master key is yours, and never in the database. Any one that has a slot opens everything; when all are
lost, so is every value.

A recovery key, to be kept offline, right after the first start:

  credence keys generate /media/usb/recovery.key
  credence keys add-slot /media/usb/recovery.key --recovery

Another master key, while servers run (each has the old one; `keys status` shows IDs):

  credence keys generate new.key
  credence keys add-slot new.key --master-key-file old.key
  (give every server both: --master-key-file old.key,new.key)
  credence keys promote ID-OF-NEW --master-key-file old.key,new.key
  credence keys drop-slot ID-OF-OLD --master-key-file new.key

Another data key, under which every value is sealed anew, while servers run:

  credence keys rotate --master-key-file new.key --with-key-file /media/usb/recovery.key

Every command works beside running servers, which notice the change within 5 seconds.";

/// The commands about keys.
#[derive(Subcommand)]
pub enum KeysCommand {
    /// Make a master key, in a new file that only its owner can read
    Generate {
        /// The file: it must not exist
        #[arg(value_parser = key_file())]
        file: PathBuf,
    },
    /// Show the master keys that open the keyring, the data keys, and how many values each has sealed
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        settings: KeyringSettings,
    },
    /// Let another master key open the keyring: a new one, or a recovery key to be kept offline
    AddSlot {
        /// The file of the master key that is to be added
        #[arg(value_parser = key_file())]
        file: PathBuf,
        /// It is kept offline, and no server is started with it while another one is there
        #[arg(long)]
        recovery: bool,
        #[command(flatten)]
        settings: KeyringSettings,
    },
    /// Make a master key that has a slot the one that servers are started with
    Promote {
        /// The ID of the master key
        #[arg(value_parser = parse_id)]
        id: MasterKeyId,
        #[command(flatten)]
        settings: KeyringSettings,
    },
    /// Let a master key open the keyring no longer
    DropSlot {
        /// The ID of the master key
        #[arg(value_parser = parse_id)]
        id: MasterKeyId,
        #[command(flatten)]
        settings: KeyringSettings,
    },
    /// Make another data key, seal every value anew under it, and destroy the old one. Goes on where one that was broken off ended
    Rotate(rotate::RotateArguments),
}

/// Does what the line says.
pub fn run(command: KeysCommand) -> Result<(), Failure> {
    match command {
        KeysCommand::Generate { file } => generate::run(&file),
        KeysCommand::Status { json, settings } => status::run(&settings, json),
        KeysCommand::AddSlot {
            file,
            recovery,
            settings,
        } => slot::add(&settings, &file, recovery),
        KeysCommand::Promote { id, settings } => slot::promote(&settings, id),
        KeysCommand::DropSlot { id, settings } => slot::drop_slot(&settings, id),
        KeysCommand::Rotate(arguments) => rotate::run(&arguments),
    }
}

fn parse_id(text: &str) -> Result<MasterKeyId, &'static str> {
    MasterKeyId::parse(text)
        .ok_or("an ID has 16 hexadecimal digits: `credence keys status` shows those of all slots")
}

/// What a change of the keyring came to.
struct Edited<T> {
    outcome: T,
    /// That copies of what is gone may be left in a file: to be told behind what was done.
    left: Result<(), Failure>,
}

/// Changes the keyring.
fn edit<T>(
    settings: &KeyringSettings,
    keys: &[WrappingKey],
    change: impl FnOnce(&mut KeyringEditor<'_>) -> Result<T, KeyringProblem>,
) -> Result<Edited<T>, Failure> {
    let mut place = settings.open()?;
    // What an earlier command left that was killed. Where that cannot be done now, `keys status` says so.
    empty_log(&mut place.connection, LEFT_PATIENCE);
    let clock = Clock::system();
    let mut editor = KeyringEditor {
        connection: &mut place.connection,
        keys,
        clock: &clock,
        log: CommandLog::new(&clock),
        leaves_copies: false,
    };
    let changed = change(&mut editor);
    let left = if editor.leaves_copies {
        Err(Failure::new(
            FailureKind::CheckFailed,
            format!(
                "copies of keys and values that are gone may still be in {}-wal, since somebody reads the database, such as `credence \
                 backup` or `credence audit verify`: run `credence keys status` when they have ended, which removes them",
                place.database
            ),
        ))
    } else {
        Ok(())
    };
    let outcome = changed.map_err(|problem| match problem {
        KeyringProblem::Keyring(error) => keyring_failure(&error),
        KeyringProblem::Store(error) => store_failure(&place.database, error),
        KeyringProblem::Overtaken => {
            Failure::new(FailureKind::DatabaseUnreachable, problem.to_string())
        }
        problem => Failure::configuration(problem.to_string()),
    })?;
    Ok(Edited { outcome, left })
}
