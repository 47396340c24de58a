//! `credence backup`.

use std::fs::{hard_link, remove_file};
use std::path::PathBuf;

use clap::Args;
use credence::config::DataSettings;
use credence::data_directory::{DataDirectory, new_private_file, sync_directory};
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
    if file.exists() {
        return Err(Failure::configuration(format!(
            "{} exists already: nothing is written over it",
            file.display()
        )));
    }
    let mut unfinished = file.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let unfinished = PathBuf::from(unfinished);
    // What an earlier backup left that was broken off is of no use.
    let _removed = remove_file(&unfinished);
    let failure = |error| Failure::file(file, "written", &error);
    new_private_file(&unfinished).map_err(failure)?;
    let written = write_backup(path, &unfinished).map_err(|error| store_failure(&database, error));
    let finished = written.and_then(|()| {
        // A link, other than a rename, is not made over a file that is there.
        let linked = hard_link(&unfinished, file).and_then(|()| sync_directory(file));
        linked.map_err(failure)
    });
    let _removed = remove_file(&unfinished);
    finished?;
    super::tell(&format!(
        "The database is in {}. It opens with its master key only: keep that in another place.",
        file.display()
    ));
    Ok(())
}
