//! Changes of credentials, as those who follow them are told.

use std::sync::Arc;

use super::audit::AuditAction;
use super::clock::Timestamp;
use super::credential::Credential;
use super::id::Id;

/// A change of a credential.
#[derive(Clone, Debug)]
pub struct CredentialChange {
    /// What was done.
    pub action: AuditAction,
    /// The credential.
    pub credential_id: Id<Credential>,
    /// When it was done.
    pub occurred_at: Timestamp,
    /// The credential after the change; `None` when it was deleted.
    pub credential: Option<Arc<Credential>>,
}

/// What those who follow changes are told.
#[derive(Clone, Debug)]
pub enum Told {
    /// A change that was made.
    Change(CredentialChange),
    /// There may have been changes: whether they were kept is not known.
    Missed,
}
