//! Declaring what the files refer to, so that nobody deletes it unawares.

use credence::client::CredentialState;
use credence::failure::{Failure, FailureKind};
use credence::types::consumer::{Consumer, ConsumerKind};
use credence::types::credential::Credential;
use credence::types::id::Id;

use super::Statuses;
use super::file::CheckedFile;
use super::finding::visible;
use super::uses::{Use, What};
use crate::command::remote::Remote;

/// A consumer, and all that it uses.
struct Declaration {
    consumer: Consumer,
    ids: Vec<Id<Credential>>,
    /// Whether every place of the consumer says what it uses. One of which that is not known declares nothing: it would withdraw what it
    /// declared before.
    is_whole: bool,
}

/// Declares the references of each consumer in the files, and returns how many consumers that were. A consumer without a credential
/// declares that it uses none.
///
/// # Errors
/// [`FailureKind::Usage`] when a consumer cannot be named; otherwise why the server could not be asked.
pub async fn declare(
    remote: &Remote,
    files: &[CheckedFile],
    prefix: &str,
    statuses: &Statuses,
) -> Result<usize, Failure> {
    let mut declared = 0;
    for declaration in declarations(files, prefix, statuses)? {
        if !declaration.is_whole {
            continue;
        }
        tell_server(remote, &declaration.consumer, &declaration.ids).await?;
        declared += 1;
    }
    Ok(declared)
}

/// Declares that consumers with these names use no credential.
///
/// # Errors
/// [`FailureKind::Usage`] for what is no name; otherwise why the server could not be asked.
pub async fn withdraw(remote: &Remote, names: &[String]) -> Result<(), Failure> {
    for name in names {
        for kind in [ConsumerKind::AiModelBinding, ConsumerKind::HttpMcpServer] {
            let consumer = Consumer::parse(kind, name, None).map_err(|_problem| {
                let message = "--withdraw: no consumer has this name: it is empty, has more than 255 characters, or some that cannot be seen";
                Failure::new(FailureKind::Usage, message)
            })?;
            tell_server(remote, &consumer, &[]).await?;
        }
    }
    Ok(())
}

async fn tell_server(
    remote: &Remote,
    consumer: &Consumer,
    ids: &[Id<Credential>],
) -> Result<(), Failure> {
    let outcome = remote.client.declare_references(consumer, ids).await;
    outcome.map_err(|error| {
        let failure = remote.failure(&error);
        let consumer = &consumer.external_id;
        Failure::new(
            failure.kind,
            format!("{consumer} cannot be declared: {failure}"),
        )
    })
}

fn declarations(
    files: &[CheckedFile],
    prefix: &str,
    statuses: &Statuses,
) -> Result<Vec<Declaration>, Failure> {
    let mut declarations: Vec<Declaration> = Vec::new();
    for file in files {
        let name = file.consumers.as_deref().ok_or_else(|| {
            let message = "-: consumers of standard input have no names: give --declare files";
            Failure::new(FailureKind::Usage, message)
        })?;
        for found in file.uses.iter().filter(|found| found.what != What::Header) {
            let consumer = consumer(name, prefix, found)?;
            let same = |other: &&mut Declaration| {
                let other = &other.consumer;
                other.kind == consumer.kind && other.external_id == consumer.external_id
            };
            let at = declarations.iter_mut().find(same);
            let declaration = match at {
                Some(declaration) => declaration,
                None => declarations.push_mut(Declaration {
                    consumer,
                    ids: Vec::new(),
                    is_whole: true,
                }),
            };
            match found.what {
                What::Id(id) if declaration.ids.contains(&id) => {}
                What::Id(id) if is_known(statuses, id) => declaration.ids.push(id),
                // What a server over stdio has is not used.
                What::Nothing | What::OfStdio => {}
                _ => declaration.is_whole = false,
            }
        }
    }
    Ok(declarations)
}

/// Whether there is a credential with the ID, or was one.
fn is_known(statuses: &Statuses, id: Id<Credential>) -> bool {
    let status = statuses.get(&id);
    status.is_some_and(|status| status.state != CredentialState::Unknown)
}

fn consumer(file: &str, prefix: &str, found: &Use) -> Result<Consumer, Failure> {
    let Use { kind, name, .. } = found;
    let external_id = format!("{prefix}{file}#{name}");
    let noun = match kind {
        ConsumerKind::HttpMcpServer => "MCP server",
        _ => "model",
    };
    let for_people = format!("{noun} {name}");
    Consumer::parse(*kind, &external_id, Some(&for_people)).map_err(|_problem| {
        let message = format!(
            "{}:{}:{}: the consumer cannot be declared: the prefix, the file and the name together have more than 255 \
             characters, or some that cannot be seen",
            visible(file), found.place.line, found.place.column
        );
        Failure::new(FailureKind::Usage, message)
    })
}
