//! `credence keys generate`.

use std::path::Path;

use credence::data_directory::create_master_key_file;
use credence::failure::Failure;

use crate::command::{quoted, tell};

/// Makes a master key.
pub fn run(file: &Path) -> Result<(), Failure> {
    let key = create_master_key_file(file)?;
    let path = quoted(file);
    tell(&format!(
        "The master key {} is in {}. Keep a copy in another place: when all master keys of a keyring are lost, every value is lost.\n\
         For a new deployment:      credence serve --master-key-file {path} …\n\
         As a recovery key:         credence keys add-slot {path} --recovery …\n\
         In the place of another:   credence keys add-slot {path} …   (`credence keys --help` has all steps)",
        key.id(),
        file.display(),
    ));
    Ok(())
}
