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
    let database = arguments.data.database()?;
    if let Database::Sqlite(_) = &database {
        DataDirectory::create(&arguments.data.data_dir)?.touch_database()?;
    }
    migrate(&database)?;
    super::tell(&format!("{database} is up to date."));
    Ok(())
}
