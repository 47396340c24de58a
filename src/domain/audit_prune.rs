//! Removing old events, so that what is left still verifies: a checkpoint says where each chain goes on, and what the log said of credentials
//! is said again.

use std::collections::HashMap;

use super::audit_chain_state::list_chain_states;
use super::audit_verification::{Verification, VerifiedChain};
use super::command_log::CommandLog;
use crate::store::audit::{delete_through, find_first_to_keep, find_mac, list_change_places};
use crate::store::audit_chain::try_take_all;
use crate::store::audit_point::{
    advance_checkpoint, list_checkpoints, list_heads, reset_checkpoint, write_head,
};
use crate::store::connection::DatabaseConnection;
use crate::store::credential::list_states;
use crate::store::error::StoreError;
use crate::store::keyring::find_generation;
use crate::store::reference_use::find_progress;
use crate::types::audit::{AuditAction, AuditEntry, ChainPoint, Signer};
use crate::types::clock::Timestamp;
use crate::types::credential::Credential;
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

/// A chain, and up to where its events go.
struct Doomed {
    chain: VerifiedChain,
    through: i64,
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
    let counted = find_progress(connection)?;
    let mut doomed = Vec::new();
    for chain in &verified.verified {
        let (number, begun) = (chain.end.chain, chain.beginning.sequence);
        let keep = find_first_to_keep(connection, number, begun, before, counted)?;
        // What came after the log was verified is not looked at.
        let through = keep.map_or(chain.end.sequence, |keep| {
            keep.saturating_sub(1).min(chain.end.sequence)
        });
        doomed.push(Doomed {
            chain: *chain,
            through,
        });
    }
    let mut entries = carried_over(connection, log, verified, &doomed)?;
    pruned.credentials = entries.len();
    connection.in_write_transaction(|connection| {
        let what = format!("BEFORE {}", before.to_rfc3339());
        entries.push(pruned_event(connection, log, &what)?);
        entries.push(log.anchor(ends(verified)));
        log.append(connection, signer, &entries)
    })?;
    for doomed in &doomed {
        let mut count = |events: usize| {
            let events = u64::try_from(events).unwrap_or(0);
            pruned.events = pruned.events.saturating_add(events);
            if events > 0 {
                tell(events);
            }
        };
        count(remove_kept(connection, signer, doomed)?);
        let mut removed = doomed.chain.beginning.sequence;
        while removed < doomed.through {
            removed = removed.saturating_add(BATCH_LIMIT_ROWS).min(doomed.through);
            count(remove_through(
                connection,
                signer,
                doomed.chain.end.chain,
                removed,
            )?);
        }
    }
    Ok(pruned)
}

fn ends(verified: &Verification) -> Vec<ChainPoint> {
    verified.verified.iter().map(|chain| chain.end).collect()
}

/// What the events that go say of credentials, and no other one.
fn carried_over(
    connection: &mut DatabaseConnection,
    log: &CommandLog,
    verified: &Verification,
    doomed: &[Doomed],
) -> Result<Vec<AuditEntry>, StoreError> {
    let through: HashMap<i32, i64> = doomed
        .iter()
        .map(|doomed| (doomed.chain.end.chain, doomed.through))
        .collect();
    let goes = |chain: i32, sequence: i64| {
        let through = through.get(&chain);
        through.is_some_and(|through| sequence <= *through)
    };
    let mut entries = Vec::new();
    for (credential_id, logged) in &verified.logged {
        if !goes(logged.chain, logged.sequence) {
            continue;
        }
        if let Some(state) = &logged.state {
            entries.push(log.carried_over(state.clone()));
        } else if has_event_left(connection, *credential_id, &goes)? {
            entries.push(log.carried_over_deletion(*credential_id, logged.event_id));
        }
    }
    Ok(entries)
}

/// Whether an event stays that says what a deleted credential was like. It may be of another chain, and of an earlier time, but behind one
/// of a later time, since the clock was set back. Without its deletion it would say that the credential exists.
fn has_event_left(
    connection: &mut DatabaseConnection,
    credential_id: Id<Credential>,
    goes: &impl Fn(i32, i64) -> bool,
) -> Result<bool, StoreError> {
    let places = list_change_places(connection, credential_id)?;
    let stays = |(chain, sequence): (i32, i64)| !goes(chain, sequence);
    Ok(places.into_iter().any(stays))
}

/// Removes what a damaged log has left before the beginning of a chain, when events behind that are removed: all at once, since a part of it
/// would not be what was left.
fn remove_kept(
    connection: &mut DatabaseConnection,
    signer: &Signer,
    doomed: &Doomed,
) -> Result<usize, StoreError> {
    let beginning = doomed.chain.beginning;
    if !doomed.chain.has_kept || doomed.through <= beginning.sequence {
        return Ok(0);
    }
    connection.in_write_transaction(|connection| {
        let present = list_checkpoints(connection, signer)?;
        if !present.iter().any(|stored| stored.point == beginning) {
            // Another command has pruned it further meanwhile.
            return Ok(0);
        }
        let removed = delete_through(connection, beginning.chain, beginning.sequence)?;
        reset_checkpoint(connection, signer, &beginning)?;
        Ok(removed)
    })
}

/// Removes the events of a chain up to one of them, and says so, in one transaction: the log verifies whenever it is broken off.
fn remove_through(
    connection: &mut DatabaseConnection,
    signer: &Signer,
    chain: i32,
    sequence: i64,
) -> Result<usize, StoreError> {
    connection.in_write_transaction(|connection| {
        let Some(mac) = find_mac(connection, chain, sequence)? else {
            // Another command has pruned it further meanwhile.
            return Ok(0);
        };
        let point = ChainPoint {
            chain,
            sequence,
            mac: mac.try_into().map_err(|_length| StoreError::Unreadable)?,
        };
        advance_checkpoint(connection, signer, &point)?;
        delete_through(connection, chain, sequence)
    })
}

/// Takes all chains, until the connection is closed. Returns whether nobody else writes any: a server on PostgreSQL has one for each
/// connection that writes. On SQLite it has its data directory.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn try_take_chains(
    connection: &mut DatabaseConnection,
    signer: &Signer,
) -> Result<bool, StoreError> {
    let heads = list_heads(connection, signer)?;
    let checkpoints = list_checkpoints(connection, signer)?;
    let states = list_chain_states(connection, &heads, &checkpoints)?;
    let chains: Vec<i32> = states.iter().map(|state| state.chain).collect();
    try_take_all(connection, &chains)
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
        let generation = find_generation(connection)?.unwrap_or(0);
        let ends = ends(verified);
        for end in &ends {
            write_head(connection, signer, end, generation)?;
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
        entries.push(log.anchor(ends));
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
