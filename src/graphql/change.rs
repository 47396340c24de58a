//! The subscription to changes of credentials.

use async_graphql::{Context, ID, SimpleObject, Subscription};
use futures_util::Stream;
use futures_util::stream::unfold;

use super::audit::AuditAction;
use super::context::RequestContext;
use super::credential::Credential;
use super::error::ApiError;
use super::scalar::{DateTime, id, parse_id};
use crate::types::change;

/// A change of a credential.
#[derive(SimpleObject)]
pub struct CredentialChange {
    /// What was done.
    action: AuditAction,
    /// The credential's ID.
    credential_id: ID,
    /// The version of the value after the change: null when the credential was deleted.
    value_version: Option<i32>,
    /// When it was done.
    occurred_at: DateTime,
    /// The credential after the change: null when it was deleted.
    credential: Option<Credential>,
}

impl From<change::CredentialChange> for CredentialChange {
    fn from(change: change::CredentialChange) -> Self {
        Self {
            action: change.action.into(),
            credential_id: id(change.credential_id),
            value_version: change
                .credential
                .as_ref()
                .map(|credential| credential.value_version),
            occurred_at: change.occurred_at.into(),
            credential: change.credential.map(Credential::from),
        }
    }
}

/// What can be followed, over graphql-transport-ws or server-sent events.
#[derive(Default)]
pub struct ChangeSubscription;

/// What can be followed, over graphql-transport-ws or server-sent events.
#[Subscription(name = "Subscription")]
impl ChangeSubscription {
    /// Emits each time a credential is created, renamed, rotated, transferred or deleted, on any instance. When events may have
    /// been missed, it ends with the error `EVENTS_MISSED`: drop what is cached and subscribe again. Needs `credentials:read` or
    /// `credentials:resolve`.
    #[expect(
        clippy::unused_async,
        reason = "async-graphql takes asynchronous functions only"
    )]
    async fn credential_changed(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Only changes of this credential.")] credential_id: Option<ID>,
    ) -> Result<impl Stream<Item = Option<Result<CredentialChange, ApiError>>> + use<>, ApiError>
    {
        let only = credential_id.as_ref().map(parse_id);
        let changes = context.domain().follow_changes(context.caller(), only)?;
        // After an error nothing follows.
        Ok(unfold(Some(changes), |changes| async move {
            let mut changes = changes?;
            match changes.next().await? {
                Ok(change) => Some((Some(Ok(change.into())), Some(changes))),
                Err(error) => Some((Some(Err(error.into())), None)),
            }
        }))
    }
}
