//! A file that is checked.

use std::env::current_dir;
use std::fs::{File, canonicalize};
use std::io::{Read, stdin};
use std::path::Path;

use credence::types::credential::Credential;
use credence::types::id::Id;
use serde::Serialize;

use super::Statuses;
use super::document::Documents;
use super::encoding::decode;
use super::finding::{Finding, visible};
use super::json;
use super::problem::{Problem, Reason};
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
    /// What is wrong with documents as a whole.
    problems: Vec<Problem>,
}

/// A file that could not be read.
#[derive(Serialize)]
pub struct UnreadFile {
    pub file: String,
    pub message: String,
}

/// What was found in a file.
struct Found {
    /// `None` when nothing in it is of a workflow or a list of MCP servers.
    uses: Option<Vec<Use>>,
    problems: Vec<Problem>,
}

impl CheckedFile {
    /// Reads a file and looks through it.
    ///
    /// # Errors
    /// That it cannot be read, or is too large.
    pub fn read(path: &Path) -> Result<Self, UnreadFile> {
        let is_standard_input = is_standard_input(path);
        let bytes = if is_standard_input {
            limited(stdin().lock())
        } else {
            File::open(path).and_then(limited)
        };
        let name = path.display().to_string();
        let unread = |why: String| UnreadFile {
            message: format!("{} {why}", visible(&name)),
            file: name.clone(),
        };
        let bytes = bytes.map_err(|error| unread(format!("cannot be read: {}", error.kind())))?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length > FILE_LIMIT_BYTES) {
            return Err(unread("has more than 16 MiB: it is no workflow".to_owned()));
        }
        let Found { uses, problems } = look_through(&bytes);
        Ok(Self {
            consumers: (!is_standard_input).then(|| below_present_directory(path)),
            is_recognized: uses.is_some() || !problems.is_empty(),
            uses: uses.unwrap_or_default(),
            problems,
            name,
        })
    }

    /// Whether it is known of each of its consumers all that it uses, as far as it stands here.
    pub fn is_whole(&self) -> bool {
        self.problems.is_empty() && self.uses.iter().all(|found| found.referrer.is_some())
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
        let problems = self.problems.iter();
        let problems = problems.map(|problem| Finding::not_yaml(&self.name, problem));
        let mut findings: Vec<Finding> = self.uses.iter().filter_map(of_use).collect();
        findings.extend(problems);
        findings.sort_by_key(|finding| (finding.line, finding.column));
        findings
    }
}

/// Whether standard input is meant.
pub fn is_standard_input(path: &Path) -> bool {
    path == Path::new(STANDARD_INPUT)
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

fn look_through(bytes: &[u8]) -> Found {
    match decode(bytes) {
        Ok(text) => look_through_text(&text),
        Err(problem) => Found {
            uses: None,
            problems: vec![problem],
        },
    }
}

fn look_through_text(text: &str) -> Found {
    let (text, rewritten) = json::with_escapes_of_yaml(text);
    let (documents, mut problems) = Documents::parse(&text);
    let mut found = None;
    for root in documents.roots().filter(|root| !root.is_null()) {
        if root.text().is_some() {
            problems.push(Problem {
                place: root.place(),
                reason: Reason::SingleText,
            });
        } else if let Some(uses) = uses(root) {
            found.get_or_insert_with(Vec::new).extend(uses);
        }
    }
    let found_places = found
        .iter_mut()
        .flatten()
        .map(|found: &mut Use| &mut found.place);
    let places = problems.iter_mut().map(|problem| &mut problem.place);
    for place in found_places.chain(places) {
        *place = rewritten.original(*place);
    }
    Found {
        uses: found,
        problems,
    }
}
