//! A file that is checked.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use credence::failure::{Failure, FailureKind};
use credence::types::credential::Credential;
use credence::types::id::Id;

use super::Statuses;
use super::document::{Documents, Place};
use super::finding::Finding;
use super::uses::{Use, What, uses};

/// The largest file that is read, in bytes.
const FILE_LIMIT_BYTES: u64 = 16 * 1024 * 1024;

/// A file, as far as it could be read.
pub struct CheckedFile {
    /// Its name, as it was given.
    pub name: String,
    /// Where it refers to credentials, or could.
    pub uses: Vec<Use>,
    /// What is wrong with the file as a whole.
    problem: Option<Problem>,
}

/// From where on a file is none that can be checked, and why.
#[derive(Clone, Copy)]
struct Problem {
    place: Place,
    message: &'static str,
}

impl CheckedFile {
    /// Reads a file and looks through it.
    ///
    /// # Errors
    /// [`FailureKind::InputOutput`] when it cannot be read, or is too large.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(FILE_LIMIT_BYTES + 1).read_to_end(&mut bytes))
            .map_err(|error| Failure::file(path, "read", &error))?;
        let name = path.display().to_string();
        if u64::try_from(bytes.len()).is_ok_and(|length| length > FILE_LIMIT_BYTES) {
            let message = format!("{name} has more than 16 MiB: it is no workflow");
            return Err(Failure::new(FailureKind::InputOutput, message));
        }
        Ok(match look_through(&bytes) {
            Ok(uses) => Self {
                name,
                uses,
                problem: None,
            },
            Err(problem) => Self {
                name,
                uses: Vec::new(),
                problem: Some(problem),
            },
        })
    }

    /// The IDs in it, each as often as it stands there.
    pub fn ids(&self) -> impl Iterator<Item = Id<Credential>> {
        self.uses.iter().filter_map(|found| match found.what {
            What::Id(id) => Some(id),
            _ => None,
        })
    }

    /// What is not as it should be, in the order of the file. IDs of which the server was not asked are not among it.
    pub fn findings(&self, statuses: &Statuses) -> Vec<Finding> {
        let of_use = |found: &Use| match found.what {
            What::Id(id) => Finding::of_status(&self.name, found, statuses.get(&id)?),
            _ => Finding::of_use(&self.name, found),
        };
        let mut findings: Vec<Finding> = self.uses.iter().filter_map(of_use).collect();
        findings.sort_by_key(|finding| (finding.line, finding.column));
        findings.extend(
            self.problem
                .map(|problem| Finding::not_yaml(&self.name, problem.place, problem.message)),
        );
        findings
    }
}

/// The uses in a file.
fn look_through(bytes: &[u8]) -> Result<Vec<Use>, Problem> {
    let text = std::str::from_utf8(bytes).map_err(|malformed| Problem {
        place: end_of(bytes.get(..malformed.valid_up_to()).unwrap_or_default()),
        message: "from here on this is no text in UTF-8, and so no YAML",
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let documents = Documents::parse(text).map_err(|place| Problem {
        place,
        message: "from here on this is neither YAML nor JSON: a key that stands twice, a comment of JavaScript, or something else; or it is too deep",
    })?;
    let mut found = Vec::new();
    for root in documents.roots().filter(|root| !root.is_null()) {
        found.extend(uses(root).ok_or_else(|| Problem {
            place: root.place(),
            message: "this is a single text: neither a workflow nor a list of MCP servers",
        })?);
    }
    Ok(found)
}

/// The place behind a text.
fn end_of(bytes: &[u8]) -> Place {
    let text = String::from_utf8_lossy(bytes);
    let last_line = text.rsplit('\n').next().unwrap_or_default();
    Place {
        line: text.matches('\n').count() + 1,
        column: last_line.chars().count() + 1,
    }
}
