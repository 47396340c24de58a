//! What is not as it should be, and how it is told.

use std::fmt;

use credence::client::{CredentialState, CredentialStatus};
use credence::types::text;
use serde::Serialize;

use super::document::Place;
use super::problem::Problem;
use super::uses::{Use, What};

const MALFORMED: &str =
    "this is no credential ID: write the UUID with its hyphens, and nothing else";
const TEXT: &str = "this is no credential ID. If it is a secret, it has been seen by all who see this file: replace it where it \
                    comes from, store the new one as a credential, and write that ID here. If it is a credential's name, write its ID";
const HEADER: &str = "this may be a secret. If it is one, it has been seen by all who see this file: replace it where it comes from, \
                      store the new one as a credential, and write credential, with its ID, in place of this header";
const OF_STDIO: &str = "MCP servers over stdio take no credential: take it out, and start the server with \
                        credence run --env NAME=CREDENTIAL -- COMMAND";
const TEXT_OF_STDIO: &str = "MCP servers over stdio take no credential, and this is no ID of one: take it out. If it is a secret, it has \
                             been seen by all who see this file: replace it where it comes from, store the new one as a credential, and \
                             start the server with credence run --env NAME=CREDENTIAL -- COMMAND";
const MISPLACED: &str = "nobody looks for a credential here: a model has its ID in api_key, one level below settings, and an MCP server in \
                         credential, beside its url. Look at the indentation";
const MISPLACED_TEXT: &str = "nobody looks for a credential here, and this is no ID of one. If it is a secret, it has been seen by all who \
                              see this file: replace it where it comes from, store the new one as a credential, and write its ID where it \
                              belongs: in api_key, one level below settings of a model, or in credential, beside url of an MCP server";
const NAMELESS_DEFS: &str = "definitions have no names here, and so no model is found: write a mapping, with the name of each as its key";

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FindingKind {
    /// There never was a credential with the ID.
    Unknown,
    /// The credential was deleted.
    Deleted,
    /// What stands there is no ID.
    Malformed,
    /// What stands there may be a secret.
    RawSecret,
    /// A server over stdio takes no credential.
    StdioCredential,
    /// Nobody looks for a credential in this place.
    Misplaced,
    /// The document is no YAML, or none that can be checked.
    NotYaml,
}

/// A finding. It never holds what stands in the file, but for IDs of credentials that are or were.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    pub file: String,
    pub line: usize,
    pub column: usize,
    pub kind: FindingKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<String>,
    pub message: String,
}

impl Finding {
    /// A document that cannot be read as YAML.
    pub fn not_yaml(file: &str, problem: &Problem) -> Self {
        Self::new(
            file,
            problem.place,
            FindingKind::NotYaml,
            problem.reason.message(),
        )
    }

    fn new(file: &str, place: Place, kind: FindingKind, message: &str) -> Self {
        Self {
            file: file.to_owned(),
            line: place.line,
            column: place.column,
            kind,
            path: None,
            credential_id: None,
            credential_name: None,
            deleted_at: None,
            message: message.to_owned(),
        }
    }

    /// What can be said of a use without asking the server.
    pub fn of_use(file: &str, found: &Use) -> Option<Self> {
        let (kind, message) = match found.what {
            What::Nothing | What::Id(_) => return None,
            What::Malformed => (FindingKind::Malformed, MALFORMED),
            What::Text => (FindingKind::RawSecret, TEXT),
            What::Header => (FindingKind::RawSecret, HEADER),
            What::OfStdio => (FindingKind::StdioCredential, OF_STDIO),
            What::TextOfStdio => (FindingKind::RawSecret, TEXT_OF_STDIO),
            What::Misplaced => (FindingKind::Misplaced, MISPLACED),
            What::MisplacedText => (FindingKind::RawSecret, MISPLACED_TEXT),
            What::NamelessDefs => (FindingKind::Misplaced, NAMELESS_DEFS),
        };
        Some(Self::at(file, found, kind, message))
    }

    /// What became of the credential of a use, when it is not there.
    pub fn of_status(file: &str, found: &Use, status: &CredentialStatus) -> Option<Self> {
        let name = status.name.as_deref().unwrap_or_default();
        let time = status.deleted_at.as_deref().unwrap_or_default();
        let (kind, message) = match status.state {
            CredentialState::Live => return None,
            CredentialState::Deleted => (
                FindingKind::Deleted,
                format!(
                    "the credential {name} was deleted at {time}: create it anew, and write the new ID here"
                ),
            ),
            CredentialState::Unknown => (
                FindingKind::Unknown,
                // A secret may have the form of an ID.
                "no credential has this ID, and none ever had: look the ID up by the credential's name. If it is a secret, it has been \
                 seen by all who see this file: replace it where it comes from"
                    .to_owned(),
            ),
        };
        let is_known = status.state != CredentialState::Unknown;
        Some(Self {
            credential_id: is_known.then(|| status.id.to_string()),
            credential_name: status.name.clone(),
            deleted_at: status.deleted_at.clone(),
            ..Self::at(file, found, kind, &message)
        })
    }

    fn at(file: &str, found: &Use, kind: FindingKind, message: &str) -> Self {
        Self {
            path: Some(found.path.clone()),
            ..Self::new(file, found.place, kind, message)
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file, line, column, ..
        } = self;
        write!(formatter, "{}:{line}:{column}: ", visible(file))?;
        if let Some(path) = &self.path {
            write!(formatter, "{path}: ")?;
        }
        formatter.write_str(&self.message)
    }
}

/// A text of a file, or its name, as it may be shown on a terminal.
pub fn visible(text: &str) -> String {
    let shown = |character| {
        if text::is_nameable(character) {
            character
        } else {
            '?'
        }
    };
    text.chars().map(shown).collect()
}

/// A number and its noun.
pub fn counted(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}
