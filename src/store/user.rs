//! The rows of users, and of users who were removed.

use diesel::prelude::*;

use super::connection::{DatabaseConnection, MultiBackend, on_connection};
use super::error::StoreError;
use super::row;
use super::schema::{removed_users, users};
use super::search;
use crate::types::clock::Timestamp;
use crate::types::id::Id;
use crate::types::page::{Page, PageRequest, Side};
use crate::types::text;
use crate::types::user::{Profile, User, UserKey, UserPlace};

/// The columns of a user, in the order of [`UserRow`].
pub const USER_COLUMNS: UserColumns = (
    users::id,
    users::issuer,
    users::subject,
    users::name,
    users::email,
    users::created_at_us,
    users::profile_issued_at,
);

/// The type of [`USER_COLUMNS`].
pub type UserColumns = (
    users::id,
    users::issuer,
    users::subject,
    users::name,
    users::email,
    users::created_at_us,
    users::profile_issued_at,
);

/// A row of [`USER_COLUMNS`].
pub type UserRow = (
    Vec<u8>,
    String,
    String,
    Option<String>,
    Option<String>,
    i64,
    i64,
);

/// Makes a user of a row.
///
/// # Errors
/// [`StoreError::Unreadable`] when the ID is none.
pub fn user_of(
    (id, issuer, subject, name, email, created_at_us, profile_issued_at_seconds): UserRow,
) -> Result<User, StoreError> {
    Ok(User {
        id: row::id(id)?,
        key: UserKey { issuer, subject },
        profile: Profile { name, email },
        profile_issued_at_seconds,
        created_at: Timestamp(created_at_us),
    })
}

/// The user with an ID.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn find_user(
    connection: &mut DatabaseConnection,
    id: Id<User>,
) -> Result<Option<User>, StoreError> {
    let row: Option<UserRow> = users::table
        .filter(users::id.eq(id.as_bytes().as_slice()))
        .select(USER_COLUMNS)
        .first(connection)
        .optional()?;
    row.map(user_of).transpose()
}

/// The user with an issuer and a subject.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn find_user_by_key(
    connection: &mut DatabaseConnection,
    key: &UserKey,
) -> Result<Option<User>, StoreError> {
    let row: Option<UserRow> = users::table
        .filter(users::issuer.eq(&key.issuer))
        .filter(users::subject.eq(&key.subject))
        .select(USER_COLUMNS)
        .first(connection)
        .optional()?;
    row.map(user_of).transpose()
}

/// Keeps others from removing a user, or giving them credentials, until the transaction ends. SQLite has one writer only.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn lock_user(connection: &mut DatabaseConnection, id: Id<User>) -> Result<(), StoreError> {
    if let DatabaseConnection::Postgres(postgres) = connection {
        let _locked: Option<Vec<u8>> = users::table
            .find(id.as_bytes().as_slice())
            .select(users::id)
            .for_update()
            .get_result(postgres)
            .optional()?;
    }
    Ok(())
}

/// Keeps others from removing a user until the transaction ends, as one who is to own a credential. Users are locked before credentials
/// everywhere, so that no two transactions wait for each other.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn keep_user(connection: &mut DatabaseConnection, id: Id<User>) -> Result<(), StoreError> {
    if let DatabaseConnection::Postgres(postgres) = connection {
        let _locked: Option<Vec<u8>> = users::table
            .find(id.as_bytes().as_slice())
            .select(users::id)
            .for_key_share()
            .get_result(postgres)
            .optional()?;
    }
    Ok(())
}

/// Adds a user.
///
/// # Errors
/// [`StoreError::NotUnique`] when there is one with the same issuer and subject.
pub fn insert_user(connection: &mut DatabaseConnection, user: &User) -> Result<(), StoreError> {
    diesel::insert_into(users::table)
        .values((
            users::id.eq(user.id.as_bytes().as_slice()),
            users::issuer.eq(&user.key.issuer),
            users::subject.eq(&user.key.subject),
            users::name.eq(&user.profile.name),
            users::email.eq(&user.profile.email),
            users::name_key.eq(text::fold(user.display_name())),
            users::search_key.eq(search_key(user)),
            users::created_at_us.eq(user.created_at.0),
            users::profile_issued_at.eq(user.profile_issued_at_seconds),
        ))
        .execute(connection)?;
    Ok(())
}

/// Replaces what tokens said of a user, if that is still what a token of the time `before` said. Returns how many rows changed.
///
/// # Errors
/// A [`StoreError`] when the database cannot be written.
pub fn update_profile(
    connection: &mut DatabaseConnection,
    user: &User,
    before: i64,
) -> Result<usize, StoreError> {
    let unchanged = users::table
        .filter(users::id.eq(user.id.as_bytes().as_slice()))
        .filter(users::profile_issued_at.eq(before));
    let changed = diesel::update(unchanged)
        .set((
            users::name.eq(&user.profile.name),
            users::email.eq(&user.profile.email),
            users::name_key.eq(text::fold(user.display_name())),
            users::search_key.eq(search_key(user)),
            users::profile_issued_at.eq(user.profile_issued_at_seconds),
        ))
        .execute(connection)?;
    Ok(changed)
}

/// Deletes a user; the credentials that they own go by the foreign key. Returns how many users that were.
///
/// # Errors
/// A [`StoreError`] when the database cannot be written.
pub fn delete_user(connection: &mut DatabaseConnection, id: Id<User>) -> Result<usize, StoreError> {
    let changed = diesel::delete(users::table.filter(users::id.eq(id.as_bytes().as_slice())))
        .execute(connection)?;
    Ok(changed)
}

/// When a user was last removed.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn find_removal(
    connection: &mut DatabaseConnection,
    key: &UserKey,
) -> Result<Option<Timestamp>, StoreError> {
    let removal = removed_users::table
        .filter(removed_users::issuer.eq(&key.issuer))
        .filter(removed_users::subject.eq(&key.subject))
        .select(removed_users::removed_at_us);
    let removed_at_us: Option<i64> =
        on_connection!(connection, inner => removal.first(inner)).optional()?;
    Ok(removed_at_us.map(Timestamp))
}

/// Notes that a user was removed, for the first time.
///
/// # Errors
/// [`StoreError::NotUnique`] when it was noted before.
pub fn insert_removal(
    connection: &mut DatabaseConnection,
    key: &UserKey,
    at: Timestamp,
) -> Result<(), StoreError> {
    diesel::insert_into(removed_users::table)
        .values((
            removed_users::issuer.eq(&key.issuer),
            removed_users::subject.eq(&key.subject),
            removed_users::removed_at_us.eq(at.0),
        ))
        .execute(connection)?;
    Ok(())
}

/// Notes that a user was removed again. Returns how many rows changed: none when it was never noted.
///
/// # Errors
/// A [`StoreError`] when the database cannot be written.
pub fn update_removal(
    connection: &mut DatabaseConnection,
    key: &UserKey,
    at: Timestamp,
) -> Result<usize, StoreError> {
    let changed = diesel::update(
        removed_users::table
            .filter(removed_users::issuer.eq(&key.issuer))
            .filter(removed_users::subject.eq(&key.subject)),
    )
    .set(removed_users::removed_at_us.eq(at.0))
    .execute(connection)?;
    Ok(changed)
}

/// A page of users, ordered by name. `term` is folded.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn list_users(
    connection: &mut DatabaseConnection,
    term: &str,
    request: &PageRequest<UserPlace>,
) -> Result<Page<User>, StoreError> {
    let mut query = users::table
        .select(USER_COLUMNS)
        .into_boxed::<MultiBackend>();
    if !term.is_empty() {
        query = query.filter(contains(term));
    }
    // The first comparison is what the index needs; the second breaks ties.
    if let Some(place) = &request.after {
        let is_behind = users::name_key
            .gt(&place.name_key)
            .or(users::id.gt(place.id.as_bytes().as_slice()));
        query = query.filter(users::name_key.ge(&place.name_key).and(is_behind));
    }
    if let Some(place) = &request.before {
        let is_before = users::name_key
            .lt(&place.name_key)
            .or(users::id.lt(place.id.as_bytes().as_slice()));
        query = query.filter(users::name_key.le(&place.name_key).and(is_before));
    }
    query = match request.side {
        Side::First => query.order((users::name_key.asc(), users::id.asc())),
        Side::Last => query.order((users::name_key.desc(), users::id.desc())),
    };
    let rows: Vec<UserRow> = query.limit(request.row_limit()).load(connection)?;
    let users: Result<Vec<User>, StoreError> = rows.into_iter().map(user_of).collect();
    Ok(request.page(users?))
}

/// How many users a list has, on all pages together.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn count_users(connection: &mut DatabaseConnection, term: &str) -> Result<i64, StoreError> {
    let mut query = users::table.count().into_boxed::<MultiBackend>();
    if !term.is_empty() {
        query = query.filter(contains(term));
    }
    Ok(query.get_result(connection)?)
}

fn search_key(user: &User) -> String {
    let email = user.profile.email.as_deref().unwrap_or_default();
    let parts = [user.display_name(), &user.key.subject, email];
    parts.map(text::fold).join("\n")
}

fn contains(term: &str) -> search::Contains<users::search_key> {
    search::contains(users::search_key, term)
}
