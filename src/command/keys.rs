//! `credence keys`.

use std::path::PathBuf;

use clap::Subcommand;
use credence::crypto::master_key::MasterKey;
use credence::data_directory::write_secret_file;
use credence::failure::{Failure, FailureKind};

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
    let key = MasterKey::generate().map_err(|_unavailable| {
        Failure::new(FailureKind::Software, "the system's random source failed")
    })?;
    write_secret_file(&file, format!("{}\n", key.to_text().as_str()).as_bytes())?;
    super::tell(&format!(
        "The master key {} is in {}. Keep a copy in another place: without it, every value is lost.\n\
         Next: credence serve --master-key-file {} …",
        key.id(),
        file.display(),
        file.display()
    ));
    Ok(())
}
