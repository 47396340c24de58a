//! A file that is checked.

use std::env::current_dir;
use std::fs::{File, canonicalize};
use std::io::{Read, stdin};
use std::path::Path;

use credence::failure::{Failure, FailureKind};
use credence::types::credential::Credential;
use credence::types::id::Id;

use super::Statuses;
use super::document::{Documents, Place};
use super::finding::{Finding, visible};
use super::json;
use super::uses::{Use, What, uses};

/// The largest file that is read, in bytes.
const FILE_LIMIT_BYTES: u64 = 16 * 1024 * 1024;

/// The name of standard input.
const STANDARD_INPUT: &str = "-";

/// A file, as far as it could be read.
pub struct CheckedFile {
    /// Its name, as it was given.
    pub name: String,
    /// What its consumers are named by: its path below the present directory, however it was given. `None` for standard input.
    pub consumers: Option<String>,
    /// Where it refers to credentials, or could.
    pub uses: Vec<Use>,
    /// Whether anything in it is of a workflow or a list of MCP servers.
    is_recognized: bool,
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
        let is_standard_input = path == Path::new(STANDARD_INPUT);
        let bytes = if is_standard_input {
            limited(stdin().lock())
        } else {
            File::open(path).and_then(limited)
        };
        let name = path.display().to_string();
        let unread = |why: String| {
            let message = format!("{} {why}", visible(&name));
            Failure::new(FailureKind::InputOutput, message)
        };
        let bytes = bytes.map_err(|error| unread(format!("cannot be read: {}", error.kind())))?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length > FILE_LIMIT_BYTES) {
            return Err(unread("has more than 16 MiB: it is no workflow".to_owned()));
        }
        let (found, problem) = match look_through(&bytes) {
            Ok(found) => (found, None),
            Err(problem) => (None, Some(problem)),
        };
        Ok(Self {
            name,
            consumers: (!is_standard_input).then(|| below_present_directory(path)),
            is_recognized: found.is_some() || problem.is_some(),
            uses: found.unwrap_or_default(),
            problem,
        })
    }

    /// The names of those that are neither workflows nor lists of MCP servers.
    pub fn unrecognized(files: &[Self]) -> Vec<String> {
        let unrecognized = files.iter().filter(|file| !file.is_recognized);
        unrecognized.map(|file| file.name.clone()).collect()
    }

    /// The IDs in it, each as often as it stands there.
    pub fn ids(&self) -> impl Iterator<Item = Id<Credential>> + Clone {
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

/// What there is to read, and one byte more than is taken at most.
fn limited(source: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(FILE_LIMIT_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The path of a file below the present directory, so that a consumer has one name however its file was given; the whole path of one that is
/// elsewhere. Links are followed.
fn below_present_directory(path: &Path) -> String {
    let whole = canonicalize(path).unwrap_or_else(|_unreadable| path.to_owned());
    let directory = current_dir().and_then(canonicalize);
    let below = directory
        .ok()
        .and_then(|directory| whole.strip_prefix(directory).ok());
    below.unwrap_or(&whole).display().to_string()
}

/// The uses in a file; `None` when nothing in it is of a workflow or a list of MCP servers.
fn look_through(bytes: &[u8]) -> Result<Option<Vec<Use>>, Problem> {
    let text = std::str::from_utf8(bytes).map_err(|malformed| Problem {
        place: end_of(bytes.get(..malformed.valid_up_to()).unwrap_or_default()),
        message: "from here on this is no text in UTF-8, and so no YAML",
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (text, rewritten) = json::with_escapes_of_yaml(text);
    let documents = Documents::parse(&text).map_err(|place| Problem {
        place: rewritten.original(place),
        message: "from here on this is neither YAML nor JSON: a key that stands twice, a comment of JavaScript, or something else; or it is too deep",
    })?;
    let mut found = None;
    for root in documents.roots().filter(|root| !root.is_null()) {
        if root.text().is_some() {
            return Err(Problem {
                place: rewritten.original(root.place()),
                message: "this is a single text: neither a workflow nor a list of MCP servers",
            });
        }
        if let Some(uses) = uses(root) {
            found.get_or_insert_with(Vec::new).extend(uses);
        }
    }
    for found in found.iter_mut().flatten() {
        found.place = rewritten.original(found.place);
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
