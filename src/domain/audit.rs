//! The audit log: what an event says, and who may read it.

use super::caller::Caller;
use super::error::Error;
use super::page::{ListKey, PageArguments};
use super::{Domain, Request};
use crate::store::audit;
use crate::store::connection::DatabaseConnection;
use crate::types::audit::{AuditAction, AuditEvent, AuditEventFilter};
use crate::types::clock::{Clock, Timestamp};
use crate::types::consumer::Consumer;
use crate::types::credential::Credential;
use crate::types::id::{Id, IdSource};
use crate::types::page::Page;
use crate::types::scope::Scope;
use crate::types::user::{User, UserKey};

/// Writes the events of one request, inside the transaction of what they record.
pub(super) struct Recorder {
    ids: IdSource,
    clock: Clock,
    actor: UserKey,
    request_id: Id<Request>,
}

/// What an event is about.
#[derive(Default)]
pub(super) struct Subject<'a> {
    pub(super) credential_id: Option<Id<Credential>>,
    pub(super) credential_name: Option<&'a str>,
    pub(super) value_version: Option<i32>,
    pub(super) user: Option<&'a User>,
    pub(super) consumer: Option<&'a Consumer>,
}

impl<'a> Subject<'a> {
    /// A credential, as it is.
    pub(super) fn credential(credential: &'a Credential) -> Self {
        Self {
            credential_id: Some(credential.id),
            credential_name: Some(&credential.name),
            value_version: Some(credential.value_version),
            ..Self::default()
        }
    }
}

impl Recorder {
    /// The present time: that of the events and of what they record.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Adds an event.
    pub(super) fn record(
        &self,
        connection: &mut DatabaseConnection,
        action: AuditAction,
        subject: &Subject<'_>,
    ) -> Result<(), Error> {
        let event = AuditEvent {
            id: self.ids.next(),
            occurred_at: self.clock.now(),
            action,
            actor_issuer: self.actor.issuer.clone(),
            actor_subject: self.actor.subject.clone(),
            credential_id: subject.credential_id,
            credential_name: subject.credential_name.map(str::to_owned),
            value_version: subject.value_version,
            user_id: subject.user.map(|user| user.id),
            user_subject: subject.user.map(|user| user.key.subject.clone()),
            consumer: subject.consumer.cloned(),
            request_id: self.request_id.to_string(),
        };
        Ok(audit::insert_event(connection, &event)?)
    }
}

impl Domain {
    pub(super) fn recorder(&self, caller: &Caller) -> Recorder {
        Recorder {
            ids: self.ids.clone(),
            clock: self.clock.clone(),
            actor: caller.user.key.clone(),
            request_id: caller.request_id,
        }
    }

    /// A page of events, the newest first, and the key of its list. The question may be one that could not be understood:
    /// who may not ask is told that first.
    ///
    /// # Errors
    /// [`Error::Forbidden`] without `audit:read`; [`Error::BadArgument`] for bad page arguments.
    pub async fn audit_events(
        &self,
        caller: &Caller,
        question: Result<Option<AuditQuestion>, Error>,
        arguments: &PageArguments,
    ) -> Result<(Page<AuditEvent>, ListKey), Error> {
        caller.require(Scope::AuditRead)?;
        let filter = question?.unwrap_or_default().filter();
        let list = list_key(&filter);
        let request = self.page_request(&list, arguments)?;
        let page = self
            .store
            .read(move |connection| audit::list_events(connection, &filter, &request))
            .await?;
        Ok((page, list))
    }
}

/// Which audit events are asked for.
#[derive(Clone, Debug, Default)]
pub struct AuditQuestion {
    /// Only events with one of these actions; `None` for all.
    pub actions: Option<Vec<AuditAction>>,
    /// Only events of this actor.
    pub actor_subject: Option<String>,
    /// Only events about this credential; the inner `None` is a malformed ID, about which there are none.
    pub credential_id: Option<Option<Id<Credential>>>,
    /// Only events at or after this time.
    pub since: Option<Timestamp>,
    /// Only events before this time.
    pub until: Option<Timestamp>,
}

impl AuditQuestion {
    fn filter(self) -> AuditEventFilter {
        let nobodys = self.credential_id.is_some_and(|id| id.is_none());
        AuditEventFilter {
            actions: if nobodys {
                Some(Vec::new())
            } else {
                self.actions
            },
            actor_subject: self.actor_subject,
            credential_id: self.credential_id.flatten(),
            since: self.since,
            until: self.until,
        }
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
