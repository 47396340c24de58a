//! Resolving one credential for one consumer.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::answer::{ReceivedValue, UserError};
use super::error::ClientError;
use super::shown;
use super::transport::Transport;
use crate::types::consumer::Consumer;
use crate::types::credential::Credential;
use crate::types::id::Id;
use crate::types::secret::SecretValue;

const RESOLVE: &str = "mutation Resolve($input: ResolveCredentialInput!) { \
                       answer: resolveCredential(input: $input) { \
                       credential { name } value valueVersion notModified userErrors { code message } } }";

/// A value that a consumer may use now.
#[derive(Debug)]
pub struct Resolved {
    /// The credential.
    pub id: Id<Credential>,
    /// Its name, when the value was sent.
    pub name: String,
    /// The version of the value.
    pub version: i32,
    /// The value. Its `Debug` does not show it.
    pub value: SecretValue,
}

#[derive(Serialize)]
struct Variables<'a> {
    input: Input<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Input<'a> {
    credential_id: String,
    consumer: ConsumerInput<'a>,
    if_version_not: Option<i32>,
}

/// A consumer, as inputs name it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsumerInput<'a> {
    kind: &'static str,
    external_id: &'a str,
    name: Option<&'a str>,
}

impl<'a> From<&'a Consumer> for ConsumerInput<'a> {
    fn from(consumer: &'a Consumer) -> Self {
        Self {
            kind: consumer.kind.as_str(),
            external_id: &consumer.external_id,
            name: consumer.name.as_deref(),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    credential: Option<Named>,
    value: Option<ReceivedValue>,
    value_version: Option<i32>,
    not_modified: bool,
    user_errors: Vec<UserError>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

/// Asks for the value, and for none when the one that is held is still the present one.
///
/// # Errors
/// A [`ClientError`] when there is no value for this consumer, or the server cannot be asked.
pub async fn ask(
    transport: &Transport,
    id: Id<Credential>,
    consumer: &Consumer,
    held: Option<&Arc<Resolved>>,
) -> Result<Arc<Resolved>, ClientError> {
    let input = Input {
        credential_id: id.to_string(),
        consumer: consumer.into(),
        if_version_not: held.map(|held| held.version),
    };
    let answer = transport.ask(RESOLVE, &Variables { input }).await;
    let payload: Option<Payload> = answer.map_err(|error| match error {
        ClientError::Unreadable { .. } => ClientError::Unreadable { id: id.to_string() },
        error => error,
    })?;
    let payload = payload.ok_or(ClientError::Unexpected {
        what: "it resolves to nothing",
    })?;
    if let Some(error) = payload.user_errors.first() {
        return Err(refused(id, error));
    }
    match (payload.not_modified, held) {
        (true, Some(held)) => Ok(Arc::clone(held)),
        _ => received(id, payload),
    }
}

fn received(id: Id<Credential>, payload: Payload) -> Result<Arc<Resolved>, ClientError> {
    let incomplete = ClientError::Unexpected {
        what: "there is no value in what it resolves to",
    };
    let (Some(named), Some(ReceivedValue(value)), Some(version)) =
        (payload.credential, payload.value, payload.value_version)
    else {
        return Err(incomplete);
    };
    let value = SecretValue::parse(value).map_err(|_problem| incomplete)?;
    Ok(Arc::new(Resolved {
        id,
        name: shown(&named.name),
        version,
        value,
    }))
}

fn refused(id: Id<Credential>, error: &UserError) -> ClientError {
    let id = id.to_string();
    match error.code.as_str() {
        "NOT_FOUND" => ClientError::NotFound { id },
        "DELETED" => ClientError::Deleted {
            id,
            message: error.shown(),
        },
        _ => ClientError::Rejected {
            message: error.shown(),
        },
    }
}
