//! The rows of sessions and of one-time codes.

use diesel::prelude::*;

use super::connection::DatabaseConnection;
use super::error::StoreError;
use super::row;
use super::schema::{login_codes, sessions, users};
use super::user::{USER_COLUMNS, UserRow, user_of};
use crate::types::clock::Timestamp;
use crate::types::id::Id;
use crate::types::scope::ScopeSet;
use crate::types::session::{Authenticator, LoginCode, RowMac, SecretHash, Session};
use crate::types::user::User;

/// How many rows that have ended go at once.
const SWEEP_LIMIT_ROWS: i64 = 100;
/// The length of an ID, in bytes.
const ID_LENGTH_BYTES: usize = 16;

type SessionRow = (
    Vec<u8>,
    Vec<u8>,
    String,
    Option<Vec<u8>>,
    i64,
    i64,
    i64,
    Vec<u8>,
);

/// The session with a hash, its user, and the mac of its row.
///
/// # Errors
/// [`StoreError::Unreadable`] for a row that no version of this program writes; otherwise one when the database cannot be read.
pub fn find_session(
    connection: &mut DatabaseConnection,
    id_hash: SecretHash,
) -> Result<Option<(Session, User, RowMac)>, StoreError> {
    let found: Option<(SessionRow, UserRow)> = sessions::table
        .inner_join(users::table)
        .filter(sessions::id_hash.eq(id_hash.0.as_slice()))
        .select((
            (
                sessions::authenticator,
                sessions::user_id,
                sessions::scopes,
                sessions::credential_ids,
                sessions::issued_at,
                sessions::created_at_us,
                sessions::ends_at_us,
                sessions::mac,
            ),
            USER_COLUMNS,
        ))
        .first(connection)
        .optional()?;
    let Some((session, user)) = found else {
        return Ok(None);
    };
    let (
        authenticator,
        user_id,
        scopes,
        credential_ids,
        issued_at_seconds,
        created_at_us,
        ends_at_us,
        mac,
    ) = session;
    let session = Session {
        id_hash,
        authenticator: Authenticator(hash(authenticator)?),
        user_id: row::id(user_id)?,
        scopes: ScopeSet::parse(&scopes),
        credential_ids: credential_ids.map(|ids| {
            let (ids, _rest) = ids.as_chunks::<ID_LENGTH_BYTES>();
            ids.iter().copied().map(Id::from_bytes).collect()
        }),
        issued_at_seconds,
        created_at: Timestamp(created_at_us),
        ends_at: Timestamp(ends_at_us),
    };
    Ok(Some((session, user_of(user)?, row_mac(mac)?)))
}

/// Whether there is a session with a hash that has not ended.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn has_session(
    connection: &mut DatabaseConnection,
    id_hash: SecretHash,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let found: Option<i64> = sessions::table
        .find(id_hash.0.as_slice())
        .select(sessions::ends_at_us)
        .first(connection)
        .optional()?;
    Ok(found.is_some_and(|ends_at_us| ends_at_us > now.0))
}

/// Adds a session.
///
/// # Errors
/// [`StoreError::NoReferent`] when its user does not exist.
pub fn insert_session(
    connection: &mut DatabaseConnection,
    session: &Session,
    mac: RowMac,
) -> Result<(), StoreError> {
    diesel::insert_into(sessions::table)
        .values((
            sessions::id_hash.eq(session.id_hash.0.as_slice()),
            sessions::authenticator.eq(session.authenticator.0.as_slice()),
            sessions::user_id.eq(session.user_id.as_bytes().as_slice()),
            sessions::scopes.eq(session.scopes.to_claim()),
            sessions::credential_ids.eq(session.credential_ids_bytes()),
            sessions::issued_at.eq(session.issued_at_seconds),
            sessions::created_at_us.eq(session.created_at.0),
            sessions::ends_at_us.eq(session.ends_at.0),
            sessions::mac.eq(mac.0.as_slice()),
        ))
        .execute(connection)?;
    Ok(())
}

/// Deletes the oldest sessions of a user, so that this many are left.
///
/// # Errors
/// A [`StoreError`] when the database cannot be written.
pub fn delete_oldest(
    connection: &mut DatabaseConnection,
    user_id: Id<User>,
    kept: i64,
) -> Result<(), StoreError> {
    let oldest: Vec<Vec<u8>> = sessions::table
        .filter(sessions::user_id.eq(user_id.as_bytes().as_slice()))
        .order((sessions::created_at_us.desc(), sessions::id_hash))
        .limit(SWEEP_LIMIT_ROWS)
        .offset(kept)
        .select(sessions::id_hash)
        .load(connection)?;
    for id_hash in oldest {
        diesel::delete(sessions::table.find(id_hash)).execute(connection)?;
    }
    Ok(())
}

/// Deletes a session. Returns how many that were.
///
/// # Errors
/// A [`StoreError`] when the database cannot be written.
pub fn delete_session(
    connection: &mut DatabaseConnection,
    id_hash: SecretHash,
) -> Result<usize, StoreError> {
    Ok(diesel::delete(sessions::table.find(id_hash.0.as_slice())).execute(connection)?)
}

/// The one-time code with a hash, and the mac of its row.
///
/// # Errors
/// [`StoreError::Unreadable`] for a row that no version of this program writes; otherwise one when the database cannot be read.
pub fn find_code(
    connection: &mut DatabaseConnection,
    code_hash: SecretHash,
) -> Result<Option<(LoginCode, RowMac)>, StoreError> {
    let found: Option<(String, String, i64, i64, Vec<u8>)> = login_codes::table
        .find(code_hash.0.as_slice())
        .select((
            login_codes::subject,
            login_codes::scopes,
            login_codes::created_at_us,
            login_codes::ends_at_us,
            login_codes::mac,
        ))
        .first(connection)
        .optional()?;
    let Some((subject, scopes, created_at_us, ends_at_us, mac)) = found else {
        return Ok(None);
    };
    let code = LoginCode {
        code_hash,
        subject,
        scopes: ScopeSet::parse(&scopes),
        created_at: Timestamp(created_at_us),
        ends_at: Timestamp(ends_at_us),
    };
    Ok(Some((code, row_mac(mac)?)))
}

/// Adds a one-time code.
///
/// # Errors
/// A [`StoreError`] when the database cannot be written.
pub fn insert_code(
    connection: &mut DatabaseConnection,
    code: &LoginCode,
    mac: RowMac,
) -> Result<(), StoreError> {
    diesel::insert_into(login_codes::table)
        .values((
            login_codes::code_hash.eq(code.code_hash.0.as_slice()),
            login_codes::subject.eq(&code.subject),
            login_codes::scopes.eq(code.scopes.to_claim()),
            login_codes::created_at_us.eq(code.created_at.0),
            login_codes::ends_at_us.eq(code.ends_at.0),
            login_codes::mac.eq(mac.0.as_slice()),
        ))
        .execute(connection)?;
    Ok(())
}

/// Deletes a one-time code. Returns how many that were: of several who use it at once, one is told 1.
///
/// # Errors
/// A [`StoreError`] when the database cannot be written.
pub fn delete_code(
    connection: &mut DatabaseConnection,
    code_hash: SecretHash,
) -> Result<usize, StoreError> {
    Ok(diesel::delete(login_codes::table.find(code_hash.0.as_slice())).execute(connection)?)
}

/// Deletes sessions and codes that have ended, at most 100 of each.
///
/// # Errors
/// A [`StoreError`] when the database cannot be written.
pub fn delete_ended(connection: &mut DatabaseConnection, now: Timestamp) -> Result<(), StoreError> {
    let ended: Vec<Vec<u8>> = sessions::table
        .filter(sessions::ends_at_us.le(now.0))
        .order(sessions::ends_at_us)
        .limit(SWEEP_LIMIT_ROWS)
        .select(sessions::id_hash)
        .load(connection)?;
    for id_hash in ended {
        diesel::delete(sessions::table.find(id_hash)).execute(connection)?;
    }
    let ended: Vec<Vec<u8>> = login_codes::table
        .filter(login_codes::ends_at_us.le(now.0))
        .order(login_codes::ends_at_us)
        .limit(SWEEP_LIMIT_ROWS)
        .select(login_codes::code_hash)
        .load(connection)?;
    for code_hash in ended {
        diesel::delete(login_codes::table.find(code_hash)).execute(connection)?;
    }
    Ok(())
}

fn row_mac(bytes: Vec<u8>) -> Result<RowMac, StoreError> {
    hash(bytes).map(RowMac)
}

fn hash(bytes: Vec<u8>) -> Result<[u8; 32], StoreError> {
    bytes.try_into().map_err(|_length| StoreError::Unreadable)
}
