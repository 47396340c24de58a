//! Removing old events, so that what is left still verifies: a checkpoint says where each chain goes on, and what the log said of credentials
//! is said again.

use super::audit_verification::{Logged, Verification};
use super::command_log::CommandLog;
use crate::store::audit::{delete_through, find_first_to_keep, find_mac};
use crate::store::audit_chain::{advance_checkpoint, reset_checkpoint, reset_head};
use crate::store::connection::DatabaseConnection;
use crate::store::credential::list_states;
use crate::store::error::StoreError;
use crate::store::keyring::find_generation;
use crate::store::reference_use::find_progress;
use crate::types::audit::{AuditAction, AuditEntry, ChainPoint, Signer};
use crate::types::clock::Timestamp;
use crate::types::id::Id;

/// How many events are deleted in one transaction.
const BATCH_LIMIT_ROWS: i64 = 1_000;

/// What was removed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pruned {
    /// How many events.
    pub events: u64,
    /// Of how many credentials it is said again what they are like.
    pub credentials: usize,
}

/// Removes the events before a time, of a log that was verified. Events of resolves that are not counted yet stay, and so does what comes
/// behind one that stays in its chain.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read or written; what was done by then stays, and the log verifies.
pub fn prune(
    connection: &mut DatabaseConnection,
    signer: &Signer,
    log: &mut CommandLog,
    verified: &Verification,
    before: Timestamp,
    tell: &mut dyn FnMut(u64),
) -> Result<Pruned, StoreError> {
    let mut pruned = Pruned::default();
    let through = find_progress(connection)?;
    let mut points = Vec::new();
    for end in &verified.ends {
        let keep = find_first_to_keep(connection, end.chain, before, through)?;
        // What came after the log was verified is not looked at.
        let sequence = keep.map_or(end.sequence, |keep| {
            keep.saturating_sub(1).min(end.sequence)
        });
        if let Some(mac) = find_mac(connection, end.chain, sequence)? {
            points.push(ChainPoint {
                chain: end.chain,
                sequence,
                mac: mac.try_into().map_err(|_length| StoreError::Unreadable)?,
            });
        }
    }
    let is_pruned = |logged: &&Logged| {
        let point = points.iter().find(|point| point.chain == logged.chain);
        point.is_some_and(|point| logged.sequence <= point.sequence)
    };
    let states = verified.logged.values().filter(is_pruned);
    let mut entries: Vec<AuditEntry> = states
        .filter_map(|logged| Some(log.carried_over(logged.state.clone()?)))
        .collect();
    pruned.credentials = entries.len();
    connection.in_write_transaction(|connection| {
        let what = format!("BEFORE {}", before.to_rfc3339());
        entries.push(pruned_event(connection, log, &what)?);
        log.append(connection, signer, &entries)?;
        points
            .iter()
            .try_for_each(|point| advance_checkpoint(connection, signer, point))
    })?;
    for point in &points {
        loop {
            let deleted = connection.in_write_transaction(|connection| {
                delete_through(connection, point.chain, point.sequence, BATCH_LIMIT_ROWS)
            })?;
            if deleted == 0 {
                break;
            }
            let deleted = u64::try_from(deleted).unwrap_or(0);
            pruned.events = pruned.events.saturating_add(deleted);
            tell(deleted);
        }
    }
    Ok(pruned)
}

/// Lets a log that does not verify go on: each chain begins where it ends now, and credentials are taken as they are. No server may run.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read or written.
pub fn begin_anew(
    connection: &mut DatabaseConnection,
    signer: &Signer,
    log: &mut CommandLog,
    verified: &Verification,
) -> Result<Pruned, StoreError> {
    connection.in_write_transaction(|connection| {
        for end in &verified.ends {
            reset_head(connection, signer, end)?;
            reset_checkpoint(connection, signer, end)?;
        }
        let mut entries = Vec::new();
        let mut after = Id::NIL;
        loop {
            let states = list_states(connection, after, BATCH_LIMIT_ROWS)?;
            let Some(last) = states.last() else {
                break;
            };
            after = last.credential_id;
            entries.extend(states.into_iter().map(|state| log.accepted(state)));
        }
        let credentials = entries.len();
        let what = format!("DAMAGED {} findings", verified.finding_count);
        entries.push(pruned_event(connection, log, &what)?);
        log.append(connection, signer, &entries)?;
        Ok(Pruned {
            events: 0,
            credentials,
        })
    })
}

/// That events are gone. It says which keyring there is, since events that said so may be among them.
fn pruned_event(
    connection: &mut DatabaseConnection,
    log: &CommandLog,
    what: &str,
) -> Result<AuditEntry, StoreError> {
    let generation = find_generation(connection)?.unwrap_or(0);
    Ok(log.keyring_event(AuditAction::LogPruned, what, generation))
}
