//! `credence keys`: the keyring, in the hands of an operator.

mod generate;
mod rotate;
mod slot;
mod status;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use credence::config::{DataSettings, MasterKeySettings};
use credence::crypto::wrapping::WrappingKey;
use credence::data_directory::DataDirectory;
use credence::domain::keyring_change::{KeyringEditor, KeyringProblem};
use credence::failure::{Failure, FailureKind};
use credence::keyring_start::{connect, inspect, keyring_failure, store_failure};
use credence::master_key_source::MasterKeySource;
use credence::store::connection::{Database, DatabaseConnection};
use credence::store::migration;
use credence::types::clock::Clock;
use credence::types::keyring::{MasterKeyId, StoredKeyring};

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

/// Where the keyring is, and what opens it.
#[derive(Args)]
pub struct KeyringSettings {
    #[command(flatten)]
    data: DataSettings,
    #[command(flatten)]
    master_key: MasterKeySettings,
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

/// A database with a keyring, and a connection to it.
struct Place {
    database: Database,
    connection: DatabaseConnection,
    stored: StoredKeyring,
}

impl KeyringSettings {
    /// Opens the database. It must have been served before.
    fn open(&self) -> Result<Place, Failure> {
        let database = self.data.database()?;
        if let Database::Sqlite(_) = &database {
            DataDirectory::open(&self.data.data_dir)?;
        }
        let stored = inspect(&database)?
            .ok_or_else(|| Failure::configuration(KeyringProblem::NoKeyring.to_string()))?;
        let mut connection = connect(&database)?;
        let failure = |error| store_failure(&database, error);
        if !migration::is_current(&mut connection).map_err(failure)? {
            return Err(Failure::configuration(
                "the database is of an earlier version: run `credence migrate` first",
            ));
        }
        connection.be_patient().map_err(failure)?;
        Ok(Place {
            database,
            connection,
            stored,
        })
    }

    /// Where the master keys come from: what is configured, or the file of local mode.
    fn source(&self) -> Option<MasterKeySource> {
        MasterKeySource::find(&self.master_key).or_else(|| {
            let directory = DataDirectory::open(&self.data.data_dir).ok()?;
            let file = directory.master_key();
            file.exists().then(|| MasterKeySource::file(file))
        })
    }

    /// The master keys.
    fn keys(&self) -> Result<Vec<WrappingKey>, Failure> {
        let source = self.source().ok_or_else(|| {
            Failure::configuration(
                "no master key: name the file of one that has a slot with --master-key-file",
            )
        })?;
        source.read()
    }
}

/// Changes the keyring.
fn edit<T>(
    settings: &KeyringSettings,
    keys: &[WrappingKey],
    change: impl FnOnce(&mut KeyringEditor<'_>) -> Result<T, KeyringProblem>,
) -> Result<T, Failure> {
    let mut place = settings.open()?;
    let clock = Clock::system();
    let mut editor = KeyringEditor {
        connection: &mut place.connection,
        keys,
        clock: &clock,
    };
    change(&mut editor).map_err(|problem| match problem {
        KeyringProblem::Keyring(error) => keyring_failure(&error),
        KeyringProblem::Store(error) => store_failure(&place.database, error),
        KeyringProblem::Overtaken => {
            Failure::new(FailureKind::DatabaseUnreachable, problem.to_string())
        }
        problem => Failure::configuration(problem.to_string()),
    })
}
