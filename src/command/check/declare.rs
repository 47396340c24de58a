//! Declaring what the files refer to, so that nobody deletes it unawares.

use std::fmt;

use credence::client::{ClientError, CredentialState};
use credence::failure::{Failure, FailureKind};
use credence::types::consumer::{Consumer, ConsumerKind};
use credence::types::credential::Credential;
use credence::types::id::Id;
use serde::Serialize;

use super::Statuses;
use super::declaration::{Declaration, declarations};
use super::document::Place;
use super::file::CheckedFile;
use super::finding::visible;
use crate::command::remote::Remote;

/// What was declared, as far as it could be.
#[derive(Default)]
pub struct Declared {
    pub consumers: usize,
    pub omitted: Vec<OmittedConsumer>,
    /// Why not all of it was done, when a finding is not the reason.
    pub failure: Option<Failure>,
}

/// A consumer that was left out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OmittedConsumer {
    /// Its name, as it would be declared.
    pub consumer: String,
    pub file: String,
    pub line: usize,
    pub column: usize,
    /// Why it was left out.
    pub reason: String,
}

impl OmittedConsumer {
    pub fn new(consumer: &str, file: &str, place: Place, reason: impl Into<String>) -> Self {
        Self {
            consumer: consumer.to_owned(),
            file: file.to_owned(),
            line: place.line,
            column: place.column,
            reason: reason.into(),
        }
    }
}

impl fmt::Display for OmittedConsumer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, .. } = self;
        let [file, consumer] = [&self.file, &self.consumer].map(|text| visible(text));
        let reason = &self.reason;
        write!(
            formatter,
            "{file}:{line}:{column}: {consumer} is not declared: {reason}"
        )
    }
}

/// Declares the references of each consumer in the files. A consumer without a credential declares that it uses none. One that is left out
/// keeps none of the others from it.
pub async fn declare(
    remote: &Remote,
    files: &[CheckedFile],
    prefix: &str,
    statuses: &Statuses,
) -> Declared {
    let mut declared = Declared::default();
    let is_known = |id| {
        let status = statuses.get(&id);
        status.is_some_and(|status| status.state != CredentialState::Unknown)
    };
    for declaration in declarations(files, prefix, is_known) {
        if let Err(failure) = declared.add(remote, declaration).await {
            declared.failure = Some(failure);
            break;
        }
    }
    declared
}

impl Declared {
    /// Declares what a consumer uses, or adds it to those that are left out.
    async fn add(&mut self, remote: &Remote, declaration: Declaration) -> Result<(), Failure> {
        let omitted = match declaration.into_whole() {
            Ok(whole) => match tell_server(remote, &whole.consumer, &whole.ids).await {
                Ok(()) => {
                    self.consumers += 1;
                    return Ok(());
                }
                Err(error @ ClientError::Rejected { .. }) => {
                    let reason = remote.failure(&error).message;
                    let name = &whole.consumer.external_id;
                    let omitted = OmittedConsumer::new(name, &whole.file, whole.place, reason);
                    self.fail(FailureKind::Configuration, &omitted);
                    omitted
                }
                Err(error) => return Err(failure(remote, &whole.consumer, &error)),
            },
            Err((omitted, is_finding)) => {
                if !is_finding {
                    self.fail(FailureKind::Usage, &omitted);
                }
                omitted
            }
        };
        self.omitted.push(omitted);
        Ok(())
    }

    /// Keeps the first failure.
    fn fail(&mut self, kind: FailureKind, omitted: &OmittedConsumer) {
        let failure = || Failure::new(kind, omitted.to_string());
        self.failure.get_or_insert_with(failure);
    }
}

/// Declares that consumers with these names use no credential, and adds the name of each to `withdrawn`.
///
/// # Errors
/// [`FailureKind::Usage`] for what is no name; otherwise why the server could not be asked.
pub async fn withdraw(
    remote: &Remote,
    names: &[String],
    withdrawn: &mut Vec<String>,
) -> Result<(), Failure> {
    for name in names {
        for kind in [ConsumerKind::AiModelBinding, ConsumerKind::HttpMcpServer] {
            let consumer = Consumer::parse(kind, name, None).map_err(|_problem| {
                let message = "--withdraw: no consumer has this name: it is empty, has more than 255 characters, or some that cannot be seen";
                Failure::new(FailureKind::Usage, message)
            })?;
            let told = tell_server(remote, &consumer, &[]).await;
            told.map_err(|error| failure(remote, &consumer, &error))?;
        }
        withdrawn.push(name.clone());
    }
    Ok(())
}

async fn tell_server(
    remote: &Remote,
    consumer: &Consumer,
    ids: &[Id<Credential>],
) -> Result<(), ClientError> {
    remote.client.declare_references(consumer, ids).await
}

fn failure(remote: &Remote, consumer: &Consumer, error: &ClientError) -> Failure {
    let failure = remote.failure(error);
    let consumer = &consumer.external_id;
    Failure::new(
        failure.kind,
        format!("{consumer} cannot be declared: {failure}"),
    )
}
