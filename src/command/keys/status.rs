//! `credence keys status`.

use std::fmt::Write;

use credence::crypto::keyring::KeyPurpose;
use credence::crypto::wrapping::WrappingKey;
use credence::failure::Failure;
use credence::keyring_start::{LEFT_PATIENCE, open_stored, store_failure};
use credence::store::connection::Database;
use credence::store::keyring::list_value_counts;
use credence::store::write_ahead_log::empty_log;
use credence::types::keyring::{KeyState, SlotPurpose, StoredKeyring};
use serde_json::{Value, json};

use crate::command::keyring::KeyringSettings;
use crate::command::print;

/// Shows the keyring.
pub fn run(settings: &KeyringSettings, as_json: bool) -> Result<(), Failure> {
    let mut place = settings.open()?;
    let counts = list_value_counts(&mut place.connection)
        .map_err(|error| store_failure(&place.database, error))?;
    // On PostgreSQL there is no file of ours that could be emptied.
    let copies_are_gone = matches!(place.database, Database::Sqlite(_))
        .then(|| empty_log(&mut place.connection, LEFT_PATIENCE));
    let status = Status {
        copies_are_gone,
        database: &place.database,
        opens: opens(settings, &place.database, &place.stored)?,
        values: place
            .stored
            .keys
            .iter()
            .map(|key| {
                let count = counts.iter().find(|(id, _)| *id == key.id);
                count.map_or(0, |(_, count)| *count)
            })
            .collect(),
        stored: &place.stored,
    };
    if as_json {
        print(&format!("{}\n", status.to_json()))
    } else {
        print(&status.to_text())
    }
}

/// The IDs of the master keys that were given, when they open the keyring; none when none was given.
fn opens(
    settings: &KeyringSettings,
    database: &Database,
    stored: &StoredKeyring,
) -> Result<Vec<String>, Failure> {
    let Some(source) = settings.find_source() else {
        return Ok(Vec::new());
    };
    let keys = source.read()?;
    open_stored(database, stored, &keys)?;
    Ok(keys
        .iter()
        .map(WrappingKey::id)
        .map(|id| id.to_string())
        .collect())
}

struct Status<'a> {
    stored: &'a StoredKeyring,
    /// How many values each data key has sealed, in the order of the keys.
    values: Vec<i64>,
    opens: Vec<String>,
    /// Whether what was dropped and destroyed is in no file any more; `None` where this cannot be known.
    copies_are_gone: Option<bool>,
    database: &'a Database,
}

impl Status<'_> {
    /// How many values are left under data keys that are to go.
    fn left(&self) -> i64 {
        let keys = self.stored.keys.iter().zip(&self.values);
        keys.filter(|(key, _)| matches!(key.state, KeyState::Retiring | KeyState::Destroyed))
            .map(|(_, values)| *values)
            .sum()
    }

    fn to_text(&self) -> String {
        let stored = self.stored;
        let mut text = format!(
            "Deployment {:032x}, keyring of generation {}\n\nMaster keys that open it\n",
            u128::from_be_bytes(stored.deployment_id),
            stored.generation
        );
        for slot in &stored.slots {
            let id = slot.master_key_id.to_string();
            let mut notes = vec![match slot.purpose {
                SlotPurpose::Serve => "for servers",
                SlotPurpose::Recover => "for recovery",
            }];
            if slot.master_key_id == stored.primary {
                notes.push("primary");
            }
            if self.opens.contains(&id) {
                notes.push("given");
            }
            let _written = writeln!(
                text,
                "  {}  {id}  added {}  {}",
                slot.number,
                slot.added_at.to_rfc3339(),
                notes.join(", ")
            );
        }
        text.push_str("\nData keys\n");
        for (key, values) in stored.keys.iter().zip(&self.values) {
            let sealed = if key.purpose == KeyPurpose::Value.as_str() {
                format!("{values} values")
            } else {
                String::new()
            };
            let line = format!(
                "  {:>3}  {:<7}  {:<9}  since {}  {sealed}",
                key.id.0,
                key.purpose.to_lowercase(),
                key.state.as_str().to_lowercase(),
                key.changed_at.to_rfc3339(),
            );
            let _written = writeln!(text, "{}", line.trim_end());
        }
        let _written = writeln!(text, "\nValues left under old data keys: {}", self.left());
        text.push_str(if self.opens.is_empty() {
            "No master key was given: what is shown here was not checked.\n"
        } else {
            "The keyring opens, and says what it said when it was written.\n"
        });
        if !stored
            .slots
            .iter()
            .any(|slot| slot.purpose == SlotPurpose::Recover)
        {
            text.push_str(
                "There is no recovery key: `credence keys --help` says how to add one.\n",
            );
        }
        if self.copies_are_gone == Some(false) {
            let _written = writeln!(
                text,
                "{}-wal may still hold copies of keys and values that are gone: somebody reads the database. Run this again when they have ended.",
                self.database
            );
        }
        text
    }

    fn to_json(&self) -> Value {
        let stored = self.stored;
        let slots: Vec<Value> = stored
            .slots
            .iter()
            .map(|slot| {
                let id = slot.master_key_id.to_string();
                json!({
                    "number": slot.number,
                    "isPrimary": slot.master_key_id == stored.primary,
                    "isGiven": self.opens.contains(&id),
                    "masterKeyId": id,
                    "purpose": slot.purpose.as_str(),
                    "addedAt": slot.added_at.to_rfc3339(),
                })
            })
            .collect();
        let keys: Vec<Value> = stored
            .keys
            .iter()
            .zip(&self.values)
            .map(|(key, values)| {
                json!({
                    "number": key.id.0,
                    "purpose": key.purpose,
                    "state": key.state.as_str(),
                    "changedAt": key.changed_at.to_rfc3339(),
                    "values": values,
                })
            })
            .collect();
        json!({
            "deploymentId": format!("{:032x}", u128::from_be_bytes(stored.deployment_id)),
            "generation": stored.generation,
            "isChecked": !self.opens.is_empty(),
            "valuesUnderOldKeys": self.left(),
            "oldCopiesAreGone": self.copies_are_gone,
            "masterKeys": slots,
            "dataKeys": keys,
        })
    }
}
