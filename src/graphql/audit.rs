//! The audit log, as it can be read.

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};

use super::consumer::Consumer;
use super::context::RequestContext;
use super::error::ApiError;
use super::page::{Listed, PageInfo, page_arguments};
use super::scalar::{DateTime, id, parse_id};
use crate::domain::audit::place;
use crate::types::audit;
use crate::types::hex::hex;

/// What an audit event records.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "audit::AuditAction")]
pub enum AuditAction {
    /// A credential was created.
    CredentialCreated,
    /// A credential was renamed.
    CredentialRenamed,
    /// A credential's value was replaced.
    CredentialRotated,
    /// A credential was given to another owner.
    CredentialTransferred,
    /// A credential was deleted, alone or with its owner.
    CredentialDeleted,
    /// A credential's value was handed to a runtime.
    CredentialResolved,
    /// A runtime asked for a value that it already held.
    CredentialNotModified,
    /// A resolve was refused: the credential is unknown, deleted or unreadable, or the caller may not resolve.
    CredentialResolveRefused,
    /// A consumer declared its references.
    ReferencesDeclared,
    /// A user was removed.
    UserDeleted,
    /// Something was refused: a request, or a token. Where it happens often, it is counted.
    AccessRefused,
    /// A command changed the keyring.
    KeyringChanged,
    /// A command removed old events.
    LogPruned,
}

/// A record of something that was done. It never holds a value.
pub struct AuditEvent(Box<audit::AuditEvent>);

impl From<audit::AuditEvent> for AuditEvent {
    fn from(event: audit::AuditEvent) -> Self {
        Self(Box::new(event))
    }
}

/// A record of something that was done. It never holds a value.
#[Object]
impl AuditEvent {
    /// The globally unique ID.
    pub async fn id(&self) -> ID {
        id(self.0.id)
    }

    /// When it was done.
    async fn occurred_at(&self) -> DateTime {
        self.0.occurred_at.into()
    }

    /// What was done.
    async fn action(&self) -> AuditAction {
        self.0.action.into()
    }

    /// The `sub` claim of the one who did it.
    async fn actor_subject(&self) -> &str {
        &self.0.actor_subject
    }

    /// The program that the actor's token was issued to: the claim `client_id` or `azp`. Null when the token names none, and for sessions.
    async fn actor_client_id(&self) -> Option<&str> {
        self.0.actor_client.as_deref()
    }

    /// The SHA-256 of the claim `jti` of the actor's token, in 64 hexadecimal digits. Null when the token has none, and for sessions.
    async fn token_id_hash(&self) -> Option<String> {
        self.0.token_id_hash.map(|hash| hex(&hash))
    }

    /// The IP address that the request came from. Null when a proxy hides it, for commands, where refusals are counted together, and in events of
    /// versions that did not record it.
    async fn peer_address(&self) -> Option<String> {
        self.0.peer.map(|address| address.to_string())
    }

    /// The credential's ID, when the event is about one.
    async fn credential_id(&self) -> Option<ID> {
        self.0.credential_id.map(id)
    }

    /// The credential's name at that time.
    async fn credential_name(&self) -> Option<&str> {
        self.0.credential_name.as_deref()
    }

    /// The version of the value concerned.
    async fn value_version(&self) -> Option<i32> {
        self.0.value_version
    }

    /// The `iss` claim of the one who did it.
    async fn actor_issuer(&self) -> &str {
        &self.0.actor_issuer
    }

    /// The ID of the user concerned: who was removed, or who owns the credential from then on. The user may be gone.
    async fn user_id(&self) -> Option<ID> {
        self.0.user_id.map(id)
    }

    /// The `sub` claim of the user concerned.
    async fn user_subject(&self) -> Option<&str> {
        self.0.user_subject.as_deref()
    }

    /// The consumer that asked, for a resolve.
    async fn consumer(&self) -> Option<Consumer> {
        self.0.consumer.clone().map(Consumer::from)
    }

    /// Why something was refused, or what was changed of the keyring or the log: a word.
    async fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }

    /// How often it happened: more than once where refusals are counted together.
    async fn times(&self) -> i32 {
        self.0.times
    }

    /// The ID of the request, as in the response's `x-request-id` header and the log.
    async fn request_id(&self) -> &str {
        &self.0.request_id
    }
}

/// An audit event's place in a connection.
#[derive(SimpleObject)]
pub struct AuditEventEdge {
    /// The cursor of this place.
    cursor: String,
    /// The event.
    node: AuditEvent,
}

/// A page of audit events, newest first.
pub struct AuditEventConnection(Listed<audit::AuditEvent>);

/// A page of audit events, newest first.
#[Object]
impl AuditEventConnection {
    /// The edges of the page.
    async fn edges(&self, context: &Context<'_>) -> Vec<AuditEventEdge> {
        let edge = |cursor, event: &audit::AuditEvent| AuditEventEdge {
            cursor,
            node: event.clone().into(),
        };
        self.0.edges(context.domain(), place, edge)
    }

    /// The events of the page.
    async fn nodes(&self) -> Vec<AuditEvent> {
        self.0
            .page
            .items
            .iter()
            .cloned()
            .map(AuditEvent::from)
            .collect()
    }

    /// Information about the page.
    async fn page_info(&self, context: &Context<'_>) -> PageInfo {
        self.0.page_info(context.domain(), place)
    }
}

/// Narrows a list of audit events.
#[derive(InputObject)]
pub struct AuditEventFilter {
    /// Only events with one of these actions.
    actions: Option<Vec<AuditAction>>,
    /// Only events of this actor.
    actor_subject: Option<String>,
    /// Only events about this credential, deleted ones included.
    credential_id: Option<ID>,
    /// Only events at or after this time.
    since: Option<DateTime>,
    /// Only events before this time.
    until: Option<DateTime>,
}

impl AuditEventFilter {
    fn parse(self) -> audit::AuditEventFilter {
        let actions = self
            .actions
            .map(|actions| actions.into_iter().map(audit::AuditAction::from).collect());
        audit::AuditEventFilter {
            actions,
            actor_subject: self.actor_subject,
            credential_id: self.credential_id.as_ref().map(parse_id),
            since: self.since.map(|time| time.0),
            until: self.until.map(|time| time.0),
        }
    }
}

/// The root field that reads the audit log.
#[derive(Default)]
pub struct AuditQuery;

#[Object]
impl AuditQuery {
    /// The audit events, newest first. Needs `audit:read`.
    async fn audit_events(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
        #[graphql(desc = "Narrows the list.")] filter: Option<AuditEventFilter>,
        #[graphql(desc = "The first so many: 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "The last so many: 1 to 100.")] last: Option<i32>,
    ) -> Option<Result<AuditEventConnection, ApiError>> {
        let filter = filter.map_or_else(Default::default, AuditEventFilter::parse);
        let arguments = page_arguments(after, before, first, last);
        let listed = context
            .domain()
            .audit_events(context.caller(), filter, &arguments)
            .await;
        Some(match listed {
            Ok((page, key)) => Ok(AuditEventConnection(Listed { page, key })),
            Err(error) => Err(error.into()),
        })
    }
}
