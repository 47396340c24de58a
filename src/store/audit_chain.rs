//! The chains of the audit log. Each event carries a message authentication code over itself and over the one before it in its chain, and
//! each chain the code of its end. A connection that writes has a chain to itself, so that no two wait for each other.
//!
//! On SQLite the server has chain 0 and the commands, of which one writes at a time, chain 1. On PostgreSQL a connection takes the first
//! chain that no other one has, and holds it by an advisory lock until it is closed.

use std::sync::Arc;

use diesel::prelude::*;
use diesel::sql_types::Integer;

use super::audit::insert_row;
use super::audit_row::AuditRow;
use super::connection::DatabaseConnection;
use super::error::{Cause, StoreError};
use super::postgres::SCHEMA;
use super::schema::{audit_chains, audit_checkpoints};
use crate::types::audit::{AuditEntry, ChainPoint, Mac, Signer};
use crate::types::hex::hex;

const EVENT_DOMAIN: &[u8] = b"credence/audit/event/v1";
const START_DOMAIN: &[u8] = b"credence/audit/start/v1";
const HEAD_DOMAIN: &[u8] = b"credence/audit/head/v1";
const CHECKPOINT_DOMAIN: &[u8] = b"credence/audit/checkpoint/v1";

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

/// A place in a chain, and whether it is what it says.
#[derive(Clone, Copy, Debug)]
pub struct StoredPoint {
    /// The place.
    pub point: ChainPoint,
    /// Whether it was written by somebody who has the key of the log.
    pub is_authentic: bool,
}

/// A chain that this connection writes.
#[derive(Clone)]
pub struct Chain {
    end: ChainPoint,
    signer: Signer,
}

impl Chain {
    /// Takes a chain for a connection.
    ///
    /// # Errors
    /// A [`StoreError`] when the database cannot be read or written.
    pub fn open(
        connection: &mut DatabaseConnection,
        owner: ChainOwner,
        signer: &Signer,
    ) -> Result<Self, StoreError> {
        let chain = match connection {
            DatabaseConnection::Sqlite(_) => owner.sqlite_chain(),
            DatabaseConnection::Postgres(postgres) => claim(postgres)?,
        };
        Self::read(connection, chain, signer)
    }

    /// Reads where a chain ends, again: where others may have written it, inside of a transaction that writes.
    fn read(
        connection: &mut DatabaseConnection,
        chain: i32,
        signer: &Signer,
    ) -> Result<Self, StoreError> {
        let stored: Option<(i64, Vec<u8>)> = audit_chains::table
            .find(chain)
            .select((audit_chains::chain_sequence, audit_chains::mac))
            .first(connection)
            .optional()?;
        let end = match stored {
            Some((sequence, mac)) => ChainPoint {
                chain,
                sequence,
                mac: mac.try_into().map_err(|_length| StoreError::Unreadable)?,
            },
            // It is written with its first event.
            None => start_of(signer, chain),
        };
        Ok(Self {
            end,
            signer: Arc::clone(signer),
        })
    }

    /// The same chain, as it is now.
    ///
    /// # Errors
    /// A [`StoreError`] when the database cannot be read.
    pub fn read_again(&self, connection: &mut DatabaseConnection) -> Result<Self, StoreError> {
        Self::read(connection, self.end.chain, &self.signer)
    }

    /// Where it ends.
    #[must_use]
    pub const fn end(&self) -> ChainPoint {
        self.end
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
        let tag = head_tag(&self.signer, &self.end);
        let changed = diesel::update(audit_chains::table.find(self.end.chain))
            .set((
                audit_chains::chain_sequence.eq(self.end.sequence),
                audit_chains::mac.eq(self.end.mac.as_slice()),
                audit_chains::tag.eq(tag.as_slice()),
            ))
            .execute(connection)?;
        if changed == 0 {
            insert_head(connection, &self.end, &tag)?;
        }
        Ok(())
    }

    /// The statement that does the same on PostgreSQL: it is sent together with the commit, and takes no time of its own.
    #[must_use]
    pub fn postgres_end_statement(&self) -> String {
        let tag = head_tag(&self.signer, &self.end);
        format!(
            "INSERT INTO audit_chains (chain, chain_sequence, mac, tag) VALUES ({}, {}, '\\x{}', '\\x{}') ON CONFLICT (chain) DO UPDATE \
             SET chain_sequence = excluded.chain_sequence, mac = excluded.mac, tag = excluded.tag",
            self.end.chain,
            self.end.sequence,
            hex(&self.end.mac),
            hex(&tag)
        )
    }
}

/// How many chains there are at most: as many as connections that write at a time.
const CHAIN_LIMIT: i32 = 4_096;

#[derive(QueryableByName)]
struct Claimed {
    #[diesel(sql_type = Integer)]
    chain: i32,
}

/// Takes the first chain that no other session has. The lock is one of the tables', and goes with the session.
fn claim(connection: &mut PgConnection) -> Result<i32, StoreError> {
    let claimed: Option<Claimed> = diesel::sql_query(format!(
        "SELECT chain FROM generate_series(0, $1 - 1) AS chain
         WHERE pg_try_advisory_lock(hashtext('credence audit chain ' || {SCHEMA}), chain) LIMIT 1"
    ))
    .bind::<Integer, _>(CHAIN_LIMIT)
    .get_result(connection)
    .optional()?;
    let claimed = claimed.ok_or(StoreError::Internal(Cause("no audit chain that is free")))?;
    Ok(claimed.chain)
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

fn head_tag(signer: &Signer, point: &ChainPoint) -> Mac {
    point_tag(signer, HEAD_DOMAIN, point)
}

fn point_tag(signer: &Signer, domain: &[u8], point: &ChainPoint) -> Mac {
    let chain = point.chain.to_be_bytes();
    let sequence = point.sequence.to_be_bytes();
    signer(&[domain, &chain, &sequence, &point.mac])
}

type PointColumns = (i32, i64, Vec<u8>, Vec<u8>);

fn points_of(signer: &Signer, domain: &[u8], rows: Vec<PointColumns>) -> Vec<StoredPoint> {
    let point_of = |(chain, sequence, mac, tag): PointColumns| {
        let is_whole = mac.len() == Mac::default().len();
        let point = ChainPoint {
            chain,
            sequence,
            mac: mac.try_into().unwrap_or_default(),
        };
        StoredPoint {
            point,
            is_authentic: is_whole && point_tag(signer, domain, &point).as_slice() == tag,
        }
    };
    rows.into_iter().map(point_of).collect()
}

/// Where the chains end.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn list_heads(
    connection: &mut DatabaseConnection,
    signer: &Signer,
) -> Result<Vec<StoredPoint>, StoreError> {
    let rows: Vec<PointColumns> = audit_chains::table
        .order(audit_chains::chain)
        .load(connection)?;
    Ok(points_of(signer, HEAD_DOMAIN, rows))
}

/// Up to where the chains were pruned.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn list_checkpoints(
    connection: &mut DatabaseConnection,
    signer: &Signer,
) -> Result<Vec<StoredPoint>, StoreError> {
    let rows: Vec<PointColumns> = audit_checkpoints::table
        .order(audit_checkpoints::chain)
        .load(connection)?;
    Ok(points_of(signer, CHECKPOINT_DOMAIN, rows))
}

/// Notes up to where a chain is pruned, unless it was pruned further meanwhile.
///
/// # Errors
/// A [`StoreError`] when the database cannot be written.
pub fn advance_checkpoint(
    connection: &mut DatabaseConnection,
    signer: &Signer,
    point: &ChainPoint,
) -> Result<(), StoreError> {
    let of_chain = audit_checkpoints::table.find(point.chain);
    let earlier = of_chain.filter(audit_checkpoints::chain_sequence.le(point.sequence));
    diesel::delete(earlier).execute(connection)?;
    let further: Option<i64> = of_chain
        .select(audit_checkpoints::chain_sequence)
        .first(connection)
        .optional()?;
    if further.is_some() {
        return Ok(());
    }
    insert_checkpoint(connection, signer, point)
}

/// Says of a chain that it was pruned up to a point, whatever was said before.
///
/// # Errors
/// A [`StoreError`] when the database cannot be written.
pub fn reset_checkpoint(
    connection: &mut DatabaseConnection,
    signer: &Signer,
    point: &ChainPoint,
) -> Result<(), StoreError> {
    diesel::delete(audit_checkpoints::table.find(point.chain)).execute(connection)?;
    insert_checkpoint(connection, signer, point)
}

fn insert_checkpoint(
    connection: &mut DatabaseConnection,
    signer: &Signer,
    point: &ChainPoint,
) -> Result<(), StoreError> {
    let tag = point_tag(signer, CHECKPOINT_DOMAIN, point);
    diesel::insert_into(audit_checkpoints::table)
        .values((
            audit_checkpoints::chain.eq(point.chain),
            audit_checkpoints::chain_sequence.eq(point.sequence),
            audit_checkpoints::mac.eq(point.mac.as_slice()),
            audit_checkpoints::tag.eq(tag.as_slice()),
        ))
        .execute(connection)?;
    Ok(())
}

/// Says of a chain that it ends at a point, whatever its end was.
///
/// # Errors
/// A [`StoreError`] when the database cannot be written.
pub fn reset_head(
    connection: &mut DatabaseConnection,
    signer: &Signer,
    point: &ChainPoint,
) -> Result<(), StoreError> {
    let tag = head_tag(signer, point);
    diesel::delete(audit_chains::table.find(point.chain)).execute(connection)?;
    insert_head(connection, point, &tag)
}

fn insert_head(
    connection: &mut DatabaseConnection,
    point: &ChainPoint,
    tag: &Mac,
) -> Result<(), StoreError> {
    diesel::insert_into(audit_chains::table)
        .values((
            audit_chains::chain.eq(point.chain),
            audit_chains::chain_sequence.eq(point.sequence),
            audit_chains::mac.eq(point.mac.as_slice()),
            audit_chains::tag.eq(tag.as_slice()),
        ))
        .execute(connection)?;
    Ok(())
}
