//! Objects by their global ID (GraphQL Global Object Identification).

use async_graphql::{Context, ID, Interface, Object};

use super::audit::AuditEvent;
use super::context::RequestContext;
use super::credential::Credential;
use super::error::ApiError;
use super::reference::CredentialReference;
use super::scalar::parse_id;
use super::user::User;
use crate::domain::node;

/// An object with a globally unique ID.
#[derive(Interface)]
#[graphql(field(
    name = "id",
    ty = "ID",
    desc = "The globally unique ID: a UUID in its canonical lower-case form."
))]
pub enum Node {
    /// A credential.
    Credential(Credential),
    /// A user.
    User(User),
    /// An audit event.
    AuditEvent(AuditEvent),
    /// A reference.
    CredentialReference(CredentialReference),
}

impl From<node::Node> for Node {
    fn from(node: node::Node) -> Self {
        match node {
            node::Node::Credential(credential) => Self::Credential(credential.into()),
            node::Node::User(user) => Self::User(user.into()),
            node::Node::AuditEvent(event) => Self::AuditEvent(event.into()),
            node::Node::Reference(reference) => Self::CredentialReference(reference.into()),
        }
    }
}

/// The root fields for objects of any type.
#[derive(Default)]
pub struct NodeQuery;

#[Object]
impl NodeQuery {
    /// The object with the ID: null when there is none, when the ID is malformed, or when the viewer may not see it.
    async fn node(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The ID, a hyphenated UUID.")] id: ID,
    ) -> Option<Result<Node, ApiError>> {
        let found = context
            .domain()
            .nodes(context.caller(), vec![parse_id(&id)])
            .await;
        match found {
            Ok(found) => found
                .into_iter()
                .flatten()
                .next()
                .map(|node| Ok(node.into())),
            Err(error) => Some(Err(error.into())),
        }
    }

    /// The objects with the IDs, in the same order, null for each that is missing. At most 100.
    async fn nodes(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The IDs: at most 100.")] ids: Vec<ID>,
    ) -> Option<Result<Vec<Option<Node>>, ApiError>> {
        let ids = ids.iter().map(parse_id).collect();
        let found = context.domain().nodes(context.caller(), ids).await;
        Some(match found {
            Ok(found) => Ok(found.into_iter().map(|node| node.map(Node::from)).collect()),
            Err(error) => Err(error.into()),
        })
    }
}
