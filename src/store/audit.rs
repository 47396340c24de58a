//! The rows of the audit log. They are added and read, never changed.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use super::connection::{DatabaseConnection, MultiBackend};
use super::error::StoreError;
use super::row;
use super::schema::audit_events;
use super::search;
use crate::types::audit::{AuditAction, AuditEvent, AuditEventFilter};
use crate::types::clock::Timestamp;
use crate::types::consumer::{Consumer, ConsumerKind};
use crate::types::id::Id;
use crate::types::page::{Page, PageRequest, Side};

#[derive(Queryable)]
struct AuditEventRow {
    id: Vec<u8>,
    occurred_at_us: i64,
    action: String,
    actor_issuer: String,
    actor_subject: String,
    credential_id: Option<Vec<u8>>,
    credential_name: Option<String>,
    value_version: Option<i32>,
    user_id: Option<Vec<u8>>,
    user_subject: Option<String>,
    consumer_kind: Option<String>,
    consumer_external_id: Option<String>,
    consumer_name: Option<String>,
    request_id: String,
}

impl AuditEventRow {
    fn event(self) -> Result<AuditEvent, StoreError> {
        let consumer = match (self.consumer_kind, self.consumer_external_id) {
            (Some(kind), Some(external_id)) => Some(Consumer {
                kind: ConsumerKind::parse(&kind).ok_or(StoreError::Unreadable)?,
                external_id,
                name: self.consumer_name,
            }),
            _ => None,
        };
        Ok(AuditEvent {
            id: row::id(self.id)?,
            occurred_at: Timestamp(self.occurred_at_us),
            action: AuditAction::parse(&self.action).ok_or(StoreError::Unreadable)?,
            actor_issuer: self.actor_issuer,
            actor_subject: self.actor_subject,
            credential_id: row::optional_id(self.credential_id)?,
            credential_name: self.credential_name,
            value_version: self.value_version,
            user_id: row::optional_id(self.user_id)?,
            user_subject: self.user_subject,
            consumer,
            request_id: self.request_id,
        })
    }
}

/// Adds an event and takes it back within the transaction: nothing is changed, but what would have to be written is. Nobody may delete one.
///
/// # Errors
/// A [`StoreError`] when no event can be written.
pub fn insert_and_take_back(connection: &mut DatabaseConnection) -> Result<(), StoreError> {
    let nothing = AuditEvent {
        id: Id::NIL,
        occurred_at: Timestamp(0),
        action: AuditAction::CredentialResolved,
        actor_issuer: String::new(),
        actor_subject: String::new(),
        credential_id: None,
        credential_name: None,
        value_version: None,
        user_id: None,
        user_subject: None,
        consumer: None,
        request_id: String::new(),
    };
    connection.batch_execute("SAVEPOINT taken_back")?;
    let inserted = insert_event(connection, &nothing);
    connection.batch_execute("ROLLBACK TO SAVEPOINT taken_back; RELEASE SAVEPOINT taken_back")?;
    inserted
}

/// Adds an event.
///
/// # Errors
/// A [`StoreError`] when the database cannot be written.
pub fn insert_event(
    connection: &mut DatabaseConnection,
    event: &AuditEvent,
) -> Result<(), StoreError> {
    let consumer = event.consumer.as_ref();
    diesel::insert_into(audit_events::table)
        .values((
            audit_events::id.eq(event.id.as_bytes().as_slice()),
            audit_events::occurred_at_us.eq(event.occurred_at.0),
            audit_events::action.eq(event.action.as_str()),
            audit_events::actor_issuer.eq(&event.actor_issuer),
            audit_events::actor_subject.eq(&event.actor_subject),
            audit_events::credential_id.eq(event
                .credential_id
                .as_ref()
                .map(|id| id.as_bytes().as_slice())),
            audit_events::credential_name.eq(&event.credential_name),
            audit_events::value_version.eq(event.value_version),
            audit_events::user_id.eq(event.user_id.as_ref().map(|id| id.as_bytes().as_slice())),
            audit_events::user_subject.eq(&event.user_subject),
            audit_events::consumer_kind.eq(consumer.map(|consumer| consumer.kind.as_str())),
            audit_events::consumer_external_id
                .eq(consumer.map(|consumer| consumer.external_id.as_str())),
            audit_events::consumer_name.eq(consumer.and_then(|consumer| consumer.name.as_deref())),
            audit_events::request_id.eq(&event.request_id),
        ))
        .execute(connection)?;
    Ok(())
}

/// The event with an ID.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn find_event(
    connection: &mut DatabaseConnection,
    id: Id<AuditEvent>,
) -> Result<Option<AuditEvent>, StoreError> {
    let row: Option<AuditEventRow> = audit_events::table
        .filter(audit_events::id.eq(id.as_bytes().as_slice()))
        .select(audit_events::all_columns)
        .first(connection)
        .optional()?;
    row.map(AuditEventRow::event).transpose()
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
    let rows: Vec<AuditEventRow> = query.limit(request.row_limit()).load(connection)?;
    let events: Result<Vec<AuditEvent>, StoreError> =
        rows.into_iter().map(AuditEventRow::event).collect();
    Ok(request.page(events?))
}
