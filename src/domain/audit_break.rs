//! What a start looks at of the audit log: where the chains begin and end, and whether the keyring is the one that the log names. That every
//! event is as it was written, `credence audit verify` finds out.

use super::audit_chain_state::{ChainState, greatest_generation, list_chain_states};
use super::command_log::generation_in;
use crate::store::audit::{find_keyring_reason, find_last, has_event_through};
use crate::store::audit_chain::start_of;
use crate::store::audit_point::{list_checkpoints, list_heads_before_migration};
use crate::store::connection::DatabaseConnection;
use crate::store::error::StoreError;
use crate::store::{credential, keyring};
use crate::types::audit::{ChainPoint, Signer};
use crate::types::id::Id;

/// Why a server does not start on a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokenLog {
    /// A chain does not begin where it began, or has events before that.
    Beginning(i32),
    /// A chain does not end where it ended.
    End(i32),
    /// There is none, beside what it would tell of.
    Missing,
    /// The keyring is an earlier one than the log says.
    KeyringOld {
        /// What the log says.
        logged: i32,
        /// What there is.
        found: i32,
    },
    /// The keyring is a later one than the log says.
    KeyringUnlogged {
        /// What the log says.
        logged: i32,
        /// What there is.
        found: i32,
    },
}

/// Looks whether the chains begin and end where they should, and whether the keyring is the one that the log names last.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn find_break(
    connection: &mut DatabaseConnection,
    signer: &Signer,
) -> Result<Option<BrokenLog>, StoreError> {
    connection.in_snapshot(|connection| {
        let heads = list_heads_before_migration(connection, signer)?;
        let checkpoints = list_checkpoints(connection, signer)?;
        for state in list_chain_states(connection, &heads, &checkpoints)? {
            let broken = find_break_of_chain(connection, signer, &state)?;
            if broken.is_some() {
                return Ok(broken);
            }
        }
        let has_credentials = !credential::list_states(connection, Id::NIL, 1)?.is_empty();
        if heads.is_empty() && has_credentials {
            return Ok(Some(BrokenLog::Missing));
        }
        let mut logged = greatest_generation(&heads);
        if logged == 0 {
            // It was written before the ends of the chains said it.
            let reason = find_keyring_reason(connection)?;
            logged = reason.as_deref().and_then(generation_in).unwrap_or(0);
        }
        // The first one has no event.
        let logged = logged.max(1);
        let found = keyring::find_generation(connection)?.unwrap_or(logged);
        Ok(match found {
            found if found < logged => Some(BrokenLog::KeyringOld { logged, found }),
            found if found > logged => Some(BrokenLog::KeyringUnlogged { logged, found }),
            _ => None,
        })
    })
}

fn find_break_of_chain(
    connection: &mut DatabaseConnection,
    signer: &Signer,
    state: &ChainState,
) -> Result<Option<BrokenLog>, StoreError> {
    let chain = state.chain;
    let beginning = state.beginning(signer);
    let is_made_up = state.checkpoint.is_some_and(|stored| !stored.is_authentic);
    // Whether what a damaged log has left there is as it was takes long to find out.
    let has_other =
        state.kept().is_none() && has_event_through(connection, chain, beginning.sequence)?;
    if is_made_up || has_other {
        return Ok(Some(BrokenLog::Beginning(chain)));
    }
    let last = find_last(connection, chain)?;
    let ends = ends_with(state, last, &start_of(signer, chain));
    Ok((!ends).then_some(BrokenLog::End(chain)))
}

/// Whether the last event that there is, if any, is the one that the chain ended with, or whether it was pruned up to its end.
fn ends_with(state: &ChainState, last: Option<(i64, Vec<u8>)>, start: &ChainPoint) -> bool {
    let Some(head) = state.head.filter(|head| head.is_authentic) else {
        return false;
    };
    let end = head.point;
    let is_pruned = state
        .authentic_checkpoint()
        .is_some_and(|stored| stored.point == end);
    match last {
        Some((sequence, _mac)) if is_pruned => sequence <= end.sequence,
        Some((sequence, mac)) => sequence == end.sequence && mac == end.mac,
        None => is_pruned || end == *start,
    }
}
