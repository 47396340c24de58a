//! `credence keys add-slot`, `promote` and `drop-slot`.

use std::path::Path;

use credence::crypto::wrapping::WrappingKey;
use credence::failure::Failure;
use credence::master_key_source::MasterKeySource;
use credence::types::keyring::{MasterKeyId, SlotPurpose, StoredKeyring};

use super::edit;
use crate::command::keyring::KeyringSettings;
use crate::command::tell;

/// Gives a master key a slot.
pub fn add(settings: &KeyringSettings, file: &Path, recovery: bool) -> Result<(), Failure> {
    let key = one_key(file)?;
    let purpose = if recovery {
        SlotPurpose::Recover
    } else {
        SlotPurpose::Serve
    };
    let stored = edit(settings, &settings.keys()?, |editor| {
        editor.add_slot(&key, purpose)
    })?
    .outcome;
    let next = if recovery {
        "Keep it offline. `credence keys rotate` wants it too, with --with-key-file: each new data key gets a copy for it.".to_owned()
    } else {
        format!(
            "Next: give it to every server beside the one that it has (--master-key-file OLD,NEW), and when all have it:\n  \
             credence keys promote {} --master-key-file OLD,NEW",
            key.id()
        )
    };
    tell(&format!(
        "The master key {} opens the keyring, as one of {}. Nothing else has changed.\n{next}",
        key.id(),
        stored.slots.len()
    ));
    Ok(())
}

/// Makes a master key the primary one.
pub fn promote(settings: &KeyringSettings, id: MasterKeyId) -> Result<(), Failure> {
    let stored = edit(settings, &settings.keys()?, |editor| editor.promote(id))?.outcome;
    let others = others(&stored);
    let next = if others.is_empty() {
        String::new()
    } else {
        format!(
            "\nNext, when every server was started with it: credence keys drop-slot ID. These still open the keyring: {others}."
        )
    };
    tell(&format!(
        "{id} is the master key that servers are started with.{next}"
    ));
    Ok(())
}

/// Takes a master key its slot.
pub fn drop_slot(settings: &KeyringSettings, id: MasterKeyId) -> Result<(), Failure> {
    let dropped = edit(settings, &settings.keys()?, |editor| editor.drop_slot(id))?;
    let stored = dropped.outcome;
    let others = others(&stored);
    let recovery = if others.is_empty() {
        "\nIt is the only one left: add a recovery key (`credence keys add-slot FILE --recovery`)."
            .to_owned()
    } else {
        format!("\nThese open it too: {others}.")
    };
    tell(&format!(
        "The master key {id} opens the keyring no longer; {} is the one that servers are started with.{recovery}\n\
         It still opens backups that were made before. When somebody else may have had it, run `credence keys rotate` as well.",
        stored.primary
    ));
    dropped.left
}

fn others(stored: &StoredKeyring) -> String {
    let others: Vec<String> = stored
        .slots
        .iter()
        .filter(|slot| slot.master_key_id != stored.primary)
        .map(|slot| match slot.purpose {
            SlotPurpose::Serve => slot.master_key_id.to_string(),
            SlotPurpose::Recover => format!("{} (recovery)", slot.master_key_id),
        })
        .collect();
    others.join(", ")
}

fn one_key(file: &Path) -> Result<WrappingKey, Failure> {
    let mut keys = MasterKeySource::file(file.to_owned()).read()?;
    match (keys.pop(), keys.is_empty()) {
        (Some(key), true) => Ok(key),
        _ => Err(Failure::configuration(format!(
            "{} has several master keys in it: one is added at a time",
            file.display()
        ))),
    }
}
