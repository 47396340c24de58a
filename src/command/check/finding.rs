//! What is not as it should be, and how it is told.

use std::fmt;

use credence::client::{CredentialState, CredentialStatus};
use credence::types::text;
use serde::Serialize;

use super::document::Place;
use super::uses::{Use, What};

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
    /// The file is no YAML.
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
    /// A file that cannot be read as YAML.
    pub fn not_yaml(file: &str, place: Place, message: &str) -> Self {
        Self {
            file: file.to_owned(),
            line: place.line,
            column: place.column,
            kind: FindingKind::NotYaml,
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
            What::Malformed => (
                FindingKind::Malformed,
                "this is no credential ID: write the UUID with its hyphens, and nothing else",
            ),
            What::Text => (
                FindingKind::RawSecret,
                "this is no credential ID. If it is a secret, it has been seen by all who see this file: replace it where it \
                 comes from, store the new one as a credential, and write that ID here. If it is a credential's name, write its ID",
            ),
            What::Header => (
                FindingKind::RawSecret,
                "this may be a secret. If it is one, it has been seen by all who see this file: replace it where it comes from, \
                 store the new one as a credential, and write credential, with its ID, in place of this header",
            ),
            What::OfStdio => (
                FindingKind::StdioCredential,
                "MCP servers over stdio take no credential: take it out, and start the server with \
                 credence run --env NAME=CREDENTIAL -- COMMAND",
            ),
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
            kind,
            path: Some(found.path.clone()),
            ..Self::not_yaml(file, found.place, message)
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

/// All that a check has to say.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub files: usize,
    /// How many credential IDs stand in the files.
    pub references: usize,
    /// Of how many of them the server was not asked, since it could not be.
    pub unchecked_references: usize,
    /// The files in which nothing is of a workflow or a list of MCP servers.
    pub unrecognized_files: Vec<String>,
    pub findings: Vec<Finding>,
    /// How many consumers have declared what they use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub declared_consumers: Option<usize>,
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(formatter, "{finding}")?;
        }
        for file in &self.unrecognized_files {
            writeln!(
                formatter,
                "{}: nothing here is known: neither defs of a workflow nor a list of MCP servers",
                visible(file)
            )?;
        }
        let files = counted(self.files, "file");
        let references = counted(self.references, "reference");
        let findings = counted(self.findings.len(), "finding");
        writeln!(formatter, "{files}, {references}, {findings}")?;
        if self.unchecked_references > 0 {
            let references = counted(self.unchecked_references, "reference");
            writeln!(
                formatter,
                "of {references} it is not known whether the credentials are there"
            )?;
        }
        if let Some(consumers) = self.declared_consumers {
            let consumers = counted(consumers, "consumer");
            writeln!(formatter, "{consumers} declared")?;
        }
        Ok(())
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
