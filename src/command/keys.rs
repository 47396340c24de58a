//! `credence keys`.

use std::path::PathBuf;

use clap::Subcommand;
use credence::data_directory::create_master_key_file;
use credence::failure::Failure;

/// The commands about keys.
#[derive(Subcommand)]
pub enum KeysCommand {
    /// Make a master key, in a new file that only its owner can read
    Generate {
        /// The file: it must not exist
        file: PathBuf,
    },
}

/// Does what the line says.
pub fn run(command: KeysCommand) -> Result<(), Failure> {
    let KeysCommand::Generate { file } = command;
    let key = create_master_key_file(&file)?;
    super::tell(&format!(
        "The master key {} is in {}. Keep a copy in another place: without it, every value is lost.\n\
         Next: credence serve --master-key-file {} …",
        key.id(),
        file.display(),
        super::quoted(&file)
    ));
    Ok(())
}
