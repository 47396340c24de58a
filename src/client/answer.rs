//! What answers hold, as they come in.

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer};

use super::error::{ClientError, Unavailable};
use super::shown;
use crate::types::secret::UncheckedSecret;

/// An answer. Each document of the client has one root field, under the name `answer`.
#[derive(Deserialize)]
pub struct Answer<T> {
    data: Option<Data<T>>,
    errors: Option<Vec<AnswerError>>,
}

#[derive(Deserialize)]
struct Data<T> {
    answer: Option<T>,
}

/// An error of the whole answer.
#[derive(Deserialize)]
struct AnswerError {
    message: String,
    extensions: Option<Extensions>,
}

#[derive(Deserialize)]
struct Extensions {
    code: String,
}

/// An error of an input.
#[derive(Deserialize)]
pub struct UserError {
    /// The code.
    pub code: String,
    /// What the server says.
    message: String,
}

impl UserError {
    /// What the server says, as it may be shown.
    pub fn shown(&self) -> String {
        shown(&self.message)
    }
}

/// A value, as it comes in.
pub struct ReceivedValue(pub UncheckedSecret);

impl<'de> Deserialize<'de> for ReceivedValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(Self(UncheckedSecret::new(text)))
    }
}

/// Reads an answer: what was asked for, or why it was not given. Nothing asked for is null, and null is nothing.
///
/// # Errors
/// The [`ClientError`] of its first error; [`ClientError::Unexpected`] when it is no answer of GraphQL.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<Option<T>, ClientError> {
    // What the library says of malformed JSON may quote it.
    let answer: Answer<T> =
        serde_json::from_slice(bytes).map_err(|_malformed| ClientError::Unexpected {
            what: "the answer has another form",
        })?;
    match answer.errors.unwrap_or_default().into_iter().next() {
        Some(error) => Err(error.into()),
        None => Ok(answer.data.and_then(|data| data.answer)),
    }
}

impl AnswerError {
    fn code(&self) -> &str {
        self.extensions
            .as_ref()
            .map_or("", |extensions| extensions.code.as_str())
    }
}

impl From<AnswerError> for ClientError {
    fn from(error: AnswerError) -> Self {
        match error.code() {
            "UNAUTHENTICATED" => Self::Unauthenticated,
            "FORBIDDEN" => Self::Forbidden {
                message: shown(&error.message),
            },
            // Which one is for the caller to say, who knows what was asked for.
            "CREDENTIAL_UNREADABLE" => Self::Unreadable { id: String::new() },
            "OVERLOADED" | "RATE_LIMITED" | "UNAVAILABLE" => Self::Unavailable(Unavailable::Busy),
            "INTERNAL_SERVER_ERROR" => Self::Unavailable(Unavailable::Failed),
            "" => Self::Unexpected {
                what: "its error has no code",
            },
            _ => Self::Rejected {
                message: shown(&error.message),
            },
        }
    }
}
