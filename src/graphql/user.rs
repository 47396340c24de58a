//! Users.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::context::RequestContext;
use super::credential::{CredentialConnection, CredentialOrder};
use super::error::ApiError;
use super::page::{Listed, PageInfo, page_arguments};
use super::scalar::{DateTime, id, parse_id};
use super::user_error::{CredentialError, payload};
use crate::domain::credential::CredentialList;
use crate::domain::user::place;
use crate::types::user;

/// A user, known by the issuer and subject of their tokens.
pub struct User(user::User);

impl From<user::User> for User {
    fn from(user: user::User) -> Self {
        Self(user)
    }
}

/// A user, known by the issuer and subject of their tokens.
#[Object]
impl User {
    /// The globally unique ID.
    pub async fn id(&self) -> ID {
        id(self.0.id)
    }

    /// The `sub` claim of the user's tokens.
    async fn subject(&self) -> &str {
        &self.0.key.subject
    }

    /// The name to show: the `name` claim, or else the subject.
    async fn name(&self) -> &str {
        self.0.display_name()
    }

    /// The `email` claim of the latest token that had one. Null for a viewer who is neither the user nor may manage users.
    async fn email(&self, context: &Context<'_>) -> Option<String> {
        context.caller().visible_email(&self.0).map(str::to_owned)
    }

    /// When the user was first seen.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// The credentials that the user owns.
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
    ) -> Result<CredentialConnection, ApiError> {
        let list = CredentialList {
            owner_id: Some(self.0.id),
            ..order_by.list(query)
        };
        let arguments = page_arguments(after, before, first, last);
        let read = context
            .domain()
            .credentials(context.caller(), &list, &arguments);
        // Boxed: what a field waits for takes its place in the future of every field of the object.
        let (page, key) = Box::pin(read).await?;
        Ok(CredentialConnection {
            listed: Listed { page, key },
            list,
        })
    }
}

/// A user's place in a connection.
#[derive(SimpleObject)]
pub struct UserEdge {
    /// The cursor of this place.
    cursor: String,
    /// The user.
    node: User,
}

/// A page of users.
pub struct UserConnection {
    listed: Listed<user::User>,
    search: Option<String>,
}

/// A page of users.
#[Object]
impl UserConnection {
    /// The edges of the page.
    async fn edges(&self, context: &Context<'_>) -> Vec<UserEdge> {
        let edge = |cursor, user: &user::User| UserEdge {
            cursor,
            node: user.clone().into(),
        };
        self.listed.edges(context.domain(), place, edge)
    }

    /// The users of the page.
    async fn nodes(&self) -> Vec<User> {
        self.listed.page.items.iter().cloned().map(User).collect()
    }

    /// Information about the page.
    async fn page_info(&self, context: &Context<'_>) -> PageInfo {
        self.listed.page_info(context.domain(), place)
    }

    /// How many users there are, on all pages together. Counted only when asked for.
    async fn total_count(&self, context: &Context<'_>) -> Result<i32, ApiError> {
        let count = context
            .domain()
            .count_users(context.caller(), self.search.as_deref())
            .await?;
        Ok(i32::try_from(count).unwrap_or(i32::MAX))
    }
}

/// The root fields that read users.
#[derive(Default)]
pub struct UserQuery;

#[Object]
impl UserQuery {
    /// The user whose token came with the request.
    async fn viewer(&self, context: &Context<'_>) -> Option<User> {
        Some(context.caller().user().clone().into())
    }

    /// The users, all or those whose name, subject or email contains `query`. Needs `users:manage`.
    async fn users(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
        #[graphql(desc = "The first so many: 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "The last so many: 1 to 100.")] last: Option<i32>,
        #[graphql(
            desc = "Only those whose name, subject or email contains this, without regard to case."
        )]
        query: Option<String>,
    ) -> Option<Result<UserConnection, ApiError>> {
        let arguments = page_arguments(after, before, first, last);
        let listed = context
            .domain()
            .users(context.caller(), query.as_deref(), &arguments)
            .await;
        Some(match listed {
            Ok((page, key)) => Ok(UserConnection {
                listed: Listed { page, key },
                search: query,
            }),
            Err(error) => Err(error.into()),
        })
    }
}

/// The input of `deleteUser`.
#[derive(InputObject)]
pub struct DeleteUserInput {
    /// The user.
    user_id: ID,
    /// Refuse while a consumer declares that it uses one of the user's credentials.
    #[graphql(default)]
    only_if_unused: bool,
    /// Give the user's credentials to this user instead of deleting them.
    transfer_to_id: Option<ID>,
}

/// The result of `deleteUser`.
#[derive(SimpleObject)]
pub struct DeleteUserPayload {
    /// The ID of the user who was removed: null when there are errors.
    deleted_user_id: Option<ID>,
    /// The IDs of the credentials that were deleted with the user: null when there are errors.
    deleted_credential_ids: Option<Vec<ID>>,
    /// What is wrong with the input: empty when the mutation succeeded.
    user_errors: Vec<CredentialError>,
}

/// The mutations of users.
#[derive(Default)]
pub struct UserMutation;

#[Object]
impl UserMutation {
    /// Removes a user and, with them, the credentials that they own. Tokens that were issued to them until then are refused.
    /// Needs `users:manage`.
    async fn delete_user(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Who is to go, and what becomes of their credentials.")]
        input: DeleteUserInput,
    ) -> Option<Result<DeleteUserPayload, ApiError>> {
        let transfer_to = input.transfer_to_id.as_ref().map(parse_id);
        let outcome = context
            .domain()
            .delete_user(
                context.caller(),
                parse_id(&input.user_id),
                transfer_to,
                input.only_if_unused,
            )
            .await;
        Some(
            payload(outcome).map(|(removed, user_errors)| DeleteUserPayload {
                deleted_user_id: removed.as_ref().map(|removed| id(removed.user.id)),
                deleted_credential_ids: removed
                    .map(|removed| removed.deleted_credentials.into_iter().map(id).collect()),
                user_errors,
            }),
        )
    }
}
