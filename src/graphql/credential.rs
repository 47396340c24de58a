//! Credentials, as they can be read. There is no field for the value.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};

use super::context::RequestContext;
use super::error::ApiError;
use super::page::{Listed, OrderDirection, PageInfo, page_arguments};
use super::reference::{CredentialReferenceConnection, LastResolved, ReferenceLoader};
use super::scalar::{DateTime, id, parse_id};
use super::user::User;
use crate::domain::credential::CredentialList;
use crate::domain::reference::ReferenceList;
use crate::types::credential::{self, CredentialFate};

/// A named secret that workflows and integrations refer to by ID. Its value is write-only.
#[derive(Clone)]
pub struct Credential(Arc<credential::Credential>);

impl From<Arc<credential::Credential>> for Credential {
    fn from(credential: Arc<credential::Credential>) -> Self {
        Self(credential)
    }
}

impl From<credential::Credential> for Credential {
    fn from(credential: credential::Credential) -> Self {
        Self(Arc::new(credential))
    }
}

/// A named secret that workflows and integrations refer to by ID. Its value is write-only.
#[Object]
impl Credential {
    /// The ID that bindings, MCP servers and workflow definitions refer to. It never changes.
    pub async fn id(&self) -> ID {
        id(self.0.id)
    }

    /// The unique, human-readable name. Names are visible: they must hold no secret.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The user who owns the credential: the one who created it, unless it was transferred.
    async fn owner(&self) -> User {
        self.0.owner.clone().into()
    }

    /// How many values the credential has had: 1 when created, one more each time the value is replaced. A rename leaves it alone.
    async fn value_version(&self) -> i32 {
        self.0.value_version
    }

    /// When the credential was created.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// When its name, owner or value last changed.
    async fn updated_at(&self) -> DateTime {
        self.0.updated_at.into()
    }

    /// When its value was last set.
    async fn value_updated_at(&self) -> DateTime {
        self.0.value_updated_at.into()
    }

    /// When a runtime last resolved it. At most a few seconds behind.
    async fn last_resolved_at(&self, context: &Context<'_>) -> Option<Result<DateTime, ApiError>> {
        let loader = context.data_unchecked::<ReferenceLoader>();
        // Boxed: what a field waits for takes its place in the future of every field of the object.
        let found = Box::pin(loader.load_one(LastResolved(self.0.id))).await;
        found.map(|at| at.map(DateTime::from)).transpose()
    }

    /// What refers to the credential: consumers that declared it, and consumers that resolved it.
    async fn references(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
        #[graphql(desc = "The first so many: 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "The last so many: 1 to 100.")] last: Option<i32>,
    ) -> Result<CredentialReferenceConnection, ApiError> {
        let arguments = page_arguments(after, before, first, last);
        let list = ReferenceList::Of(self.0.id);
        Box::pin(CredentialReferenceConnection::read(
            context, list, &arguments,
        ))
        .await
    }

    /// Whether the viewer may rename the credential or replace its value.
    async fn viewer_can_update(&self, context: &Context<'_>) -> bool {
        context.caller().may_change(&self.0)
    }

    /// Whether the viewer may delete the credential.
    async fn viewer_can_delete(&self, context: &Context<'_>) -> bool {
        context.caller().may_change(&self.0)
    }
}

/// A credential's place in a connection.
#[derive(SimpleObject)]
pub struct CredentialEdge {
    /// The cursor of this place.
    cursor: String,
    /// The credential.
    node: Credential,
}

/// A page of credentials.
pub struct CredentialConnection {
    pub(super) listed: Listed<credential::Credential>,
    pub(super) list: CredentialList,
}

/// A page of credentials.
#[Object]
impl CredentialConnection {
    /// The edges of the page.
    async fn edges(&self, context: &Context<'_>) -> Vec<CredentialEdge> {
        let edge = |cursor, credential: &credential::Credential| CredentialEdge {
            cursor,
            node: credential.clone().into(),
        };
        self.listed.edges(
            context.domain(),
            |credential| self.list.place(credential),
            edge,
        )
    }

    /// The credentials of the page: `edges { node }` in short.
    async fn nodes(&self) -> Vec<Credential> {
        let credentials = self.listed.page.items.iter();
        credentials.cloned().map(Credential::from).collect()
    }

    /// Information about the page.
    async fn page_info(&self, context: &Context<'_>) -> PageInfo {
        self.listed
            .page_info(context.domain(), |credential| self.list.place(credential))
    }

    /// How many credentials match, on all pages together. Counted only when asked for.
    async fn total_count(&self, context: &Context<'_>) -> Result<i32, ApiError> {
        let count = context
            .domain()
            .count_credentials(context.caller(), &self.list)
            .await?;
        Ok(i32::try_from(count).unwrap_or(i32::MAX))
    }
}

/// How a list of credentials is ordered. Ties are broken by ID.
#[derive(InputObject, Clone, Copy, Debug)]
pub struct CredentialOrder {
    /// The field to order by.
    field: CredentialOrderField,
    /// The direction.
    direction: OrderDirection,
}

impl CredentialOrder {
    /// The order of credentials when nothing is said of it.
    #[must_use]
    pub const fn by_name() -> Self {
        Self {
            field: CredentialOrderField::Name,
            direction: OrderDirection::Asc,
        }
    }

    /// The list in this order.
    #[must_use]
    pub fn list(self, search: Option<String>) -> CredentialList {
        CredentialList {
            search,
            owner_id: None,
            order: self.field.into(),
            direction: self.direction.into(),
        }
    }
}

/// The fields by which credentials can be ordered. The value is not one of them, nor is anything derived from it.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "credential::CredentialOrder")]
pub enum CredentialOrderField {
    /// By name, without regard to case.
    Name,
    /// By time of creation.
    CreatedAt,
    /// By time of the last change.
    UpdatedAt,
}

/// What became of a credential.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialState {
    /// It exists.
    Live,
    /// It was deleted.
    Deleted,
    /// There never was one with the ID.
    Unknown,
}

/// What became of the credential with an ID.
#[derive(SimpleObject)]
pub struct CredentialStatus {
    /// The ID that was asked for.
    credential_id: ID,
    /// What became of it.
    state: CredentialState,
    /// Its name, or the last one it had.
    name: Option<String>,
    /// When it was deleted.
    deleted_at: Option<DateTime>,
}

impl CredentialStatus {
    fn new(credential_id: ID, fate: CredentialFate) -> Self {
        let (state, name, deleted_at) = match fate {
            CredentialFate::Live(name) => (CredentialState::Live, Some(name), None),
            CredentialFate::Deleted(deleted) => {
                let deleted_at = Some(deleted.deleted_at.into());
                (CredentialState::Deleted, Some(deleted.name), deleted_at)
            }
            CredentialFate::Unknown => (CredentialState::Unknown, None, None),
        };
        Self {
            credential_id,
            state,
            name,
            deleted_at,
        }
    }
}

/// The root fields that read credentials.
#[derive(Default)]
pub struct CredentialQuery;

#[Object]
impl CredentialQuery {
    /// Whether the viewer may create credentials: what a form asks before it offers that.
    async fn viewer_can_create_credential(&self, context: &Context<'_>) -> bool {
        context.caller().may_create()
    }

    /// The credential with the ID: null when there is none, or the ID is malformed. Needs `credentials:read` or `credentials:resolve`.
    async fn credential(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The ID, a hyphenated UUID.")] id: ID,
    ) -> Option<Result<Credential, ApiError>> {
        let found = context
            .domain()
            .credential(context.caller(), parse_id(&id))
            .await;
        translated(found)
    }

    /// The credential with the name, without regard to case. Needs `credentials:read` or `credentials:resolve`.
    async fn credential_by_name(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The name, in any case.")] name: String,
    ) -> Option<Result<Credential, ApiError>> {
        let found = context
            .domain()
            .credential_by_name(context.caller(), &name)
            .await;
        translated(found)
    }

    /// The credentials, all or those whose name contains `query`. `first: 20` when neither `first` nor `last` is given.
    /// Needs `credentials:read`.
    #[expect(
        clippy::too_many_arguments,
        reason = "they are the arguments of a connection"
    )]
    async fn credentials(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
        #[graphql(desc = "The first so many: 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "The last so many: 1 to 100.")] last: Option<i32>,
        #[graphql(
            desc = "The order of the list.",
            default_with = "CredentialOrder::by_name()"
        )]
        order_by: CredentialOrder,
        #[graphql(
            desc = "Only those whose name contains this, without regard to case. `%` and `_` stand for themselves."
        )]
        query: Option<String>,
    ) -> Option<Result<CredentialConnection, ApiError>> {
        let list = order_by.list(query);
        let arguments = page_arguments(after, before, first, last);
        let listed = context
            .domain()
            .credentials(context.caller(), &list, &arguments)
            .await;
        Some(match listed {
            Ok((page, key)) => Ok(CredentialConnection {
                listed: Listed { page, key },
                list,
            }),
            Err(error) => Err(error.into()),
        })
    }

    /// What became of the IDs, in the same order: live, deleted or never known. Needs `credentials:read`, `credentials:resolve`
    /// or `references:declare`.
    async fn credential_statuses(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The IDs: at most 100.")] ids: Vec<ID>,
    ) -> Option<Result<Vec<CredentialStatus>, ApiError>> {
        let parsed = ids.iter().map(parse_id).collect();
        let fates = context
            .domain()
            .credential_fates(context.caller(), parsed)
            .await;
        Some(match fates {
            Ok(fates) => Ok(ids
                .into_iter()
                .zip(fates)
                .map(|(id, fate)| CredentialStatus::new(id, fate))
                .collect()),
            Err(error) => Err(error.into()),
        })
    }
}

fn translated(
    found: Result<Option<credential::Credential>, crate::domain::error::Error>,
) -> Option<Result<Credential, ApiError>> {
    match found {
        Ok(found) => found.map(|credential| Ok(credential.into())),
        Err(error) => Some(Err(error.into())),
    }
}
