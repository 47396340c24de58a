//! The public words: the schema, and how a document becomes an answer. Translates, decides nothing.
//!
//! A noun's file has its types and its root fields. A document goes through [`document`] (checked once, then cached), its
//! variables through [`variable`], and what went wrong through [`error`].

mod absent_variable;
pub mod audit;
pub mod change;
pub mod consumer;
pub mod context;
pub mod credential;
pub mod credential_mutation;
pub mod document;
mod document_conversion;
mod document_limit;
mod document_nodes;
mod document_problem;
mod document_source;
mod document_value;
pub mod error;
pub mod execution;
mod merged_field;
pub mod node;
mod null_variable;
mod observation;
pub mod page;
pub mod reference;
pub mod resolve;
pub mod response;
pub mod scalar;
pub mod sdl;
pub mod user;
pub mod user_error;
pub mod variable;

use std::sync::Arc;

use async_graphql::{MergedObject, Schema, SchemaBuilder, ValidationMode};
use change::ChangeSubscription;

use crate::domain::Domain;

/// What can be read.
#[derive(MergedObject, Default)]
pub struct Query(
    node::NodeQuery,
    credential::CredentialQuery,
    user::UserQuery,
    reference::ReferenceQuery,
    audit::AuditQuery,
);

/// What can be changed. Each mutation is one transaction: it happens wholly, with its audit event, or not at all.
#[derive(MergedObject, Default)]
pub struct Mutation(
    credential_mutation::CredentialMutation,
    resolve::ResolveMutation,
    reference::ReferenceMutation,
    user::UserMutation,
);

/// The schema, ready to execute.
pub type ApiSchema = Schema<Query, Mutation, ChangeSubscription>;

/// The schema over the rules.
#[must_use]
pub fn schema(domain: Arc<Domain>) -> ApiSchema {
    let loader = reference::loader(Arc::clone(&domain));
    builder().data(domain).data(loader).finish()
}

fn builder() -> SchemaBuilder<Query, Mutation, ChangeSubscription> {
    Schema::build(Query::default(), Mutation::default(), ChangeSubscription)
        // Documents are checked before: see `document`. Its limits are stricter than this one.
        .validation_mode(ValidationMode::Fast)
        .limit_recursive_depth(document_limit::NESTING_LIMIT + 1)
        .register_output_type::<user_error::UserError>()
}
