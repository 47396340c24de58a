//! Counting what was resolved. The audit log is the truth; the references follow it within a few seconds, each event counted once, whatever
//! breaks in between. A resolve pays nothing for that.

use super::Domain;
use super::error::Error;
use super::reference::conflict;
use crate::store::audit::find_last_event;
use crate::store::connection::DatabaseConnection;
use crate::store::error::StoreError;
use crate::store::reference::{insert_reference, keep_credential};
use crate::store::reference_use::{
    Resolves, find_progress, find_reach, find_uses, list_resolves, lock_progress,
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
    /// Counts what was resolved since it was last counted, by any instance. Returns whether there may be more. The events are read beside the
    /// writers, which get only the sums.
    ///
    /// # Errors
    /// That it could not be done now: the next time it is.
    pub async fn count_uses(&self, counter: &mut UseCounter) -> Result<bool, Error> {
        let now = self.clock.now();
        let known = counter.horizon;
        let (horizon, batch) = self
            .store
            .read(move |connection| {
                let (horizon, through) = reached(connection, known, now)?;
                let batch = through.map(|through| Batch::read(connection, through));
                Ok::<_, StoreError>((horizon, batch.transpose()?))
            })
            .await?;
        let Some(batch) = batch else {
            counter.horizon = horizon;
            return Ok(false);
        };
        let more = batch.is_full;
        let ids = self.ids.clone();
        self.store
            .write(move |connection| count(connection, &ids, &batch))
            .await?;
        // What is not done yet is done up to the same event the next time.
        counter.horizon = if more { known } else { horizon };
        Ok(more)
    }
}

/// What is to be counted next.
struct Batch {
    after: Id<AuditEvent>,
    reached: Id<AuditEvent>,
    /// Whether there is more up to the same event.
    is_full: bool,
    sums: Vec<Resolves>,
}

impl Batch {
    fn read(
        connection: &mut DatabaseConnection,
        through: Id<AuditEvent>,
    ) -> Result<Self, StoreError> {
        let after = find_progress(connection)?;
        let reached = find_reach(connection, after, through)?;
        Ok(Self {
            after,
            reached,
            is_full: reached != through,
            sums: list_resolves(connection, after, reached)?,
        })
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

/// Adds what a batch has, unless another instance did that meanwhile.
fn count(connection: &mut DatabaseConnection, ids: &IdSource, batch: &Batch) -> Result<(), Error> {
    let progress = lock_progress(connection)?;
    if progress != batch.after || batch.reached.as_bytes() <= progress.as_bytes() {
        return Ok(());
    }
    for sum in &batch.sums {
        add(connection, ids, sum)?;
    }
    Ok(update_progress(connection, batch.reached)?)
}

fn add(
    connection: &mut DatabaseConnection,
    ids: &IdSource,
    resolves: &Resolves,
) -> Result<(), Error> {
    let known = find_uses(connection, resolves.credential_id, &resolves.consumer)?;
    if let Some(before) = known {
        let uses = before.map_or(resolves.uses, |before| before.with(resolves.uses));
        let changed = update_uses(
            connection,
            resolves.credential_id,
            &resolves.consumer,
            &uses,
        )?;
        // It was withdrawn meanwhile.
        return if changed == 0 {
            Err(Error::Overtaken)
        } else {
            Ok(())
        };
    }
    let reference = CredentialReference {
        id: ids.next_at(resolves.uses.first_at),
        credential_id: resolves.credential_id,
        is_present: keep_credential(connection, resolves.credential_id)?,
        consumer: resolves.consumer.clone(),
        declared_at: None,
        uses: Some(resolves.uses),
    };
    insert_reference(connection, &reference).map_err(conflict)
}
