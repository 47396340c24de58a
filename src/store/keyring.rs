//! The rows of the keyring.

use diesel::prelude::*;

use super::connection::DatabaseConnection;
use super::error::StoreError;
use super::schema::{
    audit_events, credentials, data_key_copies, data_keys, keyring, master_key_slots,
};
use crate::types::clock::Timestamp;
use crate::types::keyring::{
    KeyState, MasterKeyId, Slot, SlotPurpose, StoredDataKey, StoredKeyring, WrappedKey,
};
use crate::types::secret::DataKeyId;

/// How often the keyring is read while others change it: a change takes milliseconds.
const READ_ATTEMPTS: usize = 100;

type KeyringColumns = (Vec<u8>, i32, Vec<u8>, i32, Vec<u8>);
type SlotColumns = (i32, Vec<u8>, String, i32, i64, Vec<u8>);
type DataKeyColumns = (i32, String, String, i64);
type CopyColumns = (i32, Vec<u8>, Vec<u8>);

/// The keyring, if there is one.
///
/// # Errors
/// [`StoreError::Unreadable`] when a column has a content that it never has.
pub fn find_keyring(
    connection: &mut DatabaseConnection,
) -> Result<Option<StoredKeyring>, StoreError> {
    for _ in 0..READ_ATTEMPTS {
        let Some(found) = read_keyring(connection)? else {
            return Ok(None);
        };
        // Its rows are read one table after the other: they belong together when no other generation came meanwhile.
        if find_generation(connection)? == Some(found.generation) {
            return Ok(Some(found));
        }
    }
    Err(StoreError::Conflict)
}

/// The generation of the keyring, if there is one: it rises with each change.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn find_generation(connection: &mut DatabaseConnection) -> Result<Option<i32>, StoreError> {
    let found = keyring::table.select(keyring::generation);
    Ok(found.first(connection).optional()?)
}

fn read_keyring(connection: &mut DatabaseConnection) -> Result<Option<StoredKeyring>, StoreError> {
    let row: Option<KeyringColumns> = keyring::table
        .select(keyring::all_columns)
        .first(connection)
        .optional()?;
    let Some((deployment_id, format, primary, generation, tag)) = row else {
        return Ok(None);
    };
    let slots: Vec<SlotColumns> = master_key_slots::table
        .select(master_key_slots::all_columns)
        .order(master_key_slots::number)
        .load(connection)?;
    let keys: Vec<DataKeyColumns> = data_keys::table
        .select(data_keys::all_columns)
        .order(data_keys::id)
        .load(connection)?;
    let copies: Vec<CopyColumns> = data_key_copies::table
        .select(data_key_copies::all_columns)
        .order((data_key_copies::data_key_id, data_key_copies::master_key_id))
        .load(connection)?;
    let slots: Result<Vec<Slot>, StoreError> = slots.into_iter().map(slot_of).collect();
    let keys: Result<Vec<StoredDataKey>, StoreError> = keys
        .into_iter()
        .map(|key| data_key_of(key, &copies))
        .collect();
    Ok(Some(StoredKeyring {
        deployment_id: deployment_id
            .try_into()
            .map_err(|_length| StoreError::Unreadable)?,
        format,
        primary: master_key_id(primary)?,
        generation,
        tag,
        slots: slots?,
        keys: keys?,
    }))
}

fn master_key_id(bytes: Vec<u8>) -> Result<MasterKeyId, StoreError> {
    let bytes = bytes.try_into().map_err(|_length| StoreError::Unreadable)?;
    Ok(MasterKeyId(bytes))
}

fn slot_of(row: SlotColumns) -> Result<Slot, StoreError> {
    let (number, id, purpose, generation, added_at_us, check_value) = row;
    Ok(Slot {
        number,
        master_key_id: master_key_id(id)?,
        purpose: SlotPurpose::parse(&purpose).ok_or(StoreError::Unreadable)?,
        generation,
        added_at: Timestamp(added_at_us),
        check_value,
    })
}

fn data_key_of(row: DataKeyColumns, copies: &[CopyColumns]) -> Result<StoredDataKey, StoreError> {
    let (id, purpose, state, changed_at_us) = row;
    let own = copies.iter().filter(|(of, _, _)| *of == id);
    let copies: Result<Vec<WrappedKey>, StoreError> = own
        .map(|(_, id, wrapped)| {
            Ok(WrappedKey {
                master_key_id: master_key_id(id.clone())?,
                wrapped: wrapped.clone(),
            })
        })
        .collect();
    Ok(StoredDataKey {
        id: DataKeyId(id),
        purpose,
        state: KeyState::parse(&state).ok_or(StoreError::Unreadable)?,
        changed_at: Timestamp(changed_at_us),
        copies: copies?,
    })
}

/// Writes the keyring of a new deployment.
///
/// # Errors
/// [`StoreError::NotUnique`] when there is one already.
pub fn insert_keyring(
    connection: &mut DatabaseConnection,
    stored: &StoredKeyring,
) -> Result<(), StoreError> {
    diesel::insert_into(keyring::table)
        .values((
            keyring::deployment_id.eq(stored.deployment_id.as_slice()),
            keyring::format.eq(stored.format),
            keyring::primary_master_key_id.eq(stored.primary.0.as_slice()),
            keyring::generation.eq(stored.generation),
            keyring::tag.eq(&stored.tag),
        ))
        .execute(connection)?;
    insert_slots(connection, stored)?;
    for key in &stored.keys {
        insert_data_key(connection, key)?;
    }
    insert_copies(connection, stored)
}

/// Puts the next generation of the keyring in the place of `before`. Returns whether it did: not when somebody else has changed it
/// meanwhile. Rows that go are overwritten on SQLite (`secure_delete`).
///
/// # Errors
/// A [`StoreError`] when the database cannot be written.
pub fn update_keyring(
    connection: &mut DatabaseConnection,
    before: &StoredKeyring,
    after: &StoredKeyring,
) -> Result<bool, StoreError> {
    let unchanged = keyring::table.filter(keyring::generation.eq(before.generation));
    let changed = diesel::update(unchanged)
        .set((
            keyring::primary_master_key_id.eq(after.primary.0.as_slice()),
            keyring::generation.eq(after.generation),
            keyring::tag.eq(&after.tag),
        ))
        .execute(connection)?;
    if changed == 0 {
        return Ok(false);
    }
    for key in &after.keys {
        let known = before.keys.iter().find(|known| known.id == key.id);
        match known {
            None => insert_data_key(connection, key)?,
            Some(known) if known.state != key.state => update_state(connection, key)?,
            Some(_same) => {}
        }
    }
    if before.slots != after.slots {
        diesel::delete(master_key_slots::table).execute(connection)?;
        insert_slots(connection, after)?;
    }
    diesel::delete(data_key_copies::table).execute(connection)?;
    insert_copies(connection, after)?;
    Ok(true)
}

fn insert_slots(
    connection: &mut DatabaseConnection,
    stored: &StoredKeyring,
) -> Result<(), StoreError> {
    for slot in &stored.slots {
        diesel::insert_into(master_key_slots::table)
            .values((
                master_key_slots::number.eq(slot.number),
                master_key_slots::master_key_id.eq(slot.master_key_id.0.as_slice()),
                master_key_slots::purpose.eq(slot.purpose.as_str()),
                master_key_slots::generation.eq(slot.generation),
                master_key_slots::added_at_us.eq(slot.added_at.0),
                master_key_slots::check_value.eq(&slot.check_value),
            ))
            .execute(connection)?;
    }
    Ok(())
}

fn insert_data_key(
    connection: &mut DatabaseConnection,
    key: &StoredDataKey,
) -> Result<(), StoreError> {
    diesel::insert_into(data_keys::table)
        .values((
            data_keys::id.eq(key.id.0),
            data_keys::purpose.eq(&key.purpose),
            data_keys::state.eq(key.state.as_str()),
            data_keys::changed_at_us.eq(key.changed_at.0),
        ))
        .execute(connection)?;
    Ok(())
}

fn update_state(
    connection: &mut DatabaseConnection,
    key: &StoredDataKey,
) -> Result<(), StoreError> {
    diesel::update(data_keys::table.filter(data_keys::id.eq(key.id.0)))
        .set((
            data_keys::state.eq(key.state.as_str()),
            data_keys::changed_at_us.eq(key.changed_at.0),
        ))
        .execute(connection)?;
    Ok(())
}

fn insert_copies(
    connection: &mut DatabaseConnection,
    stored: &StoredKeyring,
) -> Result<(), StoreError> {
    for key in &stored.keys {
        for copy in &key.copies {
            diesel::insert_into(data_key_copies::table)
                .values((
                    data_key_copies::data_key_id.eq(key.id.0),
                    data_key_copies::master_key_id.eq(copy.master_key_id.0.as_slice()),
                    data_key_copies::wrapped.eq(&copy.wrapped),
                ))
                .execute(connection)?;
        }
    }
    Ok(())
}

/// Whether there is anything that a keyring belongs to: a database with rows but no keyring is unfinished or damaged.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn has_rows_of_keyring(connection: &mut DatabaseConnection) -> Result<bool, StoreError> {
    let key: Option<i32> = data_keys::table
        .select(data_keys::id)
        .first(connection)
        .optional()?;
    let credential: Option<Vec<u8>> = credentials::table
        .select(credentials::id)
        .first(connection)
        .optional()?;
    let event: Option<Vec<u8>> = audit_events::table
        .select(audit_events::id)
        .first(connection)
        .optional()?;
    Ok(key.is_some() || credential.is_some() || event.is_some())
}

/// How far a data key has come; `None` for one that never was.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn find_key_state(
    connection: &mut DatabaseConnection,
    id: DataKeyId,
) -> Result<Option<KeyState>, StoreError> {
    let word: Option<String> = data_keys::table
        .filter(data_keys::id.eq(id.0))
        .select(data_keys::state)
        .first(connection)
        .optional()?;
    Ok(word.as_deref().and_then(KeyState::parse))
}

/// The first data key of a purpose that is in a state.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn find_key_in_state(
    connection: &mut DatabaseConnection,
    purpose: &str,
    state: KeyState,
) -> Result<Option<DataKeyId>, StoreError> {
    let id: Option<i32> = data_keys::table
        .filter(data_keys::purpose.eq(purpose))
        .filter(data_keys::state.eq(state.as_str()))
        .order(data_keys::id)
        .select(data_keys::id)
        .first(connection)
        .optional()?;
    Ok(id.map(DataKeyId))
}

/// How many values a data key has sealed that are there.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn count_values(connection: &mut DatabaseConnection, id: DataKeyId) -> Result<u64, StoreError> {
    let count: i64 = credentials::table
        .filter(credentials::data_key_id.eq(id.0))
        .count()
        .get_result(connection)?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Waits for the transactions that write values of a data key, and keeps others from doing so until this one ends: the foreign key of
/// their rows wants the same lock. SQLite has one writer only.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn lock_data_key(connection: &mut DatabaseConnection, id: DataKeyId) -> Result<(), StoreError> {
    if let DatabaseConnection::Postgres(postgres) = connection {
        let _locked: Option<i32> = data_keys::table
            .filter(data_keys::id.eq(id.0))
            .select(data_keys::id)
            .for_update()
            .first(postgres)
            .optional()?;
    }
    Ok(())
}

/// How many values each data key has sealed that are there.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn list_value_counts(
    connection: &mut DatabaseConnection,
) -> Result<Vec<(DataKeyId, i64)>, StoreError> {
    let rows: Vec<(i32, i64)> = credentials::table
        .group_by(credentials::data_key_id)
        .select((credentials::data_key_id, diesel::dsl::count_star()))
        .order(credentials::data_key_id)
        .load(connection)?;
    Ok(rows
        .into_iter()
        .map(|(id, count)| (DataKeyId(id), count))
        .collect())
}
