//! A row of the audit log: what it says, and what of it is authenticated.

use diesel::prelude::*;

use super::error::StoreError;
use super::row;
use super::schema::audit_events;
use crate::types::audit::{
    AuditAction, AuditEntry, AuditEvent, ChainPoint, CredentialState, MAC_LENGTH_BYTES,
};
use crate::types::clock::Timestamp;
use crate::types::consumer::{Consumer, ConsumerKind};
use crate::types::credential::Credential;
use crate::types::id::Id;

/// What the rows that are for the log itself, and for no reader, say that they record.
pub(super) const ANCHORED: &str = "LOG_ANCHORED";
pub(super) const CARRIED_OVER: &str = "CREDENTIAL_CARRIED_OVER";

/// A row, as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Queryable, Insertable)]
// A statement that names all columns is prepared once: with defaults in place of nulls, each would be put together anew.
#[diesel(table_name = audit_events, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "the columns are those of the table")]
pub struct AuditRow {
    pub id: Vec<u8>,
    pub occurred_at_us: i64,
    pub action: String,
    pub actor_issuer: String,
    pub actor_subject: String,
    pub credential_id: Option<Vec<u8>>,
    pub credential_name: Option<String>,
    pub value_version: Option<i32>,
    pub user_id: Option<Vec<u8>>,
    pub user_subject: Option<String>,
    pub consumer_kind: Option<String>,
    pub consumer_external_id: Option<String>,
    pub consumer_name: Option<String>,
    pub request_id: String,
    pub owner_id: Option<Vec<u8>>,
    pub reason: Option<String>,
    pub times: i32,
    pub heads: Option<Vec<u8>>,
    pub chain: i32,
    pub chain_sequence: i64,
    pub mac: Vec<u8>,
    pub actor_client: Option<String>,
    pub token_id_hash: Option<Vec<u8>>,
    pub peer: Option<String>,
}

impl AuditRow {
    /// The row of an entry, without what authenticates it.
    #[must_use]
    pub fn of(entry: &AuditEntry, chain: i32, chain_sequence: i64) -> Self {
        let row = match entry {
            AuditEntry::Event(event) => Self::of_event(event),
            AuditEntry::Anchor { id, at, heads } => Self {
                id: id.as_bytes().to_vec(),
                occurred_at_us: at.0,
                action: ANCHORED.to_owned(),
                heads: Some(heads.iter().flat_map(point_bytes).collect()),
                ..Self::default()
            },
            AuditEntry::CarriedOver { id, at, state } => Self {
                id: id.as_bytes().to_vec(),
                occurred_at_us: at.0,
                action: CARRIED_OVER.to_owned(),
                credential_id: Some(state.credential_id.as_bytes().to_vec()),
                credential_name: Some(state.name.clone()),
                value_version: Some(state.value_version),
                owner_id: Some(state.owner_id.as_bytes().to_vec()),
                request_id: state.event_id.to_string(),
                ..Self::default()
            },
            AuditEntry::DeletionCarriedOver {
                id,
                at,
                credential_id,
                event_id,
            } => Self {
                id: id.as_bytes().to_vec(),
                occurred_at_us: at.0,
                action: CARRIED_OVER.to_owned(),
                credential_id: Some(credential_id.as_bytes().to_vec()),
                request_id: event_id.to_string(),
                ..Self::default()
            },
        };
        Self {
            times: row.times.max(1),
            chain,
            chain_sequence,
            ..row
        }
    }

    fn of_event(event: &AuditEvent) -> Self {
        let consumer = event.consumer.as_ref();
        Self {
            id: event.id.as_bytes().to_vec(),
            occurred_at_us: event.occurred_at.0,
            action: event.action.as_str().to_owned(),
            actor_issuer: event.actor_issuer.clone(),
            actor_subject: event.actor_subject.clone(),
            actor_client: event.actor_client.clone(),
            token_id_hash: event.token_id_hash.map(Vec::from),
            peer: event.peer.map(|address| address.to_string()),
            credential_id: event.credential_id.map(|id| id.as_bytes().to_vec()),
            credential_name: event.credential_name.clone(),
            value_version: event.value_version,
            user_id: event.user_id.map(|id| id.as_bytes().to_vec()),
            user_subject: event.user_subject.clone(),
            consumer_kind: consumer.map(|consumer| consumer.kind.as_str().to_owned()),
            consumer_external_id: consumer.map(|consumer| consumer.external_id.clone()),
            consumer_name: consumer.and_then(|consumer| consumer.name.clone()),
            request_id: event.request_id.clone(),
            owner_id: event.owner_id.map(|id| id.as_bytes().to_vec()),
            reason: event.reason.clone(),
            times: event.times,
            ..Self::default()
        }
    }

    /// All that it says but for what authenticates it, as bytes: no two rows have the same.
    #[must_use]
    pub fn canonical(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(512);
        let mut put = |part: Option<&[u8]>| match part {
            None => bytes.push(0),
            Some(part) => {
                bytes.push(1);
                let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
                bytes.extend_from_slice(&length.to_be_bytes());
                bytes.extend_from_slice(part);
            }
        };
        put(Some(&self.id));
        put(Some(&self.occurred_at_us.to_be_bytes()));
        put(Some(self.action.as_bytes()));
        put(Some(self.actor_issuer.as_bytes()));
        put(Some(self.actor_subject.as_bytes()));
        put(self.credential_id.as_deref());
        put(self.credential_name.as_deref().map(str::as_bytes));
        put(self
            .value_version
            .map(i32::to_be_bytes)
            .as_ref()
            .map(<[u8; 4]>::as_slice));
        put(self.user_id.as_deref());
        put(self.user_subject.as_deref().map(str::as_bytes));
        put(self.consumer_kind.as_deref().map(str::as_bytes));
        put(self.consumer_external_id.as_deref().map(str::as_bytes));
        put(self.consumer_name.as_deref().map(str::as_bytes));
        put(Some(self.request_id.as_bytes()));
        put(self.owner_id.as_deref());
        put(self.reason.as_deref().map(str::as_bytes));
        put(Some(&self.times.to_be_bytes()));
        put(self.heads.as_deref());
        put(Some(&self.chain.to_be_bytes()));
        put(Some(&self.chain_sequence.to_be_bytes()));
        // Rows of versions that did not have these say what they said then.
        let later = [
            self.actor_client.as_deref().map(str::as_bytes),
            self.token_id_hash.as_deref(),
            self.peer.as_deref().map(str::as_bytes),
        ];
        if later.iter().any(Option::is_some) {
            later.into_iter().for_each(put);
        }
        bytes
    }

    /// The ends of chains that it holds, when it is an anchor.
    #[must_use]
    pub fn anchored(&self) -> Vec<ChainPoint> {
        let heads = self.heads.as_deref().unwrap_or_default();
        heads
            .chunks(POINT_LENGTH_BYTES)
            .filter_map(point_of)
            .collect()
    }

    /// What it says that a credential is like: `None` when it says nothing of that, and no state when the credential is gone.
    #[must_use]
    pub fn credential_state(
        &self,
    ) -> Option<(Id<Credential>, Id<AuditEvent>, Option<CredentialState>)> {
        let credential_id: Id<Credential> = row::id(self.credential_id.clone()?).ok()?;
        let is_carried_over = self.action == CARRIED_OVER;
        let action = AuditAction::parse(&self.action);
        if !is_carried_over && !action.is_some_and(AuditAction::is_change) {
            return None;
        }
        let event_id = if is_carried_over {
            Id::parse(&self.request_id)?
        } else {
            row::id(self.id.clone()).ok()?
        };
        let is_gone = is_carried_over && self.credential_name.is_none();
        if is_gone || action == Some(AuditAction::CredentialDeleted) {
            return Some((credential_id, event_id, None));
        }
        let state = CredentialState {
            credential_id,
            name: self.credential_name.clone()?,
            value_version: self.value_version?,
            owner_id: row::id(self.owner_id.clone()?).ok()?,
            event_id,
        };
        Some((credential_id, event_id, Some(state)))
    }

    /// The event that it records.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] when a column has a content that it never has.
    pub(super) fn event(self) -> Result<AuditEvent, StoreError> {
        let consumer = match (self.consumer_kind, self.consumer_external_id) {
            (Some(kind), Some(external_id)) => Some(Consumer {
                kind: ConsumerKind::parse(&kind).ok_or(StoreError::Unreadable)?,
                external_id,
                name: self.consumer_name,
            }),
            _ => None,
        };
        Ok(AuditEvent {
            id: row::id(self.id)?,
            occurred_at: Timestamp(self.occurred_at_us),
            action: AuditAction::parse(&self.action).ok_or(StoreError::Unreadable)?,
            actor_issuer: self.actor_issuer,
            actor_subject: self.actor_subject,
            actor_client: self.actor_client,
            token_id_hash: optional(self.token_id_hash, |hash| hash.try_into().ok())?,
            peer: optional(self.peer, |address| address.parse().ok())?,
            credential_id: row::optional_id(self.credential_id)?,
            credential_name: self.credential_name,
            value_version: self.value_version,
            user_id: row::optional_id(self.user_id)?,
            user_subject: self.user_subject,
            consumer,
            request_id: self.request_id,
            owner_id: row::optional_id(self.owner_id)?,
            reason: self.reason,
            times: self.times,
        })
    }
}

/// What a column holds, if anything.
fn optional<T, U>(
    column: Option<T>,
    read: impl FnOnce(T) -> Option<U>,
) -> Result<Option<U>, StoreError> {
    column
        .map(|content| read(content).ok_or(StoreError::Unreadable))
        .transpose()
}

/// The length of a chain's end in an anchor: its number, that of the event, and what authenticates that.
const POINT_LENGTH_BYTES: usize = 4 + 8 + MAC_LENGTH_BYTES;

fn point_bytes(point: &ChainPoint) -> Vec<u8> {
    [
        point.chain.to_be_bytes().as_slice(),
        &point.sequence.to_be_bytes(),
        &point.mac,
    ]
    .concat()
}

fn point_of(bytes: &[u8]) -> Option<ChainPoint> {
    let (chain, rest) = bytes.split_first_chunk::<4>()?;
    let (sequence, mac) = rest.split_first_chunk::<8>()?;
    Some(ChainPoint {
        chain: i32::from_be_bytes(*chain),
        sequence: i64::from_be_bytes(*sequence),
        mac: mac.try_into().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::hex::hex;

    /// Logs are kept for longer than versions: were these others, no log of before would verify. They were put together by hand, from the
    /// lengths and contents of the columns.
    #[test]
    fn what_is_authenticated_of_an_event_is_the_same_bytes_in_every_version() {
        let row = AuditRow {
            id: vec![1; 16],
            occurred_at_us: 1,
            action: "CREDENTIAL_RESOLVED".to_owned(),
            actor_issuer: "i".to_owned(),
            actor_subject: "s".to_owned(),
            request_id: "r".to_owned(),
            times: 1,
            chain_sequence: 1,
            ..AuditRow::default()
        };
        let before = "01000000000000001001010101010101010101010101010101010000000000000008000000000000000101000000000000001343524544\
             454e5449414c5f5245534f4c56454401000000000000000169010000000000000001730000000000000000010000000000000001720000\
             0100000000000000040000000100010000000000000004000000000100000000000000080000000000000001";
        assert_eq!(hex(&row.canonical()), before);
        let later = AuditRow {
            peer: Some("192.0.2.1".to_owned()),
            ..row
        };
        let peer = "00000100000000000000093139322e302e322e31";
        assert_eq!(hex(&later.canonical()), [before, peer].concat());
    }
}
