//! References: what uses credentials.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::runtime::{TokioSpawner, TokioTimer};
use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::consumer::{Consumer, ConsumerInput};
use super::context::RequestContext;
use super::credential::Credential;
use super::error::ApiError;
use super::page::{Listed, PageInfo, page_arguments};
use super::scalar::{DateTime, id, parse_id};
use super::user_error::{CredentialError, payload};
use crate::domain::Domain;
use crate::domain::page::PageArguments;
use crate::domain::reference::{Declaration, ReferenceList};
use crate::types::clock::Timestamp;
use crate::types::id::Id;
use crate::types::page::PAGE_SIZE_LIMIT;
use crate::types::{credential, reference};

/// How many objects are asked about at once: those of a page.
const BATCH_LIMIT: usize = PAGE_SIZE_LIMIT;

/// What is asked of many objects of a page, and read for all of them at once.
pub type ReferenceLoader = DataLoader<References>;

/// Reads what references say. Below the roots everybody who sees an object sees that.
pub struct References(Arc<Domain>);

/// The loader over the rules.
#[must_use]
pub fn loader(domain: Arc<Domain>) -> ReferenceLoader {
    // What is asked for in the same moment is asked for by the same page.
    DataLoader::new(
        References(domain),
        TokioSpawner::current(),
        TokioTimer::default(),
    )
    .delay(Duration::ZERO)
    .max_batch_size(BATCH_LIMIT)
}

/// Asks when a credential was last resolved.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct LastResolved(pub Id<credential::Credential>);

impl Loader<LastResolved> for References {
    type Value = Timestamp;
    type Error = ApiError;

    async fn load(
        &self,
        keys: &[LastResolved],
    ) -> Result<HashMap<LastResolved, Timestamp>, ApiError> {
        let ids = keys.iter().map(|key| key.0).collect();
        let found = self.0.last_resolved(ids).await?;
        let known = keys.iter().cloned().zip(found);
        Ok(known
            .filter_map(|(key, at)| at.map(|at| (key, at)))
            .collect())
    }
}

/// Asks for the credential that a reference points to.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Referenced(Id<credential::Credential>);

impl Loader<Referenced> for References {
    type Value = Credential;
    type Error = ApiError;

    async fn load(&self, keys: &[Referenced]) -> Result<HashMap<Referenced, Credential>, ApiError> {
        let ids = keys.iter().map(|key| key.0).collect();
        let found = self.0.referenced(ids).await?;
        let known = keys.iter().cloned().zip(found);
        Ok(known
            .filter_map(|(key, found)| found.map(|credential| (key, credential.into())))
            .collect())
    }
}

/// One consumer's use of one credential: declared when the consumer was saved, observed when it resolved, or both.
pub struct CredentialReference(reference::CredentialReference);

impl From<reference::CredentialReference> for CredentialReference {
    fn from(reference: reference::CredentialReference) -> Self {
        Self(reference)
    }
}

/// One consumer's use of one credential: declared when the consumer was saved, observed when it resolved, or both.
#[Object]
impl CredentialReference {
    /// The globally unique ID.
    pub async fn id(&self) -> ID {
        id(self.0.id)
    }

    /// What uses the credential.
    async fn consumer(&self) -> Consumer {
        self.0.consumer.clone().into()
    }

    /// The ID that the consumer refers to, whether or not the credential still exists.
    async fn credential_id(&self) -> ID {
        id(self.0.credential_id)
    }

    /// The credential: null when it was deleted, and the reference dangles.
    async fn credential(&self, context: &Context<'_>) -> Option<Result<Credential, ApiError>> {
        let loader = context.data_unchecked::<ReferenceLoader>();
        let key = Referenced(self.0.credential_id);
        loader.load_one(key).await.transpose()
    }

    /// When the consumer declared the reference: null when it was only observed.
    async fn declared_at(&self) -> Option<DateTime> {
        self.0.declared_at.map(DateTime::from)
    }

    /// When the consumer first resolved the credential. At most a few seconds behind.
    async fn first_resolved_at(&self) -> Option<DateTime> {
        self.0.uses.map(|uses| uses.first_at.into())
    }

    /// When the consumer last asked to resolve the credential. At most a few seconds behind.
    async fn last_resolved_at(&self) -> Option<DateTime> {
        self.0.uses.map(|uses| uses.last_at.into())
    }

    /// The version of the value that the consumer last held. At most a few seconds behind.
    async fn last_resolved_version(&self) -> Option<i32> {
        self.0.uses.map(|uses| uses.last_version)
    }

    /// How often the consumer has resolved the credential. At most a few seconds behind.
    async fn resolve_count(&self) -> i32 {
        self.0.uses.map_or(0, |uses| uses.count)
    }
}

/// A reference's place in a connection.
#[derive(SimpleObject)]
pub struct CredentialReferenceEdge {
    /// The cursor of this place.
    cursor: String,
    /// The reference.
    node: CredentialReference,
}

/// A page of references.
pub struct CredentialReferenceConnection {
    listed: Listed<reference::CredentialReference>,
    list: ReferenceList,
}

impl CredentialReferenceConnection {
    /// A page of a list.
    ///
    /// # Errors
    /// For bad page arguments, and for who may not see the list.
    pub async fn read(
        context: &Context<'_>,
        list: ReferenceList,
        arguments: &PageArguments,
    ) -> Result<Self, ApiError> {
        let read = context
            .domain()
            .references(context.caller(), list, arguments);
        let (page, key) = read.await?;
        Ok(Self {
            listed: Listed { page, key },
            list,
        })
    }
}

/// A page of references.
#[Object]
impl CredentialReferenceConnection {
    /// The edges of the page.
    async fn edges(&self, context: &Context<'_>) -> Vec<CredentialReferenceEdge> {
        let edge = |cursor, reference: &reference::CredentialReference| CredentialReferenceEdge {
            cursor,
            node: reference.clone().into(),
        };
        self.listed
            .edges(context.domain(), |reference| reference.id, edge)
    }

    /// The references of the page.
    async fn nodes(&self) -> Vec<CredentialReference> {
        let references = self.listed.page.items.iter();
        references.cloned().map(CredentialReference).collect()
    }

    /// Information about the page.
    async fn page_info(&self, context: &Context<'_>) -> PageInfo {
        self.listed
            .page_info(context.domain(), |reference| reference.id)
    }

    /// How many references there are, on all pages together. Counted only when asked for.
    async fn total_count(&self, context: &Context<'_>) -> Result<i32, ApiError> {
        let count = context
            .domain()
            .count_references(context.caller(), self.list)
            .await?;
        Ok(i32::try_from(count).unwrap_or(i32::MAX))
    }
}

/// The root field that reads references.
#[derive(Default)]
pub struct ReferenceQuery;

#[Object]
impl ReferenceQuery {
    /// The references whose credential no longer exists: what is broken, or will be. Needs `credentials:read`.
    async fn dangling_references(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
        #[graphql(desc = "The first so many: 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "The last so many: 1 to 100.")] last: Option<i32>,
    ) -> Option<Result<CredentialReferenceConnection, ApiError>> {
        let arguments = page_arguments(after, before, first, last);
        Some(
            CredentialReferenceConnection::read(context, ReferenceList::Dangling, &arguments).await,
        )
    }
}

/// The input of `declareReferences`.
#[derive(InputObject)]
pub struct DeclareReferencesInput {
    /// The consumer.
    consumer: ConsumerInput,
    /// The credentials that it uses: at most 100.
    credential_ids: Vec<ID>,
}

/// The result of `declareReferences`.
#[derive(SimpleObject)]
pub struct DeclareReferencesPayload {
    /// The consumer's references after the call, those that it declares first, and then those that were only observed: null when there are errors. At most 1,000.
    references: Option<Vec<CredentialReference>>,
    /// What is wrong with the input: empty when the mutation succeeded. An ID that never existed is `NOT_FOUND`, and nothing is recorded; a
    /// deleted one is recorded, and dangles.
    user_errors: Vec<CredentialError>,
}

/// The mutation of those who know what uses credentials.
#[derive(Default)]
pub struct ReferenceMutation;

#[Object]
impl ReferenceMutation {
    /// Replaces the full set of credentials that a consumer declares to use; an empty list withdraws them all. Needs `references:declare` or
    /// `credentials:resolve`.
    async fn declare_references(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "What the consumer uses.")] input: DeclareReferencesInput,
    ) -> Option<Result<DeclareReferencesPayload, ApiError>> {
        let declaration = Declaration {
            consumer_kind: input.consumer.kind.into(),
            consumer_external_id: input.consumer.external_id,
            consumer_name: input.consumer.name,
            credential_ids: input.credential_ids.iter().map(parse_id).collect(),
        };
        let outcome = context
            .domain()
            .declare_references(context.caller(), declaration)
            .await;
        Some(payload(outcome).map(|(references, user_errors)| {
            DeclareReferencesPayload {
                references: references
                    .map(|references| references.into_iter().map(CredentialReference).collect()),
                user_errors,
            }
        }))
    }
}
