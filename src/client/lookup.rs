//! What the client asks beside values: names, statuses, and the references that consumers declare.

use serde::{Deserialize, Serialize};

use super::answer::UserError;
use super::error::ClientError;
use super::resolve::ConsumerInput;
use super::shown;
use super::transport::Transport;
use crate::types::consumer::Consumer;
use crate::types::credential::Credential;
use crate::types::id::Id;

/// How many IDs the server takes at once.
const STATUSES_AT_ONCE: usize = 100;
const BY_NAME: &str =
    "query FindByName($name: String!) { answer: credentialByName(name: $name) { id } }";
const STATUSES: &str = "query Statuses($ids: [ID!]!) { answer: credentialStatuses(ids: $ids) { state name deletedAt } }";
const DECLARE: &str = "mutation Declare($input: DeclareReferencesInput!) { \
                       answer: declareReferences(input: $input) { userErrors { code message } } }";

/// What became of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CredentialState {
    /// It exists.
    Live,
    /// It was deleted.
    Deleted,
    /// There never was one with the ID.
    Unknown,
}

/// What became of the credential with an ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialStatus {
    /// The ID.
    pub id: Id<Credential>,
    /// What became of it.
    pub state: CredentialState,
    /// Its name, or the last one it had.
    pub name: Option<String>,
    /// When it was deleted (RFC 3339).
    pub deleted_at: Option<String>,
}

#[derive(Serialize)]
struct NameVariables<'a> {
    name: &'a str,
}

#[derive(Serialize)]
struct IdsVariables {
    ids: Vec<String>,
}

#[derive(Serialize)]
struct DeclareVariables<'a> {
    input: DeclareInput<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DeclareInput<'a> {
    consumer: ConsumerInput<'a>,
    credential_ids: Vec<String>,
}

#[derive(Deserialize)]
struct Identified {
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReceivedStatus {
    state: CredentialState,
    name: Option<String>,
    deleted_at: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeclarePayload {
    user_errors: Vec<UserError>,
}

/// The ID of the credential with a name.
///
/// # Errors
/// A [`ClientError`] when the server cannot be asked, or does not allow it.
pub async fn find_by_name(
    transport: &Transport,
    name: &str,
) -> Result<Option<Id<Credential>>, ClientError> {
    let found: Option<Identified> = transport.ask(BY_NAME, &NameVariables { name }).await?;
    let Some(found) = found else { return Ok(None) };
    let id = Id::parse(&found.id);
    id.map(Some).ok_or(ClientError::Unexpected {
        what: "an ID of it is none",
    })
}

/// What became of credentials, in the order of their IDs.
///
/// # Errors
/// A [`ClientError`] when the server cannot be asked, or does not allow it.
pub async fn statuses(
    transport: &Transport,
    ids: &[Id<Credential>],
) -> Result<Vec<CredentialStatus>, ClientError> {
    let mut statuses = Vec::with_capacity(ids.len());
    for some in ids.chunks(STATUSES_AT_ONCE) {
        let variables = IdsVariables { ids: texts(some) };
        let received: Option<Vec<ReceivedStatus>> = transport.ask(STATUSES, &variables).await?;
        let received = received.unwrap_or_default();
        if received.len() != some.len() {
            return Err(ClientError::Unexpected {
                what: "it leaves out what became of some IDs",
            });
        }
        statuses.extend(
            some.iter()
                .zip(received)
                .map(|(id, received)| CredentialStatus {
                    id: *id,
                    state: received.state,
                    name: received.name.as_deref().map(shown),
                    deleted_at: received.deleted_at.as_deref().map(shown),
                }),
        );
    }
    Ok(statuses)
}

/// Replaces the set of credentials that a consumer declares.
///
/// # Errors
/// [`ClientError::Rejected`] when an ID never was a credential's; otherwise why the server could not be asked.
pub async fn declare_references(
    transport: &Transport,
    consumer: &Consumer,
    ids: &[Id<Credential>],
) -> Result<(), ClientError> {
    let input = DeclareInput {
        consumer: consumer.into(),
        credential_ids: texts(ids),
    };
    let payload: Option<DeclarePayload> =
        transport.ask(DECLARE, &DeclareVariables { input }).await?;
    let payload = payload.ok_or(ClientError::Unexpected {
        what: "it says nothing of what was declared",
    })?;
    match payload.user_errors.first() {
        Some(error) => Err(ClientError::Rejected {
            message: error.shown(),
        }),
        None => Ok(()),
    }
}

fn texts(ids: &[Id<Credential>]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}
