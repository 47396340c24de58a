//! Places in the chains of the audit log that are stored with a code of their own: where each chain ends, and up to where it was pruned.

use diesel::prelude::*;

use super::audit::list_chain_through;
use super::connection::DatabaseConnection;
use super::error::StoreError;
use super::migration::is_applied;
use super::schema::{audit_chains, audit_checkpoints};
use crate::types::audit::{ChainPoint, MAC_LENGTH_BYTES, Mac, Signer};

const HEAD_DOMAIN: &[u8] = b"credence/audit/head/v1";
const HEAD_OF_GENERATION_DOMAIN: &[u8] = b"credence/audit/head/v2";
const CHECKPOINT_DOMAIN: &[u8] = b"credence/audit/checkpoint/v1";
const KEEPING_CHECKPOINT_DOMAIN: &[u8] = b"credence/audit/checkpoint/v2";
const KEPT_DOMAIN: &[u8] = b"credence/audit/kept/v1";

/// How many rows are read at once.
const BATCH_LIMIT_ROWS: i64 = 1_000;

/// Where a chain ends, and whether it is what it says.
#[derive(Clone, Copy, Debug)]
pub struct StoredHead {
    /// The place of its last event.
    pub point: ChainPoint,
    /// The generation of the keyring by then; 0 where it was not noted yet.
    pub generation: i32,
    /// Whether it was written by somebody who has the key of the log.
    pub is_authentic: bool,
}

/// Up to where a chain was pruned, and whether it is what it says.
#[derive(Clone, Copy, Debug)]
pub struct StoredCheckpoint {
    /// The place of the last event that went.
    pub point: ChainPoint,
    /// What authenticates the rows that a damaged log has left up to there; `None` where there are none.
    pub kept: Option<Mac>,
    /// Whether it was written by somebody who has the key of the log.
    pub is_authentic: bool,
}

/// What authenticates an end. Without a generation it is what it was before these were noted.
pub(super) fn head_tag(signer: &Signer, point: &ChainPoint, generation: i32) -> Mac {
    if generation == 0 {
        return point_tag(signer, HEAD_DOMAIN, point, &[]);
    }
    let generation = generation.to_be_bytes();
    point_tag(signer, HEAD_OF_GENERATION_DOMAIN, point, &generation)
}

fn point_tag(signer: &Signer, domain: &[u8], point: &ChainPoint, more: &[u8]) -> Mac {
    let chain = point.chain.to_be_bytes();
    let sequence = point.sequence.to_be_bytes();
    let parts: [&[u8]; 5] = [domain, &chain, &sequence, &point.mac, more];
    signer(if more.is_empty() {
        parts.get(..4).unwrap_or_default()
    } else {
        &parts
    })
}

/// The place that a row names, and whether what authenticates its event has the length of that.
fn point_of(chain: i32, sequence: i64, mac: Vec<u8>) -> (ChainPoint, bool) {
    let is_whole = mac.len() == MAC_LENGTH_BYTES;
    let mac = mac.try_into().unwrap_or_default();
    let point = ChainPoint {
        chain,
        sequence,
        mac,
    };
    (point, is_whole)
}

type HeadColumns = (i32, i64, Vec<u8>, Vec<u8>, i32);

fn head_of(signer: &Signer, (chain, sequence, mac, tag, generation): HeadColumns) -> StoredHead {
    let (point, is_whole) = point_of(chain, sequence, mac);
    let fits = |generation| head_tag(signer, &point, generation).as_slice() == tag;
    // An instance of the version before, which knows no generation, leaves the one that stands there.
    let generation = if fits(generation) { generation } else { 0 };
    StoredHead {
        point,
        generation,
        is_authentic: is_whole && fits(generation),
    }
}

/// Where the chains end.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn list_heads(
    connection: &mut DatabaseConnection,
    signer: &Signer,
) -> Result<Vec<StoredHead>, StoreError> {
    let rows: Vec<HeadColumns> = audit_chains::table
        .order(audit_chains::chain)
        .select(audit_chains::all_columns)
        .load(connection)?;
    Ok(rows.into_iter().map(|row| head_of(signer, row)).collect())
}

/// The migration that the generation came with.
const GENERATION_MIGRATION: &str = "20261127000001";

/// As [`list_heads`], also of a database that is not migrated yet.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn list_heads_before_migration(
    connection: &mut DatabaseConnection,
    signer: &Signer,
) -> Result<Vec<StoredHead>, StoreError> {
    if is_applied(connection, GENERATION_MIGRATION)? {
        return list_heads(connection, signer);
    }
    let rows: Vec<(i32, i64, Vec<u8>, Vec<u8>)> = audit_chains::table
        .order(audit_chains::chain)
        .select((
            audit_chains::chain,
            audit_chains::chain_sequence,
            audit_chains::mac,
            audit_chains::tag,
        ))
        .load(connection)?;
    let head = |(chain, sequence, mac, tag)| head_of(signer, (chain, sequence, mac, tag, 0));
    Ok(rows.into_iter().map(head).collect())
}

/// Where the chains end, when all of them say so authentically.
///
/// # Errors
/// [`StoreError::ChainBroken`] when one of them does not.
pub fn list_authentic_ends(
    connection: &mut DatabaseConnection,
    signer: &Signer,
) -> Result<Vec<ChainPoint>, StoreError> {
    let end = |head: StoredHead| {
        let chain = head.point.chain;
        let authentic = head.is_authentic.then_some(head.point);
        authentic.ok_or(StoreError::ChainBroken(chain))
    };
    list_heads(connection, signer)?
        .into_iter()
        .map(end)
        .collect()
}

/// Where a chain ends; `None` when nothing says so.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub(super) fn find_head(
    connection: &mut DatabaseConnection,
    signer: &Signer,
    chain: i32,
) -> Result<Option<StoredHead>, StoreError> {
    let row: Option<HeadColumns> = audit_chains::table
        .find(chain)
        .select(audit_chains::all_columns)
        .first(connection)
        .optional()?;
    Ok(row.map(|row| head_of(signer, row)))
}

/// Writes where a chain ends.
///
/// # Errors
/// A [`StoreError`] when the database cannot be written.
pub fn write_head(
    connection: &mut DatabaseConnection,
    signer: &Signer,
    point: &ChainPoint,
    generation: i32,
) -> Result<(), StoreError> {
    let tag = head_tag(signer, point, generation);
    let changed = diesel::update(audit_chains::table.find(point.chain))
        .set((
            audit_chains::chain_sequence.eq(point.sequence),
            audit_chains::mac.eq(point.mac.as_slice()),
            audit_chains::tag.eq(tag.as_slice()),
            audit_chains::generation.eq(generation),
        ))
        .execute(connection)?;
    if changed > 0 {
        return Ok(());
    }
    diesel::insert_into(audit_chains::table)
        .values((
            audit_chains::chain.eq(point.chain),
            audit_chains::chain_sequence.eq(point.sequence),
            audit_chains::mac.eq(point.mac.as_slice()),
            audit_chains::tag.eq(tag.as_slice()),
            audit_chains::generation.eq(generation),
        ))
        .execute(connection)?;
    Ok(())
}

type CheckpointColumns = (i32, i64, Vec<u8>, Vec<u8>);

fn checkpoint_of(
    signer: &Signer,
    (chain, sequence, mac, tag): CheckpointColumns,
) -> StoredCheckpoint {
    let (point, is_whole) = point_of(chain, sequence, mac);
    // Where rows were kept, what authenticates these stands before what authenticates the checkpoint.
    let kept = tag.split_first_chunk::<MAC_LENGTH_BYTES>();
    let kept = kept
        .filter(|(_, rest)| !rest.is_empty())
        .map(|(kept, _)| *kept);
    StoredCheckpoint {
        point,
        kept,
        is_authentic: is_whole && checkpoint_tag(signer, &point, kept) == tag,
    }
}

fn checkpoint_tag(signer: &Signer, point: &ChainPoint, kept: Option<Mac>) -> Vec<u8> {
    match kept {
        None => point_tag(signer, CHECKPOINT_DOMAIN, point, &[]).to_vec(),
        Some(kept) => {
            let tag = point_tag(signer, KEEPING_CHECKPOINT_DOMAIN, point, &kept);
            [kept, tag].concat()
        }
    }
}

/// Up to where the chains were pruned.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn list_checkpoints(
    connection: &mut DatabaseConnection,
    signer: &Signer,
) -> Result<Vec<StoredCheckpoint>, StoreError> {
    let rows: Vec<CheckpointColumns> = audit_checkpoints::table
        .order(audit_checkpoints::chain)
        .load(connection)?;
    let checkpoints = rows.into_iter().map(|row| checkpoint_of(signer, row));
    Ok(checkpoints.collect())
}

/// Whether anything says that a chain was pruned.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub(super) fn has_checkpoint(
    connection: &mut DatabaseConnection,
    chain: i32,
) -> Result<bool, StoreError> {
    let found: Option<i32> = audit_checkpoints::table
        .find(chain)
        .select(audit_checkpoints::chain)
        .first(connection)
        .optional()?;
    Ok(found.is_some())
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
    if has_checkpoint(connection, point.chain)? {
        return Ok(());
    }
    insert_checkpoint(connection, signer, point, None)
}

/// Says of a chain that it was pruned up to a point, whatever was said before. Rows that stand up to there are kept as they are from now on.
///
/// # Errors
/// A [`StoreError`] when the database cannot be written.
pub fn reset_checkpoint(
    connection: &mut DatabaseConnection,
    signer: &Signer,
    point: &ChainPoint,
) -> Result<(), StoreError> {
    let kept = find_kept(connection, signer, point)?;
    diesel::delete(audit_checkpoints::table.find(point.chain)).execute(connection)?;
    insert_checkpoint(connection, signer, point, kept)
}

fn insert_checkpoint(
    connection: &mut DatabaseConnection,
    signer: &Signer,
    point: &ChainPoint,
    kept: Option<Mac>,
) -> Result<(), StoreError> {
    diesel::insert_into(audit_checkpoints::table)
        .values((
            audit_checkpoints::chain.eq(point.chain),
            audit_checkpoints::chain_sequence.eq(point.sequence),
            audit_checkpoints::mac.eq(point.mac.as_slice()),
            audit_checkpoints::tag.eq(checkpoint_tag(signer, point, kept)),
        ))
        .execute(connection)?;
    Ok(())
}

/// What authenticates the rows that stand up to a point of a chain, all together; `None` when there are none.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn find_kept(
    connection: &mut DatabaseConnection,
    signer: &Signer,
    point: &ChainPoint,
) -> Result<Option<Mac>, StoreError> {
    let mut after = None;
    let mut kept = None;
    loop {
        let rows = list_chain_through(
            connection,
            point.chain,
            after,
            point.sequence,
            BATCH_LIMIT_ROWS,
        )?;
        let Some(last) = rows.last() else {
            return Ok(kept);
        };
        after = Some(last.chain_sequence);
        for row in &rows {
            let before = kept.unwrap_or_default();
            kept = Some(signer(&[KEPT_DOMAIN, &before, &row.canonical(), &row.mac]));
        }
    }
}
