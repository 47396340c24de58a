//! The keyring as commands reach it: where the database is, and where master keys come from.

use clap::Args;
use credence::config::{DataSettings, MasterKeySettings};
use credence::crypto::wrapping::WrappingKey;
use credence::data_directory::DataDirectory;
use credence::domain::keyring_change::KeyringProblem;
use credence::failure::Failure;
use credence::keyring_start::{connect, inspect, store_failure};
use credence::master_key_source::MasterKeySource;
use credence::store::connection::{Database, DatabaseConnection};
use credence::store::migration;
use credence::types::keyring::StoredKeyring;

/// Where the keyring is, and what opens it.
#[derive(Args)]
pub struct KeyringSettings {
    #[command(flatten)]
    pub data: DataSettings,
    #[command(flatten)]
    master_key: MasterKeySettings,
}

/// A database with a keyring, and a connection to it.
pub struct Place {
    /// The database.
    pub database: Database,
    /// A connection that is patient.
    pub connection: DatabaseConnection,
    /// The keyring.
    pub stored: StoredKeyring,
}

impl KeyringSettings {
    /// Opens the database. It must have been served before.
    pub fn open(&self) -> Result<Place, Failure> {
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

    /// Where the master keys come from: what is configured, or the file of local mode; `None` when there is neither.
    pub fn find_source(&self) -> Option<MasterKeySource> {
        MasterKeySource::find(&self.master_key).or_else(|| {
            let directory = DataDirectory::open(&self.data.data_dir).ok()?;
            let file = directory.master_key();
            file.exists().then(|| MasterKeySource::file(file))
        })
    }

    /// Where the master keys come from, which must be somewhere.
    pub fn source(&self) -> Result<MasterKeySource, Failure> {
        self.find_source().ok_or_else(|| {
            Failure::configuration(
                "no master key: name the file of one that has a slot with --master-key-file",
            )
        })
    }

    /// The master keys.
    pub fn keys(&self) -> Result<Vec<WrappingKey>, Failure> {
        self.source()?.read()
    }
}
