//! The rows of the audit log. They are added and read, never changed.

use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::audit_row::{ANCHORED, AuditRow, CARRIED_OVER};
use super::connection::{DatabaseConnection, MultiBackend, on_connection};
use super::error::StoreError;
use super::schema::audit_events;
use super::{row, search};
use crate::types::audit::{AuditAction, AuditEvent, AuditEventFilter};
use crate::types::clock::Timestamp;
use crate::types::credential::Credential;
use crate::types::id::Id;
use crate::types::page::{Page, PageRequest, Side};

/// Adds a row and takes it back within the transaction: nothing is changed, but what would have to be written is. Nobody may delete one.
///
/// # Errors
/// A [`StoreError`] when no row can be written.
pub fn insert_and_take_back(connection: &mut DatabaseConnection) -> Result<(), StoreError> {
    let nothing = AuditRow {
        id: vec![0; 16],
        action: AuditAction::CredentialResolved.as_str().to_owned(),
        times: 1,
        mac: vec![0; 32],
        ..AuditRow::default()
    };
    connection.batch_execute("SAVEPOINT taken_back")?;
    let inserted = insert_row(connection, &nothing);
    connection.batch_execute("ROLLBACK TO SAVEPOINT taken_back; RELEASE SAVEPOINT taken_back")?;
    inserted
}

/// Adds a row.
///
/// # Errors
/// A [`StoreError`] when the database cannot be written.
pub(super) fn insert_row(
    connection: &mut DatabaseConnection,
    row: &AuditRow,
) -> Result<(), StoreError> {
    let insert = diesel::insert_into(audit_events::table).values(row);
    on_connection!(connection, inner => insert.execute(inner))?;
    Ok(())
}

/// The rows of a chain behind one of its events, in its order.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn list_chain(
    connection: &mut DatabaseConnection,
    chain: i32,
    after: i64,
    limit_rows: i64,
) -> Result<Vec<AuditRow>, StoreError> {
    Ok(audit_events::table
        .filter(audit_events::chain.eq(chain))
        .filter(audit_events::chain_sequence.gt(after))
        .order(audit_events::chain_sequence)
        .limit(limit_rows)
        .load(connection)?)
}

/// The rows of a chain up to one of its events, in its order; `after` is where the last ones ended.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub(super) fn list_chain_through(
    connection: &mut DatabaseConnection,
    chain: i32,
    after: Option<i64>,
    through: i64,
    limit_rows: i64,
) -> Result<Vec<AuditRow>, StoreError> {
    let mut query = audit_events::table
        .filter(audit_events::chain.eq(chain))
        .filter(audit_events::chain_sequence.le(through))
        .into_boxed::<MultiBackend>();
    if let Some(after) = after {
        query = query.filter(audit_events::chain_sequence.gt(after));
    }
    Ok(query
        .order(audit_events::chain_sequence)
        .limit(limit_rows)
        .load(connection)?)
}

/// The rows of a chain from one of its events back, the last one first.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub(super) fn list_chain_back(
    connection: &mut DatabaseConnection,
    chain: i32,
    from: i64,
    limit_rows: i64,
) -> Result<Vec<AuditRow>, StoreError> {
    Ok(audit_events::table
        .filter(audit_events::chain.eq(chain))
        .filter(audit_events::chain_sequence.le(from))
        .order(audit_events::chain_sequence.desc())
        .limit(limit_rows)
        .load(connection)?)
}

/// Whether a chain has an event up to a place.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn has_event_through(
    connection: &mut DatabaseConnection,
    chain: i32,
    through: i64,
) -> Result<bool, StoreError> {
    let found: Option<i64> = audit_events::table
        .filter(audit_events::chain.eq(chain))
        .filter(audit_events::chain_sequence.le(through))
        .order(audit_events::chain_sequence)
        .select(audit_events::chain_sequence)
        .first(connection)
        .optional()?;
    Ok(found.is_some())
}

/// The rows of all chains behind a row, in the order of their IDs.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn list_rows(
    connection: &mut DatabaseConnection,
    after: &[u8],
    limit_rows: i64,
) -> Result<Vec<AuditRow>, StoreError> {
    Ok(audit_events::table
        .filter(audit_events::id.gt(after))
        .order(audit_events::id)
        .limit(limit_rows)
        .load(connection)?)
}

/// The numbers of the chains that have events.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn list_chains(connection: &mut DatabaseConnection) -> Result<Vec<i32>, StoreError> {
    let mut chains: Vec<i32> = Vec::new();
    let mut from = Some(i32::MIN);
    while let Some(least) = from {
        // From one to the next by the index: there are few of them, and many events.
        let next: Option<i32> = audit_events::table
            .filter(audit_events::chain.ge(least))
            .order(audit_events::chain)
            .select(audit_events::chain)
            .first(connection)
            .optional()?;
        chains.extend(next);
        from = next.and_then(|next| next.checked_add(1));
    }
    Ok(chains)
}

/// What authenticates an event of a chain; `None` when it is not there.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn find_mac(
    connection: &mut DatabaseConnection,
    chain: i32,
    sequence: i64,
) -> Result<Option<Vec<u8>>, StoreError> {
    let found = audit_events::table
        .filter(audit_events::chain.eq(chain))
        .filter(audit_events::chain_sequence.eq(sequence))
        .select(audit_events::mac);
    Ok(found.first(connection).optional()?)
}

/// The last event of a chain: its number, and what authenticates it.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn find_last(
    connection: &mut DatabaseConnection,
    chain: i32,
) -> Result<Option<(i64, Vec<u8>)>, StoreError> {
    let last = audit_events::table
        .filter(audit_events::chain.eq(chain))
        .order(audit_events::chain_sequence.desc())
        .select((audit_events::chain_sequence, audit_events::mac));
    Ok(last.first(connection).optional()?)
}

/// The first event of a chain, behind one of its events, that must stay when those before a time go: the first one of that time or later,
/// or behind an event of any chain.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn find_first_to_keep(
    connection: &mut DatabaseConnection,
    chain: i32,
    after: i64,
    before: Timestamp,
    through: Id<AuditEvent>,
) -> Result<Option<i64>, StoreError> {
    let is_late = audit_events::occurred_at_us.ge(before.0);
    let is_behind = audit_events::id.gt(through.as_bytes().as_slice());
    let first = audit_events::table
        .filter(audit_events::chain.eq(chain))
        .filter(audit_events::chain_sequence.gt(after))
        .filter(is_late.or(is_behind))
        .order(audit_events::chain_sequence)
        .select(audit_events::chain_sequence);
    Ok(first.first(connection).optional()?)
}

/// Deletes the events of a chain, up to one of them. Returns how many there were.
///
/// # Errors
/// A [`StoreError`] when the database cannot be written.
pub fn delete_through(
    connection: &mut DatabaseConnection,
    chain: i32,
    through: i64,
) -> Result<usize, StoreError> {
    let old = audit_events::table
        .filter(audit_events::chain.eq(chain))
        .filter(audit_events::chain_sequence.le(through));
    Ok(diesel::delete(old).execute(connection)?)
}

/// Where the events stand that say what a credential is like, or was.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn list_change_places(
    connection: &mut DatabaseConnection,
    credential_id: Id<Credential>,
) -> Result<Vec<(i32, i64)>, StoreError> {
    let changes = AuditAction::ALL
        .into_iter()
        .filter(|action| action.is_change());
    let words: Vec<&str> = changes
        .map(AuditAction::as_str)
        .chain([CARRIED_OVER])
        .collect();
    Ok(audit_events::table
        .filter(audit_events::credential_id.eq(credential_id.as_bytes().as_slice()))
        .filter(audit_events::action.eq_any(words))
        .select((audit_events::chain, audit_events::chain_sequence))
        .load(connection)?)
}

/// The last event that there is; `None` when there is none.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn find_last_event(
    connection: &mut DatabaseConnection,
) -> Result<Option<Id<AuditEvent>>, StoreError> {
    let last: Option<Vec<u8>> = audit_events::table
        .select(audit_events::id)
        .order(audit_events::id.desc())
        .first(connection)
        .optional()?;
    row::optional_id(last)
}

/// The reason of the newest event that says which keyring there was: a change of it, or that events which said so were pruned.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn find_keyring_reason(
    connection: &mut DatabaseConnection,
) -> Result<Option<String>, StoreError> {
    // As the index has it, which has these events alone: SQLite takes it for no values that are bound.
    let says_so = sql::<Bool>("action IN ('KEYRING_CHANGED', 'LOG_PRUNED')");
    let reason: Option<Option<String>> = audit_events::table
        .filter(says_so)
        .order(audit_events::id.desc())
        .select(audit_events::reason)
        .first(connection)
        .optional()?;
    Ok(reason.flatten())
}

/// Whether a chain has an event behind one of its events that is more than an anchor.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn has_event_behind(
    connection: &mut DatabaseConnection,
    chain: i32,
    sequence: i64,
) -> Result<bool, StoreError> {
    let found: Option<i64> = audit_events::table
        .filter(audit_events::chain.eq(chain))
        .filter(audit_events::chain_sequence.gt(sequence))
        .filter(audit_events::action.ne(ANCHORED))
        .order(audit_events::chain_sequence)
        .select(audit_events::chain_sequence)
        .first(connection)
        .optional()?;
    Ok(found.is_some())
}

/// The event with an ID.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn find_event(
    connection: &mut DatabaseConnection,
    id: Id<AuditEvent>,
) -> Result<Option<AuditEvent>, StoreError> {
    let row: Option<AuditRow> = audit_events::table
        .filter(audit_events::id.eq(id.as_bytes().as_slice()))
        .filter(audit_events::action.ne_all([ANCHORED, CARRIED_OVER]))
        .select(audit_events::all_columns)
        .first(connection)
        .optional()?;
    row.map(AuditRow::event).transpose()
}

/// A page of events, the newest first.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn list_events(
    connection: &mut DatabaseConnection,
    filter: &AuditEventFilter,
    request: &PageRequest<Id<AuditEvent>>,
) -> Result<Page<AuditEvent>, StoreError> {
    let mut query = audit_events::table
        .select(audit_events::all_columns)
        .filter(audit_events::action.ne_all([ANCHORED, CARRIED_OVER]))
        .into_boxed::<MultiBackend>();
    if let Some(actions) = &filter.actions {
        let words: Vec<&str> = actions.iter().map(|action| action.as_str()).collect();
        query = query.filter(audit_events::action.eq_any(words));
    }
    if let Some(actor_subject) = &filter.actor_subject {
        query = query.filter(audit_events::actor_subject.eq(search::without_nul(actor_subject)));
    }
    if let Some(credential_id) = &filter.credential_id {
        query = query.filter(audit_events::credential_id.eq(credential_id.as_bytes().as_slice()));
    }
    if let Some(since) = filter.since {
        // The time of an event is at most a microsecond later than that of its ID: the walk along the IDs ends there.
        let oldest = Id::<AuditEvent>::earliest(Timestamp(since.0.saturating_sub(1)));
        query = query
            .filter(audit_events::id.ge(oldest.as_bytes().to_vec()))
            .filter(audit_events::occurred_at_us.ge(since.0));
    }
    if let Some(until) = filter.until {
        query = query.filter(audit_events::occurred_at_us.lt(until.0));
    }
    if let Some(place) = &request.after {
        query = query.filter(audit_events::id.lt(place.as_bytes().as_slice()));
    }
    if let Some(place) = &request.before {
        query = query.filter(audit_events::id.gt(place.as_bytes().as_slice()));
    }
    query = match request.side {
        Side::First => query.order(audit_events::id.desc()),
        Side::Last => query.order(audit_events::id.asc()),
    };
    let rows: Vec<AuditRow> = query.limit(request.row_limit()).load(connection)?;
    let events: Result<Vec<AuditEvent>, StoreError> =
        rows.into_iter().map(AuditRow::event).collect();
    Ok(request.page(events?))
}
