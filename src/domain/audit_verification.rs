//! Whether the audit log is as it was written: every event of every chain, the beginnings and ends of the chains, the anchors, and whether
//! credentials and the keyring are as the log says.

use std::collections::HashMap;

use super::audit_chain_state::{ChainState, greatest_generation, list_chain_states};
use super::audit_finding::Finding;
use super::command_log::generation_in;
use crate::store::audit::{find_mac, has_event_through, list_chain};
use crate::store::audit_chain::event_mac;
use crate::store::audit_point::{find_kept, list_checkpoints, list_heads};
use crate::store::audit_row::AuditRow;
use crate::store::connection::DatabaseConnection;
use crate::store::error::StoreError;
use crate::store::{credential, keyring};
use crate::types::audit::{AuditAction, AuditEvent, ChainPoint, CredentialState, Signer};
use crate::types::credential::Credential;
use crate::types::id::Id;

/// How many rows are read at once.
const BATCH_LIMIT_ROWS: i64 = 5_000;
/// How many findings are kept: more are only counted.
const FINDING_LIMIT: usize = 1_000;

/// What the log says of a credential.
pub struct Logged {
    /// The event that says so, or for which another one stands that says the same.
    pub event_id: Id<AuditEvent>,
    /// The chain in which it says so.
    pub chain: i32,
    /// Its place there.
    pub sequence: i64,
    /// What it is like; `None` when it was deleted.
    pub state: Option<CredentialState>,
}

/// Where a chain begins and ends.
#[derive(Clone, Copy)]
pub struct VerifiedChain {
    /// The point behind which its events begin.
    pub beginning: ChainPoint,
    /// Whether it has rows up to there, which a damaged log has left.
    pub has_kept: bool,
    /// Its last event.
    pub end: ChainPoint,
}

/// What was found.
#[derive(Default)]
pub struct Verification {
    /// How many events there are.
    pub events: u64,
    /// How many chains.
    pub chains: usize,
    /// How many credentials were compared.
    pub credentials: u64,
    /// What is not as it was written: the first ones.
    pub findings: Vec<Finding>,
    /// How many of these there are.
    pub finding_count: usize,
    /// What the log says of credentials.
    pub logged: HashMap<Id<Credential>, Logged>,
    /// Where the chains begin and end.
    pub verified: Vec<VerifiedChain>,
    generation: i32,
    anchored: Vec<ChainPoint>,
}

impl Verification {
    fn find(&mut self, finding: Finding) {
        self.finding_count = self.finding_count.saturating_add(1);
        if self.findings.len() < FINDING_LIMIT {
            self.findings.push(finding);
        }
    }

    /// Notes a line of the second place that is not authentic.
    pub fn note_damaged_line(&mut self, line: usize) {
        self.find(Finding::AnchorChanged { line });
    }

    /// Verifies the log as it is at this moment. `anchors` are those of the second place. `tell` is called with the number of events that
    /// were read since the last time.
    ///
    /// # Errors
    /// A [`StoreError`] when the database cannot be read.
    pub fn run(
        &mut self,
        connection: &mut DatabaseConnection,
        signer: &Signer,
        anchors: &[ChainPoint],
        tell: &mut dyn FnMut(u64),
    ) -> Result<(), StoreError> {
        connection.in_snapshot(|connection| {
            let heads = list_heads(connection, signer)?;
            let checkpoints = list_checkpoints(connection, signer)?;
            let states = list_chain_states(connection, &heads, &checkpoints)?;
            for state in &states {
                self.verify_chain(connection, signer, state, tell)?;
            }
            self.chains = states.len();
            self.generation = self.generation.max(greatest_generation(&heads));
            self.anchored.extend_from_slice(anchors);
            self.verify_anchors(connection, &states)?;
            self.compare_credentials(connection)?;
            self.compare_keyring(connection)
        })
    }

    fn verify_chain(
        &mut self,
        connection: &mut DatabaseConnection,
        signer: &Signer,
        state: &ChainState,
        tell: &mut dyn FnMut(u64),
    ) -> Result<(), StoreError> {
        let chain = state.chain;
        let beginning = state.beginning(signer);
        self.verify_beginning(connection, signer, state, &beginning)?;
        let mut last = beginning;
        // Behind a gap nothing is known of what came before.
        let mut is_known = true;
        loop {
            let rows = list_chain(connection, chain, last.sequence, BATCH_LIMIT_ROWS)?;
            if rows.is_empty() {
                break;
            }
            for row in &rows {
                let wanted = last.sequence.saturating_add(1);
                if row.chain_sequence != wanted {
                    self.find(Finding::EventsMissing {
                        chain,
                        from: wanted,
                        to: row.chain_sequence.saturating_sub(1),
                    });
                    is_known = false;
                }
                if is_known && event_mac(signer, &last.mac, row).as_slice() != row.mac {
                    self.find(Finding::EventChanged {
                        chain,
                        sequence: row.chain_sequence,
                    });
                }
                is_known = true;
                last = ChainPoint {
                    chain,
                    sequence: row.chain_sequence,
                    mac: row.mac.as_slice().try_into().unwrap_or_default(),
                };
                self.take_in(row);
            }
            let count = u64::try_from(rows.len()).unwrap_or(0);
            self.events = self.events.saturating_add(count);
            tell(count);
        }
        self.verify_end(state, &last);
        self.verified.push(VerifiedChain {
            beginning,
            has_kept: state.kept().is_some(),
            end: last,
        });
        Ok(())
    }

    /// Up to where a chain was pruned, there are the rows that a damaged log has left, or none.
    fn verify_beginning(
        &mut self,
        connection: &mut DatabaseConnection,
        signer: &Signer,
        state: &ChainState,
        beginning: &ChainPoint,
    ) -> Result<(), StoreError> {
        let chain = state.chain;
        if state.checkpoint.is_some_and(|stored| !stored.is_authentic) {
            self.find(Finding::CheckpointChanged(chain));
        }
        if let Some(kept) = state.kept() {
            if find_kept(connection, signer, beginning)? != Some(kept) {
                self.find(Finding::KeptEventsChanged(chain));
            }
        } else if has_event_through(connection, chain, beginning.sequence)? {
            self.find(Finding::EventsBeforeBeginning {
                chain,
                through: beginning.sequence,
            });
        }
        Ok(())
    }

    fn verify_end(&mut self, state: &ChainState, last: &ChainPoint) {
        let chain = state.chain;
        let Some(head) = state.head else {
            self.find(Finding::HeadMissing(chain));
            return;
        };
        let end = head.point;
        if !head.is_authentic {
            self.find(Finding::HeadChanged(chain));
        } else if last.sequence < end.sequence {
            self.find(Finding::EventsMissing {
                chain,
                from: last.sequence.saturating_add(1),
                to: end.sequence,
            });
        } else if last.sequence > end.sequence {
            self.find(Finding::EventsBehindEnd {
                chain,
                from: end.sequence.saturating_add(1),
            });
        } else if last.mac != end.mac {
            self.find(Finding::EndChanged {
                chain,
                sequence: end.sequence,
            });
        }
    }

    /// What an event says of a credential or of the keyring, and the ends of chains that it anchors.
    fn take_in(&mut self, row: &AuditRow) {
        self.anchored.extend(row.anchored());
        if let Some((credential_id, event_id, state)) = row.credential_state() {
            let logged = Logged {
                event_id,
                chain: row.chain,
                sequence: row.chain_sequence,
                state,
            };
            let known = self.logged.get(&credential_id);
            // The events of one credential rise in the order in which it was changed, whichever chains they are in. What is carried over
            // says the same as the event that it stands for.
            if known.is_none_or(|known| known.event_id.as_bytes() <= event_id.as_bytes()) {
                self.logged.insert(credential_id, logged);
            }
        }
        let says_generation = [AuditAction::KeyringChanged, AuditAction::LogPruned];
        if says_generation
            .iter()
            .any(|action| row.action == action.as_str())
        {
            let generation = row.reason.as_deref().and_then(generation_in);
            self.generation = self.generation.max(generation.unwrap_or(0));
        }
    }

    /// Looks whether what anchors name is there. What was pruned is not.
    fn verify_anchors(
        &mut self,
        connection: &mut DatabaseConnection,
        states: &[ChainState],
    ) -> Result<(), StoreError> {
        let mut anchored = std::mem::take(&mut self.anchored);
        anchored.sort_unstable_by_key(|point| (point.chain, point.sequence, point.mac));
        anchored.dedup();
        for point in anchored {
            let pruned = states
                .iter()
                .find(|state| state.chain == point.chain)
                .and_then(ChainState::authentic_checkpoint)
                .map_or(0, |stored| stored.point.sequence);
            if point.sequence <= pruned {
                continue;
            }
            let found = find_mac(connection, point.chain, point.sequence)?;
            if found.as_deref() != Some(point.mac.as_slice()) {
                self.find(Finding::NotAnchored {
                    chain: point.chain,
                    sequence: point.sequence,
                });
            }
        }
        Ok(())
    }

    fn compare_credentials(
        &mut self,
        connection: &mut DatabaseConnection,
    ) -> Result<(), StoreError> {
        let mut wanted: HashMap<Id<Credential>, CredentialState> = self
            .logged
            .iter()
            .filter_map(|(id, logged)| Some((*id, logged.state.clone()?)))
            .collect();
        let mut after = Id::NIL;
        loop {
            let rows = credential::list_states(connection, after, BATCH_LIMIT_ROWS)?;
            let Some(last) = rows.last() else {
                break;
            };
            after = last.credential_id;
            for found in &rows {
                let id = found.credential_id;
                self.credentials = self.credentials.saturating_add(1);
                match wanted.remove(&id) {
                    Some(logged) => self.compare(&logged, found),
                    None if self.logged.contains_key(&id) => {
                        self.find(Finding::CredentialBack(id));
                    }
                    None => self.find(Finding::CredentialUnknown(id)),
                }
            }
        }
        let mut missing: Vec<Id<Credential>> = wanted.into_keys().collect();
        missing.sort_unstable_by_key(|id| *id.as_bytes());
        for id in missing {
            self.find(Finding::CredentialMissing(id));
        }
        Ok(())
    }

    fn compare(&mut self, logged: &CredentialState, found: &CredentialState) {
        let credential_id = logged.credential_id;
        if logged.value_version != found.value_version {
            self.find(Finding::VersionDiffers {
                credential_id,
                logged: logged.value_version,
                found: found.value_version,
            });
        }
        if logged.name != found.name {
            self.find(Finding::NameDiffers(credential_id));
        }
        if logged.owner_id != found.owner_id {
            self.find(Finding::OwnerDiffers(credential_id));
        }
    }

    fn compare_keyring(&mut self, connection: &mut DatabaseConnection) -> Result<(), StoreError> {
        // The first one has no event.
        let logged = self.generation.max(1);
        let found = keyring::find_generation(connection)?.unwrap_or(0);
        if found != logged {
            self.find(Finding::KeyringDiffers { logged, found });
        }
        Ok(())
    }
}
