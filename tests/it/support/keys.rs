//! Master keys, and commands about them.

use std::path::{Path, PathBuf};
use std::process::Output;

use credence::crypto::keyring::{Keyring, ValueBinding};
use credence::crypto::master_key::MasterKey;
use credence::crypto::wrapping::WrappingKey;
use credence::data_directory::write_secret_file;
use credence::store::connection::{Database, DatabaseConnection};
use credence::store::error::StoreError;
use credence::store::{credential, keyring, user};
use credence::types::clock::Timestamp;
use credence::types::credential::{Credential, StoredValue};
use credence::types::id::{Id, IdSource};
use credence::types::keyring::StoredKeyring;
use credence::types::secret::{SecretValue, UncheckedSecret};

use super::process::{Place, stderr};
use super::secret;

/// A new master key in a file, and its ID.
pub fn new_key(directory: &Path, name: &str) -> (PathBuf, String) {
    let key = MasterKey::generate().unwrap();
    let path = directory.join(name);
    write_secret_file(&path, key.to_text().as_bytes()).unwrap();
    (path, key.id().to_string())
}

/// The wrapping key of a master key in a file.
pub fn wrapping_key(path: &Path) -> WrappingKey {
    let text = std::fs::read_to_string(path).unwrap();
    WrappingKey::of(&MasterKey::parse(text.trim()).unwrap()).unwrap()
}

/// Runs `credence keys` on a place.
pub fn keys(place: &Place, words: &[&str]) -> Output {
    let words = [&["keys"], words].concat();
    place.command(&words).output().unwrap()
}

/// Runs `credence keys` on a place, successfully.
#[track_caller]
pub fn change_keys(place: &Place, words: &[&str]) -> Output {
    let output = keys(place, words);
    assert!(output.status.success(), "{words:?}: {}", stderr(&output));
    output
}

/// Runs `credence keys` on a place, which refuses.
#[track_caller]
pub fn keys_refused(place: &Place, words: &[&str], told: &str) {
    let output = keys(place, words);
    assert_eq!(
        output.status.code(),
        Some(78),
        "{words:?}: {}",
        stderr(&output)
    );
    assert!(
        stderr(&output).contains(told),
        "{words:?}: {}",
        stderr(&output)
    );
    assert_eq!(stderr(&output).lines().count(), 1, "{}", stderr(&output));
}

/// What `credence keys status` shows.
pub fn status(place: &Place) -> serde_json::Value {
    let output = change_keys(place, &["status", "--json"]);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The keyring of a database.
pub fn stored_keyring(connection: &mut DatabaseConnection) -> StoredKeyring {
    keyring::find_keyring(connection).unwrap().unwrap()
}

/// Adds credentials of a user, as the server would have: each has `secret(name)` as its value. Returns their IDs and names.
pub fn add_credentials(
    database: &Database,
    master_key: &Path,
    owner: &str,
    count: usize,
) -> Vec<(String, String)> {
    let mut connection = database.connect().unwrap();
    connection.be_patient().unwrap();
    let stored = stored_keyring(&mut connection);
    let opened = Keyring::open(&stored, &[wrapping_key(master_key)]).unwrap();
    let owner = user::find_user(&mut connection, Id::parse(owner).unwrap());
    let owner = owner.unwrap().unwrap();
    let ids = IdSource::new(credence::types::clock::Clock::system());
    let mut added = Vec::new();
    let write = |connection: &mut DatabaseConnection| -> Result<(), StoreError> {
        for number in 0..count {
            let name = format!("added {number:06}");
            let credential = Credential {
                id: ids.next(),
                name: name.clone(),
                name_key: name.clone(),
                owner: owner.clone(),
                value_version: 1,
                created_at: Timestamp(0),
                updated_at: Timestamp(0),
                value_updated_at: Timestamp(0),
            };
            let value = SecretValue::parse(UncheckedSecret::new(secret(&name))).unwrap();
            let binding = ValueBinding {
                credential_id: credential.id,
                owner_id: owner.id,
                name_key: &credential.name_key,
                value_version: 1,
            };
            let (sealed, data_key) = opened.seal_value(&value, &binding).unwrap();
            credential::insert_credential(
                connection,
                &credential,
                &StoredValue { sealed, data_key },
            )?;
            added.push((credential.id.to_string(), name));
        }
        Ok(())
    };
    connection.in_write_transaction(write).unwrap();
    added
}
