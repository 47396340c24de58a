//! The rows of the keyring.

use diesel::prelude::*;

use super::connection::DatabaseConnection;
use super::error::StoreError;
use super::schema::{data_keys, keyring};
use crate::types::keyring::{MasterKeyId, StoredKeyring, WrappedKey};
use crate::types::secret::DataKeyId;

type KeyringColumns = (Vec<u8>, Vec<u8>, i32, Vec<u8>);
type DataKeyColumns = (i32, String, Vec<u8>);

/// The keyring, if there is one.
///
/// # Errors
/// [`StoreError::Unreadable`] when a column has a length that it never has.
pub fn find_keyring(
    connection: &mut DatabaseConnection,
) -> Result<Option<StoredKeyring>, StoreError> {
    let row: Option<KeyringColumns> = keyring::table
        .select((
            keyring::deployment_id,
            keyring::master_key_id,
            keyring::generation,
            keyring::check_value,
        ))
        .first(connection)
        .optional()?;
    let Some((deployment_id, master_key_id, generation, check_value)) = row else {
        return Ok(None);
    };
    let keys: Vec<DataKeyColumns> = data_keys::table
        .select((data_keys::id, data_keys::purpose, data_keys::wrapped))
        .order(data_keys::id)
        .load(connection)?;
    Ok(Some(StoredKeyring {
        deployment_id: deployment_id
            .try_into()
            .map_err(|_length| StoreError::Unreadable)?,
        master_key_id: MasterKeyId(
            master_key_id
                .try_into()
                .map_err(|_length| StoreError::Unreadable)?,
        ),
        generation,
        check_value,
        keys: keys.into_iter().map(wrapped_key).collect(),
    }))
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
            keyring::master_key_id.eq(stored.master_key_id.0.as_slice()),
            keyring::generation.eq(stored.generation),
            keyring::check_value.eq(&stored.check_value),
        ))
        .execute(connection)?;
    for key in &stored.keys {
        diesel::insert_into(data_keys::table)
            .values((
                data_keys::id.eq(key.id.0),
                data_keys::purpose.eq(&key.purpose),
                data_keys::wrapped.eq(&key.wrapped),
            ))
            .execute(connection)?;
    }
    Ok(())
}

/// Whether there is a data key: a database with data keys but no keyring is unfinished or damaged.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn has_data_keys(connection: &mut DatabaseConnection) -> Result<bool, StoreError> {
    let row: Option<i32> = data_keys::table
        .select(data_keys::id)
        .first(connection)
        .optional()?;
    Ok(row.is_some())
}

fn wrapped_key((id, purpose, wrapped): DataKeyColumns) -> WrappedKey {
    WrappedKey {
        id: DataKeyId(id),
        purpose,
        wrapped,
    }
}
