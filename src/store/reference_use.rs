//! What was resolved, counted into the references from the audit log. A resolve itself writes nothing but its event.

use diesel::dsl::{count_star, max, min};
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel::{PgConnection, QueryableByName};

use super::connection::DatabaseConnection;
use super::error::StoreError;
use super::row;
use super::schema::{audit_events, credential_references, reference_progress};
use crate::types::audit::{AuditAction, AuditEvent};
use crate::types::clock::Timestamp;
use crate::types::consumer::{Consumer, ConsumerKind};
use crate::types::credential::Credential;
use crate::types::id::Id;
use crate::types::reference::Uses;

/// How many events are counted at once.
const BATCH_LIMIT_EVENTS: i64 = 10_000;

/// What one consumer resolved of one credential, under one name, as the audit log has it.
#[derive(Clone, Debug)]
pub struct Resolves {
    /// What was resolved.
    pub credential_id: Id<Credential>,
    /// Who resolved it.
    pub consumer: Consumer,
    /// When, how often, and which version at last.
    pub uses: Uses,
}

/// Credential, kind of the consumer, its external ID, its name, first and last time, last version, number.
type ResolvesRow = (
    Option<Vec<u8>>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<i64>,
    Option<i64>,
    Option<i32>,
    i64,
);

/// First and last time, version, number.
type UsesRow = (Option<i64>, Option<i64>, Option<i32>, i32);

/// Reads what was resolved; `None` for what another version wrote, with a kind of consumer that this one does not know.
fn resolves_of(row: ResolvesRow) -> Option<Resolves> {
    let (credential_id, kind, external_id, name, first_at_us, last_at_us, last_version, count) =
        row;
    Some(Resolves {
        credential_id: row::id(credential_id?).ok()?,
        consumer: Consumer {
            kind: ConsumerKind::parse(&kind?)?,
            external_id: external_id?,
            name,
        },
        uses: Uses {
            first_at: Timestamp(first_at_us?),
            last_at: Timestamp(last_at_us?),
            last_version: last_version?,
            count: i32::try_from(count).unwrap_or(i32::MAX),
        },
    })
}

/// Up to which event resolves are counted.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn find_progress(connection: &mut DatabaseConnection) -> Result<Id<AuditEvent>, StoreError> {
    let through = reference_progress::table.select(reference_progress::counted_through);
    row::id(through.first(connection)?)
}

/// Up to which event resolves are counted. On PostgreSQL others wait until the transaction ends.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn lock_progress(connection: &mut DatabaseConnection) -> Result<Id<AuditEvent>, StoreError> {
    let through = reference_progress::table.select(reference_progress::counted_through);
    let bytes: Vec<u8> = match connection {
        DatabaseConnection::Postgres(postgres) => through.for_update().first(postgres)?,
        DatabaseConnection::Sqlite(sqlite) => through.first(sqlite)?,
    };
    row::id(bytes)
}

/// Notes up to which event resolves are counted.
///
/// # Errors
/// A [`StoreError`] when the database cannot be written.
pub fn update_progress(
    connection: &mut DatabaseConnection,
    through: Id<AuditEvent>,
) -> Result<(), StoreError> {
    diesel::update(reference_progress::table)
        .set(reference_progress::counted_through.eq(through.as_bytes().as_slice()))
        .execute(connection)?;
    Ok(())
}

/// How far one goes behind an event at once, and no further than up to another one.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn find_reach(
    connection: &mut DatabaseConnection,
    after: Id<AuditEvent>,
    through: Id<AuditEvent>,
) -> Result<Id<AuditEvent>, StoreError> {
    let last: Option<Vec<u8>> = audit_events::table
        .filter(audit_events::id.gt(after.as_bytes().as_slice()))
        .filter(audit_events::id.le(through.as_bytes().as_slice()))
        .order(audit_events::id)
        .select(audit_events::id)
        .offset(BATCH_LIMIT_EVENTS - 1)
        .first(connection)
        .optional()?;
    Ok(row::optional_id(last)?.unwrap_or(through))
}

/// What was resolved behind an event, up to another one, the later names of a consumer behind the earlier ones.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn list_resolves(
    connection: &mut DatabaseConnection,
    after: Id<AuditEvent>,
    through: Id<AuditEvent>,
) -> Result<Vec<Resolves>, StoreError> {
    let counted = [
        AuditAction::CredentialResolved.as_str(),
        AuditAction::CredentialNotModified.as_str(),
    ];
    let consumer = (
        audit_events::credential_id,
        audit_events::consumer_kind,
        audit_events::consumer_external_id,
        audit_events::consumer_name,
    );
    let rows: Vec<ResolvesRow> = audit_events::table
        .filter(audit_events::id.gt(after.as_bytes().as_slice()))
        .filter(audit_events::id.le(through.as_bytes().as_slice()))
        .filter(audit_events::action.eq_any(counted))
        .group_by(consumer)
        .select((
            audit_events::credential_id,
            audit_events::consumer_kind,
            audit_events::consumer_external_id,
            audit_events::consumer_name,
            min(audit_events::occurred_at_us),
            max(audit_events::occurred_at_us),
            max(audit_events::value_version),
            count_star(),
        ))
        .order(max(audit_events::occurred_at_us))
        .load(connection)?;
    Ok(rows.into_iter().filter_map(resolves_of).collect())
}

/// The uses of a reference; `None` when there is no reference, and nothing inside when there were no uses.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn find_uses(
    connection: &mut DatabaseConnection,
    credential_id: Id<Credential>,
    consumer: &Consumer,
) -> Result<Option<Option<Uses>>, StoreError> {
    let row: Option<UsesRow> = credential_references::table
        .filter(credential_references::consumer_kind.eq(consumer.kind.as_str()))
        .filter(credential_references::consumer_external_id.eq(&consumer.external_id))
        .filter(credential_references::credential_id.eq(credential_id.as_bytes().as_slice()))
        .select((
            credential_references::first_resolved_at_us,
            credential_references::last_resolved_at_us,
            credential_references::last_resolved_version,
            credential_references::resolve_count,
        ))
        .first(connection)
        .optional()?;
    Ok(row.map(|row| match row {
        (Some(first_at_us), Some(last_at_us), Some(last_version), count) => Some(Uses {
            first_at: Timestamp(first_at_us),
            last_at: Timestamp(last_at_us),
            last_version,
            count,
        }),
        _ => None,
    }))
}

/// Replaces the uses of a reference, and the consumer's name when it gave one. Returns how many rows changed.
///
/// # Errors
/// A [`StoreError`] when the database cannot be written.
pub fn update_uses(
    connection: &mut DatabaseConnection,
    credential_id: Id<Credential>,
    consumer: &Consumer,
    uses: &Uses,
) -> Result<usize, StoreError> {
    let row = credential_references::table
        .filter(credential_references::consumer_kind.eq(consumer.kind.as_str()))
        .filter(credential_references::consumer_external_id.eq(&consumer.external_id))
        .filter(credential_references::credential_id.eq(credential_id.as_bytes().as_slice()));
    let changed = diesel::update(row)
        .set((
            credential_references::first_resolved_at_us.eq(uses.first_at.0),
            credential_references::last_resolved_at_us.eq(uses.last_at.0),
            credential_references::last_resolved_version.eq(uses.last_version),
            credential_references::resolve_count.eq(uses.count),
            consumer
                .name
                .as_ref()
                .map(|name| credential_references::consumer_name.eq(name)),
        ))
        .execute(connection)?;
    Ok(changed)
}

#[derive(QueryableByName)]
struct Transaction {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

fn transaction(postgres: &mut PgConnection, query: &str) -> Result<i64, StoreError> {
    let found: Transaction = diesel::sql_query(query).get_result(postgres)?;
    Ok(found.number)
}

/// The number of the oldest transaction of PostgreSQL that is under way. One that only reads has none.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn oldest_transaction(postgres: &mut PgConnection) -> Result<i64, StoreError> {
    let query = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS number";
    transaction(postgres, query)
}

/// The number of this transaction of PostgreSQL. It gets one by that: those that have one by now have a smaller one.
///
/// # Errors
/// A [`StoreError`] when the database cannot be written.
pub fn own_transaction(postgres: &mut PgConnection) -> Result<i64, StoreError> {
    transaction(
        postgres,
        "SELECT pg_current_xact_id()::text::bigint AS number",
    )
}
