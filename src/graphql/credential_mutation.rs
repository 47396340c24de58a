//! The mutations of credentials.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::context::RequestContext;
use super::credential::Credential;
use super::error::ApiError;
use super::scalar::{SecretText, id, parse_id};
use super::user_error::{CredentialError, payload};
use crate::domain::credential_change::CredentialEdit;

/// The input of `createCredential`.
#[derive(InputObject)]
pub struct CreateCredentialInput {
    /// The name: 1 to 128 characters, unique without regard to case.
    name: String,
    /// The secret value: 1 byte to 64 KiB of UTF-8, kept byte for byte. It cannot be read back.
    #[graphql(secret)]
    value: SecretText,
}

/// The result of `createCredential`.
#[derive(SimpleObject)]
pub struct CreateCredentialPayload {
    /// The new credential: null when there are errors.
    credential: Option<Credential>,
    /// What is wrong with the input: empty when the mutation succeeded.
    user_errors: Vec<CredentialError>,
}

/// The input of `updateCredential`. A field that is left out, or null, keeps what it has.
#[derive(InputObject)]
pub struct UpdateCredentialInput {
    /// The credential.
    credential_id: ID,
    /// The new name.
    name: Option<String>,
    /// The new value. One that equals the present value makes a new version too.
    #[graphql(secret)]
    value: Option<SecretText>,
    /// When given, the update happens only if this is the credential's present `valueVersion`.
    expected_value_version: Option<i32>,
}

/// The result of `updateCredential`.
#[derive(SimpleObject)]
pub struct UpdateCredentialPayload {
    /// The credential after the update: null when there are errors.
    credential: Option<Credential>,
    /// What is wrong with the input: empty when the mutation succeeded.
    user_errors: Vec<CredentialError>,
}

/// The input of `deleteCredential`.
#[derive(InputObject)]
pub struct DeleteCredentialInput {
    /// The credential.
    credential_id: ID,
    /// Delete it even though consumers declare that they use it.
    #[graphql(default)]
    force: bool,
}

/// The result of `deleteCredential`.
#[derive(SimpleObject)]
pub struct DeleteCredentialPayload {
    /// The ID of the credential that was deleted: null when there are errors.
    deleted_credential_id: Option<ID>,
    /// What is wrong with the input: empty when the mutation succeeded.
    user_errors: Vec<CredentialError>,
}

/// The input of `transferCredential`.
#[derive(InputObject)]
pub struct TransferCredentialInput {
    /// The credential.
    credential_id: ID,
    /// The user who is to own it.
    new_owner_id: ID,
}

/// The result of `transferCredential`.
#[derive(SimpleObject)]
pub struct TransferCredentialPayload {
    /// The credential after the transfer: null when there are errors.
    credential: Option<Credential>,
    /// What is wrong with the input: empty when the mutation succeeded.
    user_errors: Vec<CredentialError>,
}

/// The mutations of credentials.
#[derive(Default)]
pub struct CredentialMutation;

#[Object]
impl CredentialMutation {
    /// Creates a credential owned by the viewer. Needs `credentials:write`.
    async fn create_credential(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "What to create.")] input: CreateCredentialInput,
    ) -> Option<Result<CreateCredentialPayload, ApiError>> {
        let outcome = context
            .domain()
            .create_credential(context.caller(), &input.name, input.value.0)
            .await;
        Some(
            payload(outcome).map(|(credential, user_errors)| CreateCredentialPayload {
                credential: credential.map(Credential::from),
                user_errors,
            }),
        )
    }

    /// Renames a credential, replaces its value, or both. Its ID stays. Needs `credentials:write` and ownership, or `credentials:manage`.
    async fn update_credential(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "What to change.")] input: UpdateCredentialInput,
    ) -> Option<Result<UpdateCredentialPayload, ApiError>> {
        let change = CredentialEdit {
            name: input.name,
            value: input.value.map(|text| text.0),
            expected_value_version: input.expected_value_version,
        };
        let outcome = context
            .domain()
            .update_credential(context.caller(), parse_id(&input.credential_id), change)
            .await;
        Some(
            payload(outcome).map(|(credential, user_errors)| UpdateCredentialPayload {
                credential: credential.map(Credential::from),
                user_errors,
            }),
        )
    }

    /// Deletes a credential, unless consumers declare that they use it. Needs `credentials:write` and ownership, or `credentials:manage`.
    async fn delete_credential(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "What to delete.")] input: DeleteCredentialInput,
    ) -> Option<Result<DeleteCredentialPayload, ApiError>> {
        let outcome = context
            .domain()
            .delete_credential(
                context.caller(),
                parse_id(&input.credential_id),
                input.force,
            )
            .await;
        Some(
            payload(outcome).map(|(deleted, user_errors)| DeleteCredentialPayload {
                deleted_credential_id: deleted.map(|credential| id(credential.id)),
                user_errors,
            }),
        )
    }

    /// Gives a credential to another user. Needs `credentials:manage`.
    async fn transfer_credential(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "What to give to whom.")] input: TransferCredentialInput,
    ) -> Option<Result<TransferCredentialPayload, ApiError>> {
        let outcome = context
            .domain()
            .transfer_credential(
                context.caller(),
                parse_id(&input.credential_id),
                parse_id(&input.new_owner_id),
            )
            .await;
        Some(
            payload(outcome).map(|(credential, user_errors)| TransferCredentialPayload {
                credential: credential.map(Credential::from),
                user_errors,
            }),
        )
    }
}
