//! The rows of credentials, and of credentials that were deleted.

use diesel::prelude::*;

use super::connection::{DatabaseConnection, on_connection};
use super::error::StoreError;
use super::row;
use super::schema::{credentials, deleted_credentials, users};
use super::user::{self, USER_COLUMNS, UserColumns, UserRow};
use crate::types::audit::CredentialState;
use crate::types::clock::Timestamp;
use crate::types::credential::{Credential, DeletedCredential, StoredValue};
use crate::types::id::Id;
use crate::types::secret::{DataKeyId, Sealed};
use crate::types::user::User;

/// The columns of a credential with its owner, in the order of [`CredentialRow`]. The value is not among them.
pub const CREDENTIAL_COLUMNS: CredentialColumns = (
    credentials::id,
    credentials::name,
    credentials::name_key,
    credentials::value_version,
    credentials::created_at_us,
    credentials::updated_at_us,
    credentials::value_updated_at_us,
    USER_COLUMNS,
);

/// The type of [`CREDENTIAL_COLUMNS`].
pub type CredentialColumns = (
    credentials::id,
    credentials::name,
    credentials::name_key,
    credentials::value_version,
    credentials::created_at_us,
    credentials::updated_at_us,
    credentials::value_updated_at_us,
    UserColumns,
);

/// A row of [`CREDENTIAL_COLUMNS`].
pub type CredentialRow = (Vec<u8>, String, String, i32, i64, i64, i64, UserRow);

const VALUE_COLUMNS: (credentials::sealed_value, credentials::data_key_id) =
    (credentials::sealed_value, credentials::data_key_id);

type ValueRow = (Vec<u8>, i32);

/// Makes a credential of a row.
///
/// # Errors
/// [`StoreError::Unreadable`] when an ID is none.
pub fn credential_of(row: CredentialRow) -> Result<Credential, StoreError> {
    let (
        id,
        name,
        name_key,
        value_version,
        created_at_us,
        updated_at_us,
        value_updated_at_us,
        owner,
    ) = row;
    Ok(Credential {
        id: row::id(id)?,
        name,
        name_key,
        owner: user::user_of(owner)?,
        value_version,
        created_at: Timestamp(created_at_us),
        updated_at: Timestamp(updated_at_us),
        value_updated_at: Timestamp(value_updated_at_us),
    })
}

fn value_of((sealed, data_key_id): ValueRow) -> StoredValue {
    StoredValue {
        sealed: Sealed(sealed),
        data_key: DataKeyId(data_key_id),
    }
}

/// The credential with an ID.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn find_credential(
    connection: &mut DatabaseConnection,
    id: Id<Credential>,
) -> Result<Option<Credential>, StoreError> {
    let row: Option<CredentialRow> = credentials::table
        .inner_join(users::table)
        .select(CREDENTIAL_COLUMNS)
        .filter(credentials::id.eq(id.as_bytes().as_slice()))
        .first(connection)
        .optional()?;
    row.map(credential_of).transpose()
}

/// The credential with a folded name.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn find_credential_by_name_key(
    connection: &mut DatabaseConnection,
    name_key: &str,
) -> Result<Option<Credential>, StoreError> {
    let row: Option<CredentialRow> = credentials::table
        .inner_join(users::table)
        .select(CREDENTIAL_COLUMNS)
        .filter(credentials::name_key.eq(name_key))
        .first(connection)
        .optional()?;
    row.map(credential_of).transpose()
}

/// The sealed value of a credential.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn find_value(
    connection: &mut DatabaseConnection,
    id: Id<Credential>,
) -> Result<Option<StoredValue>, StoreError> {
    let row: Option<ValueRow> = credentials::table
        .filter(credentials::id.eq(id.as_bytes().as_slice()))
        .select(VALUE_COLUMNS)
        .first(connection)
        .optional()?;
    Ok(row.map(value_of))
}

/// The credential with an ID, and its sealed value.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn find_credential_with_value(
    connection: &mut DatabaseConnection,
    id: Id<Credential>,
) -> Result<Option<(Credential, StoredValue)>, StoreError> {
    let found = credentials::table
        .inner_join(users::table)
        .filter(credentials::id.eq(id.as_bytes().as_slice()))
        .select((CREDENTIAL_COLUMNS, VALUE_COLUMNS));
    let row: Option<(CredentialRow, ValueRow)> =
        on_connection!(connection, inner => found.first(inner)).optional()?;
    row.map(|(credential, value)| Ok((credential_of(credential)?, value_of(value))))
        .transpose()
}

/// Credentials whose values a data key sealed, with those values, in the order of their IDs: so many behind an ID.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn list_values(
    connection: &mut DatabaseConnection,
    data_key: DataKeyId,
    after: Id<Credential>,
    limit_rows: i64,
) -> Result<Vec<(Credential, StoredValue)>, StoreError> {
    let rows: Vec<(CredentialRow, ValueRow)> = credentials::table
        .inner_join(users::table)
        .filter(credentials::data_key_id.eq(data_key.0))
        .filter(credentials::id.gt(after.as_bytes().as_slice()))
        .order(credentials::id)
        .limit(limit_rows)
        .select((CREDENTIAL_COLUMNS, VALUE_COLUMNS))
        .load(connection)?;
    rows.into_iter()
        .map(|(credential, value)| Ok((credential_of(credential)?, value_of(value))))
        .collect()
}

/// What credentials are like, in the order of their IDs: so many behind an ID.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn list_states(
    connection: &mut DatabaseConnection,
    after: Id<Credential>,
    limit_rows: i64,
) -> Result<Vec<CredentialState>, StoreError> {
    let rows: Vec<(Vec<u8>, String, i32, Vec<u8>)> = credentials::table
        .filter(credentials::id.gt(after.as_bytes().as_slice()))
        .order(credentials::id)
        .limit(limit_rows)
        .select((
            credentials::id,
            credentials::name,
            credentials::value_version,
            credentials::owner_id,
        ))
        .load(connection)?;
    let state_of = |(id, name, value_version, owner_id)| {
        Ok(CredentialState {
            credential_id: row::id(id)?,
            name,
            value_version,
            owner_id: row::id(owner_id)?,
            event_id: Id::NIL,
        })
    };
    rows.into_iter().map(state_of).collect()
}

/// Replaces the value of a credential by the same one, sealed anew, if nothing of it has changed. Returns how many rows that were.
///
/// # Errors
/// A [`StoreError`] when the database cannot be written.
pub fn update_seal(
    connection: &mut DatabaseConnection,
    credential: &Credential,
    before: &StoredValue,
    after: &StoredValue,
) -> Result<usize, StoreError> {
    let unchanged = credentials::table
        .filter(credentials::id.eq(credential.id.as_bytes().as_slice()))
        .filter(credentials::value_version.eq(credential.value_version))
        .filter(credentials::data_key_id.eq(before.data_key.0))
        .filter(credentials::name_key.eq(&credential.name_key))
        .filter(credentials::owner_id.eq(credential.owner.id.as_bytes().as_slice()));
    let update = diesel::update(unchanged).set((
        credentials::data_key_id.eq(after.data_key.0),
        credentials::sealed_value.eq(&after.sealed.0),
    ));
    Ok(on_connection!(connection, inner => update.execute(inner))?)
}

/// All credentials of an owner, in the order of their IDs.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn list_credentials_of(
    connection: &mut DatabaseConnection,
    owner_id: Id<User>,
) -> Result<Vec<Credential>, StoreError> {
    let rows: Vec<CredentialRow> = credentials::table
        .inner_join(users::table)
        .select(CREDENTIAL_COLUMNS)
        .filter(credentials::owner_id.eq(owner_id.as_bytes().as_slice()))
        .order(credentials::id)
        .load(connection)?;
    rows.into_iter().map(credential_of).collect()
}

/// Keeps others from changing a credential until the transaction ends. SQLite has one writer only.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn lock_credential(
    connection: &mut DatabaseConnection,
    id: Id<Credential>,
) -> Result<(), StoreError> {
    if let DatabaseConnection::Postgres(postgres) = connection {
        let _locked: Option<Vec<u8>> = credentials::table
            .find(id.as_bytes().as_slice())
            .select(credentials::id)
            .for_update()
            .get_result(postgres)
            .optional()?;
    }
    Ok(())
}

/// Adds a credential.
///
/// # Errors
/// [`StoreError::NotUnique`] when another has the name, [`StoreError::NoReferent`] when the owner is gone.
pub fn insert_credential(
    connection: &mut DatabaseConnection,
    credential: &Credential,
    value: &StoredValue,
) -> Result<(), StoreError> {
    diesel::insert_into(credentials::table)
        .values((
            credentials::id.eq(credential.id.as_bytes().as_slice()),
            credentials::name.eq(&credential.name),
            credentials::name_key.eq(&credential.name_key),
            credentials::owner_id.eq(credential.owner.id.as_bytes().as_slice()),
            credentials::value_version.eq(credential.value_version),
            credentials::created_at_us.eq(credential.created_at.0),
            credentials::updated_at_us.eq(credential.updated_at.0),
            credentials::value_updated_at_us.eq(credential.value_updated_at.0),
            credentials::data_key_id.eq(value.data_key.0),
            credentials::sealed_value.eq(&value.sealed.0),
        ))
        .execute(connection)?;
    Ok(())
}

/// Replaces what can change of a credential, if it still is what `before` says. Returns how many rows changed: none when
/// somebody else was quicker.
///
/// # Errors
/// [`StoreError::NotUnique`] when another has the name, [`StoreError::NoReferent`] when the owner is gone.
pub fn update_credential(
    connection: &mut DatabaseConnection,
    before: &Credential,
    after: &Credential,
    value: &StoredValue,
) -> Result<usize, StoreError> {
    let unchanged = credentials::table
        .filter(credentials::id.eq(before.id.as_bytes().as_slice()))
        .filter(credentials::name.eq(&before.name))
        .filter(credentials::owner_id.eq(before.owner.id.as_bytes().as_slice()))
        .filter(credentials::value_version.eq(before.value_version))
        .filter(credentials::updated_at_us.eq(before.updated_at.0));
    let changed = diesel::update(unchanged)
        .set((
            credentials::name.eq(&after.name),
            credentials::name_key.eq(&after.name_key),
            credentials::owner_id.eq(after.owner.id.as_bytes().as_slice()),
            credentials::value_version.eq(after.value_version),
            credentials::updated_at_us.eq(after.updated_at.0),
            credentials::value_updated_at_us.eq(after.value_updated_at.0),
            credentials::data_key_id.eq(value.data_key.0),
            credentials::sealed_value.eq(&value.sealed.0),
        ))
        .execute(connection)?;
    Ok(changed)
}

/// Deletes a credential, if it still is what `before` says. Returns how many rows that were.
///
/// # Errors
/// A [`StoreError`] when the database cannot be written.
pub fn delete_credential(
    connection: &mut DatabaseConnection,
    before: &Credential,
) -> Result<usize, StoreError> {
    let unchanged = credentials::table
        .filter(credentials::id.eq(before.id.as_bytes().as_slice()))
        .filter(credentials::name.eq(&before.name))
        .filter(credentials::owner_id.eq(before.owner.id.as_bytes().as_slice()))
        .filter(credentials::value_version.eq(before.value_version))
        .filter(credentials::updated_at_us.eq(before.updated_at.0));
    Ok(diesel::delete(unchanged).execute(connection)?)
}

/// Notes what a deleted credential was.
///
/// # Errors
/// A [`StoreError`] when the database cannot be written.
pub fn insert_deleted(
    connection: &mut DatabaseConnection,
    deleted: &DeletedCredential,
) -> Result<(), StoreError> {
    diesel::insert_into(deleted_credentials::table)
        .values((
            deleted_credentials::id.eq(deleted.id.as_bytes().as_slice()),
            deleted_credentials::name.eq(&deleted.name),
            deleted_credentials::deleted_at_us.eq(deleted.deleted_at.0),
        ))
        .execute(connection)?;
    Ok(())
}

/// What the deleted credential with an ID was.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn find_deleted(
    connection: &mut DatabaseConnection,
    id: Id<Credential>,
) -> Result<Option<DeletedCredential>, StoreError> {
    let row: Option<(String, i64)> = deleted_credentials::table
        .filter(deleted_credentials::id.eq(id.as_bytes().as_slice()))
        .select((
            deleted_credentials::name,
            deleted_credentials::deleted_at_us,
        ))
        .first(connection)
        .optional()?;
    Ok(row.map(|(name, deleted_at_us)| DeletedCredential {
        id,
        name,
        deleted_at: Timestamp(deleted_at_us),
    }))
}

/// Writes a row and deletes it again: nothing is changed, but what would have to be written is.
///
/// # Errors
/// A [`StoreError`] when the database cannot be written.
pub fn write_and_delete(connection: &mut DatabaseConnection) -> Result<(), StoreError> {
    let nothing = DeletedCredential {
        id: Id::NIL,
        name: String::new(),
        deleted_at: Timestamp(0),
    };
    insert_deleted(connection, &nothing)?;
    let rows = deleted_credentials::table
        .filter(deleted_credentials::id.eq(nothing.id.as_bytes().as_slice()));
    diesel::delete(rows).execute(connection)?;
    Ok(())
}
