//! The chains of the audit log. Each event carries a message authentication code over itself and over the one before it in its chain, and
//! each chain the code of its end. A connection that writes has a chain to itself, so that no two wait for each other.
//!
//! On SQLite the server has chain 0 and the commands, of which one writes at a time, chain 1. On PostgreSQL a connection takes the first
//! chain that no other one has, and holds it by an advisory lock until it is closed.

use std::sync::Arc;

use diesel::prelude::*;
use diesel::sql_types::Integer;

use super::audit::{has_event_through, insert_row, list_chain_back};
use super::audit_point::{
    StoredHead, find_head, has_checkpoint, head_tag, list_checkpoints, list_heads, write_head,
};
use super::audit_row::AuditRow;
use super::connection::DatabaseConnection;
use super::error::{Cause, StoreError};
use super::postgres::SCHEMA;
use super::row;
use crate::types::audit::{AuditEntry, AuditEvent, ChainPoint, Mac, Signer};
use crate::types::hex::hex;
use crate::types::id::Id;

const EVENT_DOMAIN: &[u8] = b"credence/audit/event/v1";
const START_DOMAIN: &[u8] = b"credence/audit/start/v1";

/// Who writes a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainOwner {
    /// A server.
    Server,
    /// A command.
    Command,
}

impl ChainOwner {
    /// The chain on SQLite.
    const fn sqlite_chain(self) -> i32 {
        match self {
            Self::Server => 0,
            Self::Command => 1,
        }
    }
}

/// A chain that this connection writes.
#[derive(Clone)]
pub struct Chain {
    end: ChainPoint,
    generation: i32,
    signer: Signer,
}

impl Chain {
    /// Takes a chain for a connection. On PostgreSQL a server leaves chains alone that do not end where they ended: there are others, and
    /// what was done to those stays to be seen.
    ///
    /// # Errors
    /// [`StoreError::ChainBroken`] when nothing authentic says where the chain of this database or command ends; otherwise a [`StoreError`]
    /// when the database cannot be read or written.
    pub fn open(
        connection: &mut DatabaseConnection,
        owner: ChainOwner,
        signer: &Signer,
    ) -> Result<Self, StoreError> {
        let mut from = 0;
        loop {
            let chain = match connection {
                DatabaseConnection::Sqlite(_) => {
                    return Self::read(connection, owner.sqlite_chain(), signer);
                }
                DatabaseConnection::Postgres(postgres) => claim(postgres, from)?,
            };
            match Self::read(connection, chain, signer) {
                Err(StoreError::ChainBroken(chain)) if owner == ChainOwner::Server => {
                    tell_broken(chain);
                    from = chain.saturating_add(1);
                }
                read => return read,
            }
        }
    }

    /// Reads where a chain ends, again: where others may have written it, inside of a transaction that writes.
    fn read(
        connection: &mut DatabaseConnection,
        chain: i32,
        signer: &Signer,
    ) -> Result<Self, StoreError> {
        // Who goes on from an end that nobody authenticated would authenticate it, and with it that the chain was cut.
        let (end, generation) = match find_head(connection, signer, chain)? {
            Some(head) if head.is_authentic => (head.point, head.generation),
            Some(_head) => return Err(StoreError::ChainBroken(chain)),
            None if was_written(connection, chain)? => return Err(StoreError::ChainBroken(chain)),
            // It is written with its first event.
            None => (start_of(signer, chain), 0),
        };
        Ok(Self {
            end,
            generation,
            signer: Arc::clone(signer),
        })
    }

    /// The same chain, as it is now.
    ///
    /// # Errors
    /// Those of [`Self::open`].
    pub fn read_again(&self, connection: &mut DatabaseConnection) -> Result<Self, StoreError> {
        Self::read(connection, self.end.chain, &self.signer)
    }

    /// Where it ends.
    #[must_use]
    pub const fn end(&self) -> ChainPoint {
        self.end
    }

    /// Notes which generation of the keyring there is: the greatest one is written with the end.
    pub fn note_generation(&mut self, generation: i32) {
        self.generation = self.generation.max(generation);
    }

    /// Adds to the log. The end is written with [`Self::write_end`] or [`Self::postgres_end_statement`], before the transaction ends.
    ///
    /// # Errors
    /// A [`StoreError`] when the database cannot be written.
    pub fn append(
        &mut self,
        connection: &mut DatabaseConnection,
        entries: &[AuditEntry],
    ) -> Result<(), StoreError> {
        for entry in entries {
            let sequence = self.end.sequence.saturating_add(1);
            let mut row = AuditRow::of(entry, self.end.chain, sequence);
            let mac = event_mac(&self.signer, &self.end.mac, &row);
            row.mac = mac.to_vec();
            insert_row(connection, &row)?;
            self.end = ChainPoint {
                chain: self.end.chain,
                sequence,
                mac,
            };
        }
        Ok(())
    }

    /// Writes where it ends.
    ///
    /// # Errors
    /// A [`StoreError`] when the database cannot be written.
    pub fn write_end(&self, connection: &mut DatabaseConnection) -> Result<(), StoreError> {
        write_head(connection, &self.signer, &self.end, self.generation)
    }

    /// The statement that does the same on PostgreSQL: it is sent together with the commit, and takes no time of its own.
    #[must_use]
    pub fn postgres_end_statement(&self) -> String {
        let tag = head_tag(&self.signer, &self.end, self.generation);
        format!(
            "INSERT INTO audit_chains (chain, chain_sequence, mac, tag, generation) VALUES ({}, {}, '\\x{}', '\\x{}', {}) ON CONFLICT (chain) \
             DO UPDATE SET chain_sequence = excluded.chain_sequence, mac = excluded.mac, tag = excluded.tag, \
             generation = excluded.generation",
            self.end.chain,
            self.end.sequence,
            hex(&self.end.mac),
            hex(&tag),
            self.generation
        )
    }
}

/// Whether there is anything of a chain that has no end.
fn was_written(connection: &mut DatabaseConnection, chain: i32) -> Result<bool, StoreError> {
    Ok(has_event_through(connection, chain, i64::MAX)? || has_checkpoint(connection, chain)?)
}

/// How many chains there are at most: as many as connections that write at a time.
const CHAIN_LIMIT: i32 = 4_096;

#[derive(QueryableByName)]
struct Claimed {
    #[diesel(sql_type = Integer)]
    chain: i32,
}

/// Tells the log of a chain that nothing is written to.
pub(super) fn tell_broken(chain: i32) {
    tracing::error!(
        chain,
        "the audit log does not end where it ended: somebody cut or changed it. Nothing is written to this chain any more. `credence audit \
         verify` shows what there is to see; stop the servers, and restore the database from a backup, or let it go on as it is with \
         `credence audit prune --damaged`"
    );
}

/// Takes the first chain from one on that no other session has. The lock is one of the tables', and goes with the session.
fn claim(connection: &mut PgConnection, from: i32) -> Result<i32, StoreError> {
    let class = chain_lock_class();
    let claimed: Option<Claimed> = diesel::sql_query(format!(
        "SELECT chain FROM generate_series($2, $1 - 1) AS chain WHERE pg_try_advisory_lock({class}, chain) LIMIT 1"
    ))
    .bind::<Integer, _>(CHAIN_LIMIT)
    .bind::<Integer, _>(from)
    .get_result(connection)
    .optional()?;
    let claimed = claimed.ok_or(StoreError::Internal(Cause("no audit chain that is free")))?;
    Ok(claimed.chain)
}

/// What the advisory locks of chains have in common, as an expression.
fn chain_lock_class() -> String {
    format!("hashtext('credence audit chain ' || {SCHEMA})")
}

/// Takes chains on PostgreSQL, until the connection is closed. Returns whether no other session has any chain, these or others.
///
/// # Errors
/// A [`StoreError`] when the database cannot be reached.
pub fn try_take_all(
    connection: &mut DatabaseConnection,
    chains: &[i32],
) -> Result<bool, StoreError> {
    let DatabaseConnection::Postgres(postgres) = connection else {
        return Ok(true);
    };
    let class = chain_lock_class();
    for chain in chains {
        let taken: Option<Claimed> = diesel::sql_query(format!(
            "SELECT chain FROM (SELECT $1 AS chain) AS chains WHERE pg_try_advisory_lock({class}, chain)"
        ))
        .bind::<Integer, _>(*chain)
        .get_result(postgres)
        .optional()?;
        if taken.is_none() {
            return Ok(false);
        }
    }
    // A chain that has no event yet is in no table.
    let other: Option<Claimed> = diesel::sql_query(format!(
        "SELECT 0 AS chain FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND pid <> pg_backend_pid()
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
         AND classid = ({class}::bigint & 4294967295)::oid LIMIT 1"
    ))
    .get_result(postgres)
    .optional()?;
    Ok(other.is_none())
}

/// The place before the first event of a chain.
#[must_use]
pub fn start_of(signer: &Signer, chain: i32) -> ChainPoint {
    ChainPoint {
        chain,
        sequence: 0,
        mac: signer(&[START_DOMAIN, &chain.to_be_bytes()]),
    }
}

/// What authenticates an event behind another one.
#[must_use]
pub fn event_mac(signer: &Signer, before: &Mac, row: &AuditRow) -> Mac {
    signer(&[EVENT_DOMAIN, before, &row.canonical()])
}

/// How many of the last events of a chain are looked at for the last ID: they are not in the order of their IDs, but nearly so.
const LAST_LIMIT_ROWS: i64 = 256;

/// The last event that was written by somebody who has the key of the log; `None` when there is none. What others put into the log does not
/// say what IDs go on from.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn find_last_authentic_event(
    connection: &mut DatabaseConnection,
    signer: &Signer,
) -> Result<Option<Id<AuditEvent>>, StoreError> {
    let checkpoints = list_checkpoints(connection, signer)?;
    let mut last: Option<Vec<u8>> = None;
    for head in list_heads(connection, signer)? {
        let chain = head.point.chain;
        let pruned = checkpoints
            .iter()
            .find(|stored| stored.is_authentic && stored.point.chain == chain);
        let beginning = pruned.map_or_else(|| start_of(signer, chain), |stored| stored.point);
        last = last.max(find_last_of_chain(connection, signer, &head, &beginning)?);
    }
    row::optional_id(last)
}

/// The greatest ID of the last events of a chain, from its end back to the first one that is not as it was written.
fn find_last_of_chain(
    connection: &mut DatabaseConnection,
    signer: &Signer,
    head: &StoredHead,
    beginning: &ChainPoint,
) -> Result<Option<Vec<u8>>, StoreError> {
    let end = head.point;
    if !head.is_authentic {
        return Ok(None);
    }
    let rows = list_chain_back(connection, end.chain, end.sequence, LAST_LIMIT_ROWS)?;
    let mut wanted = end.mac;
    let mut last = None;
    for (number, row) in rows.iter().enumerate() {
        let before = match rows.get(number + 1) {
            Some(before) => before.mac.as_slice().try_into().unwrap_or_default(),
            None => beginning.mac,
        };
        if row.mac != wanted || event_mac(signer, &before, row) != wanted {
            break;
        }
        wanted = before;
        last = last.max(Some(row.id.clone()));
    }
    Ok(last)
}
