//! Counting what was resolved. The audit log is the truth; the references follow it within a few seconds, each event counted once, whatever
//! breaks in between. A resolve pays nothing for that.

use super::Domain;
use super::error::Error;
use super::reference::conflict;
use crate::store::connection::DatabaseConnection;
use crate::store::error::StoreError;
use crate::store::reference::{insert_reference, keep_credential};
use crate::store::reference_use::{
    ResolveEvent, find_last_event, find_progress, find_uses, list_resolves, lock_progress,
    oldest_transaction, own_transaction, update_progress, update_uses,
};
use crate::types::audit::AuditEvent;
use crate::types::clock::Timestamp;
use crate::types::id::{Id, IdSource};
use crate::types::reference::CredentialReference;

/// How far the clocks of instances may be apart before a resolve is not counted, in microseconds.
const SKEW_LIMIT_US: i64 = 2_000_000;

/// Up to which event the audit log is whole when all transactions with a smaller number have ended. An event gets its ID when its
/// transaction has its number already, so that no event with an earlier ID comes after that.
#[derive(Clone, Copy)]
struct Horizon {
    event: Id<AuditEvent>,
    transaction: i64,
}

/// What is remembered from one counting to the next.
#[derive(Clone, Copy, Default)]
pub struct UseCounter {
    horizon: Option<Horizon>,
}

impl Domain {
    /// Counts what was resolved since it was last counted, by any instance. Returns whether there may be more.
    ///
    /// # Errors
    /// That it could not be done now: the next time it is.
    pub async fn count_uses(&self, counter: &mut UseCounter) -> Result<bool, Error> {
        let ids = self.ids.clone();
        let now = self.clock.now();
        let known = counter.horizon;
        let (horizon, more) = self
            .store
            .write(move |connection| {
                let (horizon, through) = reached(connection, known, now)?;
                let more = match through {
                    Some(through) => count(connection, &ids, through)?,
                    None => false,
                };
                // What is not done yet is done up to the same event the next time.
                Ok::<_, Error>((if more { known } else { horizon }, more))
            })
            .await?;
        counter.horizon = horizon;
        Ok(more)
    }
}

/// The next horizon, and up to which event can be counted now. SQLite has one writer: what there is, is whole. Where nothing happens, nothing
/// is written.
fn reached(
    connection: &mut DatabaseConnection,
    known: Option<Horizon>,
    now: Timestamp,
) -> Result<(Option<Horizon>, Option<Id<AuditEvent>>), StoreError> {
    let last = find_last_event(connection)?;
    let progress = find_progress(connection)?;
    if last.is_none_or(|last| last.as_bytes() <= progress.as_bytes()) {
        return Ok((None, None));
    }
    let DatabaseConnection::Postgres(postgres) = connection else {
        return Ok((None, last));
    };
    let through = match known {
        Some(horizon) if horizon.transaction > oldest_transaction(postgres)? => {
            return Ok((known, None));
        }
        known => known.map(|horizon| horizon.event),
    };
    let following = Horizon {
        event: Id::earliest(Timestamp(now.0.saturating_sub(SKEW_LIMIT_US))),
        transaction: own_transaction(postgres)?,
    };
    Ok((Some(following), through))
}

/// Counts the next resolves up to an event. Returns whether there may be more.
fn count(
    connection: &mut DatabaseConnection,
    ids: &IdSource,
    through: Id<AuditEvent>,
) -> Result<bool, Error> {
    let progress = lock_progress(connection)?;
    if progress.as_bytes() >= through.as_bytes() {
        return Ok(false);
    }
    let (events, reached) = list_resolves(connection, progress, through)?;
    for event in summed(events) {
        add(connection, ids, &event)?;
    }
    update_progress(connection, reached)?;
    Ok(reached != through)
}

/// One event for each reference, with the uses of all of them.
fn summed(events: Vec<ResolveEvent>) -> Vec<ResolveEvent> {
    let mut sums: Vec<ResolveEvent> = Vec::new();
    let mut sorted = events;
    sorted.sort_by(|one, other| place(one).cmp(&place(other)));
    for event in sorted {
        match sums.last_mut() {
            Some(sum) if place(sum) == place(&event) => {
                sum.uses = sum.uses.with(event.uses);
                sum.consumer.name = event.consumer.name.or(sum.consumer.name.take());
            }
            _ => sums.push(event),
        }
    }
    sums
}

fn place(event: &ResolveEvent) -> (&str, &str, &[u8; 16]) {
    let consumer = &event.consumer;
    (
        consumer.kind.as_str(),
        &consumer.external_id,
        event.credential_id.as_bytes(),
    )
}

fn add(
    connection: &mut DatabaseConnection,
    ids: &IdSource,
    event: &ResolveEvent,
) -> Result<(), Error> {
    let known = find_uses(connection, event.credential_id, &event.consumer)?;
    if let Some(before) = known {
        let uses = before.map_or(event.uses, |before| before.with(event.uses));
        let changed = update_uses(connection, event.credential_id, &event.consumer, &uses)?;
        // It was withdrawn meanwhile.
        return if changed == 0 {
            Err(Error::Overtaken)
        } else {
            Ok(())
        };
    }
    let reference = CredentialReference {
        id: ids.next_at(event.uses.first_at),
        credential_id: event.credential_id,
        is_present: keep_credential(connection, event.credential_id)?,
        consumer: event.consumer.clone(),
        declared_at: None,
        uses: Some(event.uses),
    };
    insert_reference(connection, &reference).map_err(conflict)
}
