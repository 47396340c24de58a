//! Audit events: what was done, by whom, to what. They never hold a value.

use std::net::IpAddr;
use std::sync::Arc;

use super::clock::Timestamp;
use super::consumer::Consumer;
use super::credential::Credential;
use super::id::Id;
use super::user::{User, UserKey};

/// What an audit event records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuditAction {
    /// A credential was created.
    CredentialCreated,
    /// A credential was renamed.
    CredentialRenamed,
    /// A credential's value was replaced.
    CredentialRotated,
    /// A credential was given to another owner.
    CredentialTransferred,
    /// A credential was deleted.
    CredentialDeleted,
    /// A value was handed to a runtime.
    CredentialResolved,
    /// A runtime asked for a value that it already held.
    CredentialNotModified,
    /// A resolve was refused.
    CredentialResolveRefused,
    /// A consumer declared what it uses.
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

impl AuditAction {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::CredentialCreated,
        Self::CredentialRenamed,
        Self::CredentialRotated,
        Self::CredentialTransferred,
        Self::CredentialDeleted,
        Self::CredentialResolved,
        Self::CredentialNotModified,
        Self::CredentialResolveRefused,
        Self::ReferencesDeclared,
        Self::UserDeleted,
        Self::AccessRefused,
        Self::KeyringChanged,
        Self::LogPruned,
    ];

    /// Whether it changed a credential: those who follow the changes are told of it.
    #[must_use]
    pub const fn is_change(self) -> bool {
        matches!(
            self,
            Self::CredentialCreated
                | Self::CredentialRenamed
                | Self::CredentialRotated
                | Self::CredentialTransferred
                | Self::CredentialDeleted
        )
    }

    /// The word that the database keeps.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CredentialCreated => "CREDENTIAL_CREATED",
            Self::CredentialRenamed => "CREDENTIAL_RENAMED",
            Self::CredentialRotated => "CREDENTIAL_ROTATED",
            Self::CredentialTransferred => "CREDENTIAL_TRANSFERRED",
            Self::CredentialDeleted => "CREDENTIAL_DELETED",
            Self::CredentialResolved => "CREDENTIAL_RESOLVED",
            Self::CredentialNotModified => "CREDENTIAL_NOT_MODIFIED",
            Self::CredentialResolveRefused => "CREDENTIAL_RESOLVE_REFUSED",
            Self::ReferencesDeclared => "REFERENCES_DECLARED",
            Self::UserDeleted => "USER_DELETED",
            Self::AccessRefused => "ACCESS_REFUSED",
            Self::KeyringChanged => "KEYRING_CHANGED",
            Self::LogPruned => "LOG_PRUNED",
        }
    }

    /// Reads the word that the database keeps.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == word)
    }
}

/// A record of something that was done.
#[derive(Clone, Debug)]
pub struct AuditEvent {
    /// Rises in the order in which events were written.
    pub id: Id<AuditEvent>,
    /// When it was done.
    pub occurred_at: Timestamp,
    /// What was done.
    pub action: AuditAction,
    /// The issuer of the actor's token.
    pub actor_issuer: String,
    /// The subject of the actor's token.
    pub actor_subject: String,
    /// The program that the token was issued to: its claim `client_id` or `azp`.
    pub actor_client: Option<String>,
    /// The SHA-256 of the token's claim `jti`.
    pub token_id_hash: Option<[u8; 32]>,
    /// The address that the request came from.
    pub peer: Option<IpAddr>,
    /// The credential, when the event is about one.
    pub credential_id: Option<Id<Credential>>,
    /// Its name at that time.
    pub credential_name: Option<String>,
    /// The version of the value concerned.
    pub value_version: Option<i32>,
    /// The user, when the event is about one: who was removed, or who owns the credential from now on.
    pub user_id: Option<Id<User>>,
    /// The `sub` claim of that user.
    pub user_subject: Option<String>,
    /// The consumer that asked, for a resolve.
    pub consumer: Option<Consumer>,
    /// The ID of the request.
    pub request_id: String,
    /// The owner of the credential, as it is after what was done.
    pub owner_id: Option<Id<User>>,
    /// Why something was refused, or what was changed of the keyring or the log.
    pub reason: Option<String>,
    /// How often it happened.
    pub times: i32,
}

impl AuditEvent {
    /// An event that says no more than that.
    #[must_use]
    pub fn new(id: Id<Self>, occurred_at: Timestamp, action: AuditAction, actor: UserKey) -> Self {
        Self {
            id,
            occurred_at,
            action,
            actor_issuer: actor.issuer,
            actor_subject: actor.subject,
            actor_client: None,
            token_id_hash: None,
            peer: None,
            credential_id: None,
            credential_name: None,
            value_version: None,
            user_id: None,
            user_subject: None,
            consumer: None,
            request_id: String::new(),
            owner_id: None,
            reason: None,
            times: 1,
        }
    }
}

/// What is added to the audit log.
#[derive(Clone, Debug)]
pub enum AuditEntry {
    /// An event, which people can read.
    Event(Box<AuditEvent>),
    /// Where all chains of the log ended at a time.
    Anchor {
        /// Its ID.
        id: Id<AuditEvent>,
        /// The time.
        at: Timestamp,
        /// The ends.
        heads: Vec<ChainPoint>,
    },
    /// What the log said of a credential before the events that said so were removed.
    CarriedOver {
        /// Its ID.
        id: Id<AuditEvent>,
        /// The time.
        at: Timestamp,
        /// What it said.
        state: CredentialState,
    },
    /// That the log said of a credential that it was deleted, before the event that said so was removed, while an earlier one stays.
    DeletionCarriedOver {
        /// Its ID.
        id: Id<AuditEvent>,
        /// The time.
        at: Timestamp,
        /// The credential.
        credential_id: Id<Credential>,
        /// The event that said so.
        event_id: Id<AuditEvent>,
    },
}

/// The length of a message authentication code of the audit log, in bytes.
pub const MAC_LENGTH_BYTES: usize = 32;

/// Authenticates an event, and all that come before it in its chain.
pub type Mac = [u8; MAC_LENGTH_BYTES];

/// Makes message authentication codes of lists of parts, of which no two are the same bytes. Who has it has the key of the log.
pub type Signer = Arc<dyn Fn(&[&[u8]]) -> Mac + Send + Sync>;

/// A place in a chain of the audit log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainPoint {
    /// The number of the chain.
    pub chain: i32,
    /// The number of the event in the chain, from 1; 0 before the first one.
    pub sequence: i64,
    /// What authenticates the event.
    pub mac: Mac,
}

/// What the audit log says that a credential is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialState {
    /// The credential.
    pub credential_id: Id<Credential>,
    /// Its name.
    pub name: String,
    /// The version of its value.
    pub value_version: i32,
    /// Its owner.
    pub owner_id: Id<User>,
    /// The event that says so.
    pub event_id: Id<AuditEvent>,
}

/// Narrows a list of audit events.
#[derive(Clone, Debug, Default)]
pub struct AuditEventFilter {
    /// Only events with one of these actions; `None` for all.
    pub actions: Option<Vec<AuditAction>>,
    /// Only events of this actor.
    pub actor_subject: Option<String>,
    /// Only events about this credential.
    pub credential_id: Option<Id<Credential>>,
    /// Only events at or after this time.
    pub since: Option<Timestamp>,
    /// Only events before this time.
    pub until: Option<Timestamp>,
}
