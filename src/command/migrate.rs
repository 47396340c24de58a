//! `credence migrate`.

use clap::Args;
use credence::config::DataSettings;
use credence::data_directory::DataDirectory;
use credence::failure::Failure;
use credence::keyring_start::migrate;
use credence::store::connection::Database;

/// The arguments of `credence migrate`.
#[derive(Args)]
pub struct MigrateArguments {
    #[command(flatten)]
    data: DataSettings,
}

/// Applies the migrations. Keys are not needed for it.
pub fn run(arguments: &MigrateArguments) -> Result<(), Failure> {
    let directory = DataDirectory::create(&arguments.data.data_dir)?;
    directory.touch_database()?;
    migrate(&Database::Sqlite(directory.database()))?;
    super::tell(&format!(
        "{} is up to date.",
        directory.database().display()
    ));
    Ok(())
}
