//! `credence backup`.

use std::path::PathBuf;

use clap::Args;
use credence::config::DataSettings;
use credence::data_directory::{DataDirectory, write_new_file};
use credence::failure::Failure;
use credence::keyring_start::store_failure;
use credence::store::backup::write_backup;
use credence::store::connection::Database;

/// The arguments of `credence backup`.
#[derive(Args)]
pub struct BackupArguments {
    /// The file: it must not exist
    file: PathBuf,
    #[command(flatten)]
    data: DataSettings,
}

/// Copies the SQLite database into a file that only its owner can read. It is there whole or not at all.
pub fn run(arguments: &BackupArguments) -> Result<(), Failure> {
    let database = arguments.data.database()?;
    let Database::Sqlite(path) = &database else {
        return Err(Failure::configuration(
            "`credence backup` copies SQLite: for PostgreSQL, use pg_dump (docs/operations.md)",
        ));
    };
    DataDirectory::open(&arguments.data.data_dir)?;
    let file = &arguments.file;
    write_new_file(file, |unfinished| {
        write_backup(path, unfinished).map_err(|error| store_failure(&database, error))
    })?;
    super::tell(&format!(
        "The database is in {}. It opens with its master key only: keep that in another place.",
        file.display()
    ));
    Ok(())
}
