//! The audit log: what an event says, and who may read it.

use std::net::IpAddr;
use std::sync::Arc;

use super::caller::Caller;
use super::error::Error;
use super::page::{ListKey, PageArguments};
use super::{Domain, Request};
use crate::crypto::token::is_subject;
use crate::store::{Written, audit};
use crate::types::audit::{AuditAction, AuditEntry, AuditEvent, AuditEventFilter};
use crate::types::change::CredentialChange;
use crate::types::clock::{Clock, Timestamp};
use crate::types::consumer::Consumer;
use crate::types::credential::Credential;
use crate::types::id::{Id, IdSource, ReservedIds};
use crate::types::page::Page;
use crate::types::peer::Peer;
use crate::types::scope::Scope;
use crate::types::user::{User, UserKey};

/// Writes the events of one request, inside the transaction of what they record, and keeps the changes of credentials for those
/// who follow them.
#[derive(Clone)]
pub(super) struct Recorder {
    ids: IdSource,
    clock: Clock,
    now: Timestamp,
    // Of the time, for the first events: later IDs may be a little later.
    reserved: Option<ReservedIds>,
    actor: UserKey,
    actor_client: Option<Arc<str>>,
    token_id_hash: Option<[u8; 32]>,
    peer: Option<IpAddr>,
    request_id: Id<Request>,
    changes: Vec<CredentialChange>,
    entries: Vec<AuditEntry>,
}

/// What an event is about.
#[derive(Default)]
pub(super) struct Subject<'a> {
    /// The credential, as it is after what was done.
    pub(super) credential: Option<&'a Credential>,
    /// The ID that was asked for, when there is no credential to show.
    pub(super) credential_id: Option<Id<Credential>>,
    pub(super) user: Option<&'a User>,
    pub(super) consumer: Option<&'a Consumer>,
    /// Why it was refused.
    pub(super) reason: Option<&'static str>,
}

impl<'a> Subject<'a> {
    /// A credential, as it is.
    pub(super) fn credential(credential: &'a Credential) -> Self {
        Self {
            credential: Some(credential),
            ..Self::default()
        }
    }
}

impl Recorder {
    /// Begins the transaction, or begins it again.
    pub(super) fn begin(&self) -> Self {
        let mut begun = self.clone();
        begun.set_time(self.clock.now());
        begun
    }

    /// Comes after what was done to a credential before. It is called when the credential is locked: that may have waited for another
    /// instance, whose clock may be ahead. So the changes of one credential have times and events that rise with them.
    pub(super) fn follow(&mut self, before: &Credential) {
        let earliest_us = before.updated_at.0.saturating_add(1);
        self.set_time(self.clock.now().max(Timestamp(earliest_us)));
    }

    fn set_time(&mut self, at: Timestamp) {
        let (reserved, now) = self.ids.reserve_two_at(at);
        self.now = now;
        self.reserved = Some(reserved);
    }

    /// The time of the transaction: that of its events and of what they record.
    pub(super) const fn now(&self) -> Timestamp {
        self.now
    }

    /// Adds an event, which is written when the work is done.
    pub(super) fn record(&mut self, action: AuditAction, subject: &Subject<'_>) {
        let reserved = self.reserved.as_mut().and_then(ReservedIds::take);
        let event = AuditEvent {
            id: reserved.unwrap_or_else(|| self.ids.next_at(self.now)),
            occurred_at: self.now,
            action,
            actor_issuer: self.actor.issuer.clone(),
            actor_subject: self.actor.subject.clone(),
            actor_client: self.actor_client.as_deref().map(str::to_owned),
            token_id_hash: self.token_id_hash,
            peer: self.peer,
            credential_id: subject
                .credential
                .map_or(subject.credential_id, |credential| Some(credential.id)),
            credential_name: subject.credential.map(|credential| credential.name.clone()),
            value_version: subject
                .credential
                .map(|credential| credential.value_version),
            user_id: subject.user.map(|user| user.id),
            user_subject: subject.user.map(|user| user.key.subject.clone()),
            consumer: subject.consumer.cloned(),
            request_id: self.request_id.to_string(),
            owner_id: subject.credential.map(|credential| credential.owner.id),
            reason: subject.reason.map(str::to_owned),
            times: 1,
        };
        if let Some(credential) = subject.credential.filter(|_| action.is_change()) {
            self.changes.push(CredentialChange {
                action,
                credential_id: credential.id,
                occurred_at: event.occurred_at,
                credential: (action != AuditAction::CredentialDeleted)
                    .then(|| Arc::new(credential.clone())),
            });
        }
        self.entries.push(AuditEntry::Event(Box::new(event)));
    }

    /// What is to be written and told beside an answer.
    pub(super) fn written<T>(self, answer: T) -> Written<T> {
        Written {
            answer,
            changes: self.changes,
            entries: self.entries,
        }
    }
}

impl Domain {
    pub(super) fn recorder(&self, caller: &Caller) -> Recorder {
        Recorder {
            ids: self.ids.clone(),
            clock: self.clock.clone(),
            now: self.clock.now(),
            reserved: None,
            actor: caller.user.key.clone(),
            // What would be no subject is not kept as the name of a program either: the database does not take every text.
            actor_client: caller.client.clone().filter(|client| is_subject(client)),
            token_id_hash: caller.token_id_hash,
            peer: caller.peer.map(Peer::address),
            request_id: caller.request_id,
            changes: Vec::new(),
            entries: Vec::new(),
        }
    }

    /// A page of events, the newest first, and the key of its list.
    ///
    /// # Errors
    /// [`Error::Forbidden`] without `audit:read`; [`Error::BadArgument`] for bad page arguments.
    pub async fn audit_events(
        &self,
        caller: &Caller,
        filter: AuditEventFilter,
        arguments: &PageArguments,
    ) -> Result<(Page<AuditEvent>, ListKey), Error> {
        caller.require(Scope::AuditRead)?;
        let list = list_key(&filter);
        let request = self.page_request(&list, arguments)?;
        let page = self
            .store
            .read(move |connection| audit::list_events(connection, &filter, &request))
            .await?;
        Ok((page, list))
    }
}

/// An event's place in the list of events.
#[must_use]
pub const fn place(event: &AuditEvent) -> Id<AuditEvent> {
    event.id
}

fn list_key(filter: &AuditEventFilter) -> ListKey {
    let actions: Vec<&str> = filter
        .actions
        .iter()
        .flatten()
        .map(|action| action.as_str())
        .collect();
    let time = |at: Option<Timestamp>| at.map_or_else(Vec::new, |at| at.0.to_be_bytes().to_vec());
    ListKey::new(&[
        b"audit_events",
        &[u8::from(filter.actions.is_some())],
        actions.join(" ").as_bytes(),
        &[u8::from(filter.actor_subject.is_some())],
        filter
            .actor_subject
            .as_deref()
            .unwrap_or_default()
            .as_bytes(),
        filter
            .credential_id
            .as_ref()
            .map_or(&[], |id| id.as_bytes().as_slice()),
        &time(filter.since),
        &time(filter.until),
    ])
}
