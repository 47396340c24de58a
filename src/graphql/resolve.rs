//! The one mutation by which a value leaves.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::consumer::ConsumerInput;
use super::context::RequestContext;
use super::credential::Credential;
use super::error::ApiError;
use super::scalar::parse_id;
use super::user_error::{CredentialError, payload};
use crate::domain::resolve::ResolveRequest;

/// The input of `resolveCredential`.
#[derive(InputObject)]
pub struct ResolveCredentialInput {
    /// The credential.
    credential_id: ID,
    /// What needs the value.
    consumer: ConsumerInput,
    /// The version that the consumer already holds: when it is still the present one, no value is sent.
    if_version_not: Option<i32>,
}

/// The result of `resolveCredential`.
#[derive(SimpleObject)]
pub struct ResolveCredentialPayload {
    /// The credential: null when there are errors.
    credential: Option<Credential>,
    /// The secret value: null when `notModified` is true or there are errors.
    value: Option<String>,
    /// The version of the value: null when there are errors.
    value_version: Option<i32>,
    /// Whether the consumer already holds the present value.
    not_modified: bool,
    /// What is wrong with the input: empty when the mutation succeeded.
    user_errors: Vec<CredentialError>,
}

/// The mutation of runtimes.
#[derive(Default)]
pub struct ResolveMutation;

#[Object]
impl ResolveMutation {
    /// Hands a credential's value to a runtime. The audit event is durable before the value leaves. Needs `credentials:resolve`.
    async fn resolve_credential(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "What is needed, and by whom.")] input: ResolveCredentialInput,
    ) -> Option<Result<ResolveCredentialPayload, ApiError>> {
        let request = ResolveRequest {
            credential_id: parse_id(&input.credential_id),
            consumer_kind: input.consumer.kind.into(),
            consumer_external_id: input.consumer.external_id,
            consumer_name: input.consumer.name,
            held_version: input.if_version_not,
        };
        let outcome = context
            .domain()
            .resolve_credential(context.caller(), request)
            .await;
        Some(payload(outcome).map(|(resolved, user_errors)| {
            let value = resolved
                .as_ref()
                .and_then(|resolved| resolved.value.as_ref());
            ResolveCredentialPayload {
                value: value.map(|value| value.expose().to_owned()),
                value_version: resolved
                    .as_ref()
                    .map(|resolved| resolved.credential.value_version),
                not_modified: resolved
                    .as_ref()
                    .is_some_and(|resolved| resolved.value.is_none()),
                credential: resolved.map(|resolved| resolved.credential.into()),
                user_errors,
            }
        }))
    }
}
