//! What the person at the form can correct: the `userErrors` of payloads.

use async_graphql::{Enum, Interface, SimpleObject};

use super::error::ApiError;
use crate::domain::error::{Error, InUse, Problem, UserArgument};
use crate::types::consumer::{CONSUMER_LIMIT_CHARACTERS, ConsumerProblem};
use crate::types::credential::{NAME_LIMIT_CHARACTERS, NameProblem};
use crate::types::secret::ValueProblem;

/// An error in the input of a mutation that the person at the form can correct.
#[derive(Interface)]
#[graphql(
    field(name = "message", ty = "&String", desc = "The message, for people."),
    field(
        name = "field",
        ty = "&Option<Vec<String>>",
        desc = "The path of the input field at fault, such as `[\"input\", \"name\"]`: null when it is none in particular."
    )
)]
pub enum UserError {
    /// An error in the input of a mutation on credentials or users.
    Credential(CredentialError),
}

/// An error in the input of a mutation on credentials or users.
#[derive(SimpleObject, Clone, Debug)]
pub struct CredentialError {
    /// The code, for programs.
    code: CredentialErrorCode,
    /// The message, for people. It never repeats a value.
    message: String,
    /// The path of the input field at fault, such as `["input", "name"]`: null when it is none in particular.
    field: Option<Vec<String>>,
}

/// What can be wrong with an input.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialErrorCode {
    /// The value is empty, or the text is empty or only white space.
    Blank,
    /// The text is too long.
    TooLong,
    /// The text has characters that are not allowed, the name shows the value, there are too many in a list, or a removed user's credentials are to go to that user.
    Invalid,
    /// Another credential has the name.
    Taken,
    /// The value is a mask, such as `********`, and not a secret.
    Masked,
    /// Nothing has the ID, and nothing ever had.
    NotFound,
    /// The credential was deleted; the message says when and what its name was.
    Deleted,
    /// Consumers declare that they use the credential.
    InUse,
    /// The credential has another version than the expected one.
    VersionConflict,
}

/// The two halves of every payload: what was made, or what the person can correct.
///
/// # Errors
/// What is no user error.
pub fn payload<T>(
    outcome: Result<T, Error>,
) -> Result<(Option<T>, Vec<CredentialError>), ApiError> {
    match outcome {
        Ok(result) => Ok((Some(result), Vec::new())),
        Err(Error::Rejected(problems)) => {
            Ok((None, problems.iter().map(CredentialError::from).collect()))
        }
        Err(error) => Err(error.into()),
    }
}

impl From<&Problem> for CredentialError {
    fn from(problem: &Problem) -> Self {
        let (code, message) = describe(problem);
        let mut field: Vec<String> = path(problem).iter().map(|&name| name.to_owned()).collect();
        if let Problem::DeclaredNotFound { index } = problem {
            field.push(index.to_string());
        }
        Self {
            code,
            message,
            field: Some(field),
        }
    }
}

fn path(problem: &Problem) -> &'static [&'static str] {
    match problem {
        Problem::Name(_) | Problem::NameHoldsValue | Problem::NameTaken => &["input", "name"],
        Problem::Value(_) => &["input", "value"],
        Problem::Consumer(ConsumerProblem::NameTooLong | ConsumerProblem::NameInvalid) => {
            &["input", "consumer", "name"]
        }
        Problem::Consumer(_) => &["input", "consumer", "externalId"],
        Problem::CredentialNotFound
        | Problem::CredentialDeleted { .. }
        | Problem::InUse(InUse {
            with_user: false, ..
        }) => &["input", "credentialId"],
        Problem::DeclaredNotFound { .. } | Problem::TooManyDeclared => &["input", "credentialIds"],
        Problem::VersionConflict { .. } => &["input", "expectedValueVersion"],
        Problem::UserNotFound(UserArgument::User)
        | Problem::InUse(_)
        | Problem::MoreInUse { .. } => &["input", "userId"],
        Problem::UserNotFound(UserArgument::NewOwner) => &["input", "newOwnerId"],
        Problem::UserNotFound(UserArgument::TransferTo) | Problem::TransferToRemoved => {
            &["input", "transferToId"]
        }
    }
}

fn describe(problem: &Problem) -> (CredentialErrorCode, String) {
    match problem {
        Problem::Name(problem) => describe_name(*problem),
        Problem::Value(problem) => describe_value(*problem),
        Problem::Consumer(problem) => describe_consumer(*problem),
        Problem::NameHoldsValue => (
            CredentialErrorCode::Invalid,
            "The name holds the value, and names are visible to everybody. Choose a name that says what the value is for."
                .to_owned(),
        ),
        Problem::NameTaken => (
            CredentialErrorCode::Taken,
            "Another credential has this name. Names are compared without regard to case.".to_owned(),
        ),
        Problem::InUse(in_use) => (CredentialErrorCode::InUse, describe_use(in_use)),
        Problem::MoreInUse { credentials } => (
            CredentialErrorCode::InUse,
            match credentials {
                1 => "Consumers declare that they use 1 more credential of the user.".to_owned(),
                more => format!("Consumers declare that they use {more} more credentials of the user."),
            },
        ),
        Problem::TooManyDeclared => (
            CredentialErrorCode::Invalid,
            "A consumer declares at most 100 credentials.".to_owned(),
        ),
        Problem::CredentialNotFound | Problem::DeclaredNotFound { .. } => (
            CredentialErrorCode::NotFound,
            "No credential has this ID, and none ever had.".to_owned(),
        ),
        Problem::CredentialDeleted { name, at } => (
            CredentialErrorCode::Deleted,
            format!("The credential {name} was deleted at {}.", at.to_rfc3339()),
        ),
        Problem::VersionConflict { present } => (
            CredentialErrorCode::VersionConflict,
            format!("The value was changed meanwhile: its version is {present} now."),
        ),
        Problem::UserNotFound(_) => (CredentialErrorCode::NotFound, "No user has this ID.".to_owned()),
        Problem::TransferToRemoved => (
            CredentialErrorCode::Invalid,
            "The credentials cannot be given to the user who is removed.".to_owned(),
        ),
    }
}

fn describe_use(in_use: &InUse) -> String {
    let declared = &in_use.declared;
    let names: Vec<String> = declared
        .first
        .iter()
        .map(|consumer| match &consumer.name {
            Some(name) => format!("{name} ({})", consumer.external_id),
            None => consumer.external_id.clone(),
        })
        .collect();
    let rest = declared
        .count
        .saturating_sub(i64::try_from(names.len()).unwrap_or(i64::MAX));
    let more = match rest {
        0 => String::new(),
        rest => format!(" and {rest} more"),
    };
    let (consumers, they) = match declared.count {
        1 => ("1 consumer declares that it uses".to_owned(), "It"),
        count => (format!("{count} consumers declare that they use"), "They"),
    };
    format!(
        "{consumers} the credential {}: {}{more}. {they} would fail without it.",
        in_use.credential_name,
        names.join(", ")
    )
}

fn describe_name(problem: NameProblem) -> (CredentialErrorCode, String) {
    match problem {
        NameProblem::Blank => (CredentialErrorCode::Blank, "Enter a name.".to_owned()),
        NameProblem::TooLong => (
            CredentialErrorCode::TooLong,
            format!("A name has at most {NAME_LIMIT_CHARACTERS} characters."),
        ),
        NameProblem::Invalid => (
            CredentialErrorCode::Invalid,
            "The name has characters that cannot be seen, such as a tab, a line break or a zero-width space.".to_owned(),
        ),
    }
}

fn describe_value(problem: ValueProblem) -> (CredentialErrorCode, String) {
    match problem {
        ValueProblem::Blank => (CredentialErrorCode::Blank, "Enter a value.".to_owned()),
        ValueProblem::TooLong => (
            CredentialErrorCode::TooLong,
            "A value has at most 64 KiB (65,536 bytes of UTF-8).".to_owned(),
        ),
        ValueProblem::Masked => (
            CredentialErrorCode::Masked,
            "The value is a mask, not a secret. Enter the secret; in an update, leave the value out to keep the present one."
                .to_owned(),
        ),
    }
}

fn describe_consumer(problem: ConsumerProblem) -> (CredentialErrorCode, String) {
    let too_long = || format!("At most {CONSUMER_LIMIT_CHARACTERS} characters are allowed here.");
    match problem {
        ConsumerProblem::ExternalIdBlank => (
            CredentialErrorCode::Blank,
            "Name the consumer by its identifier in the system it lives in.".to_owned(),
        ),
        ConsumerProblem::ExternalIdTooLong | ConsumerProblem::NameTooLong => {
            (CredentialErrorCode::TooLong, too_long())
        }
        ConsumerProblem::ExternalIdInvalid | ConsumerProblem::NameInvalid => (
            CredentialErrorCode::Invalid,
            "There are characters in it that cannot be seen.".to_owned(),
        ),
    }
}
