//! What is stored of each chain of the audit log beside its events: where it ends, and up to where it was pruned.

use crate::store::audit::list_chains;
use crate::store::audit_chain::start_of;
use crate::store::audit_point::{StoredCheckpoint, StoredHead};
use crate::store::connection::DatabaseConnection;
use crate::store::error::StoreError;
use crate::types::audit::{ChainPoint, Mac, Signer};

/// A chain, where it ends and up to where it was pruned.
pub(super) struct ChainState {
    pub(super) chain: i32,
    pub(super) head: Option<StoredHead>,
    pub(super) checkpoint: Option<StoredCheckpoint>,
}

impl ChainState {
    /// Up to where it was pruned, if that is authentic: what others say of that is not believed.
    pub(super) fn authentic_checkpoint(&self) -> Option<StoredCheckpoint> {
        self.checkpoint.filter(|stored| stored.is_authentic)
    }

    /// Behind which point its events begin.
    pub(super) fn beginning(&self, signer: &Signer) -> ChainPoint {
        self.authentic_checkpoint()
            .map_or_else(|| start_of(signer, self.chain), |stored| stored.point)
    }

    /// What authenticates the rows that a damaged log has left before its beginning; without any, there are to be none.
    pub(super) fn kept(&self) -> Option<Mac> {
        self.authentic_checkpoint().and_then(|stored| stored.kept)
    }
}

/// All chains: those that have events, an end or a checkpoint. Who takes two of the three away does not hide the third.
pub(super) fn list_chain_states(
    connection: &mut DatabaseConnection,
    heads: &[StoredHead],
    checkpoints: &[StoredCheckpoint],
) -> Result<Vec<ChainState>, StoreError> {
    let mut chains = list_chains(connection)?;
    chains.extend(heads.iter().map(|head| head.point.chain));
    chains.extend(checkpoints.iter().map(|stored| stored.point.chain));
    chains.sort_unstable();
    chains.dedup();
    let state = |chain| ChainState {
        chain,
        head: heads.iter().find(|head| head.point.chain == chain).copied(),
        checkpoint: checkpoints
            .iter()
            .find(|stored| stored.point.chain == chain)
            .copied(),
    };
    Ok(chains.into_iter().map(state).collect())
}

/// The greatest generation of the keyring that the ends of the chains name authentically; 0 when none does.
pub(super) fn greatest_generation(heads: &[StoredHead]) -> i32 {
    let authentic = heads.iter().filter(|head| head.is_authentic);
    authentic.map(|head| head.generation).max().unwrap_or(0)
}
