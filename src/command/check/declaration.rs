//! What each consumer in the files uses, and whether that is known for certain.

use std::collections::HashMap;

use credence::types::consumer::{Consumer, ConsumerKind};
use credence::types::credential::Credential;
use credence::types::id::Id;

use super::declare::OmittedConsumer;
use super::document::Place;
use super::file::CheckedFile;
use super::uses::{Referrer, What};

const NO_NAME: &str = "the prefix, the file and the name together have more than 255 characters, or some that cannot be seen";
const STANDARD_INPUT: &str = "consumers of standard input have no names: give --declare files";
const UNREAD: &str =
    "a part of its file cannot be read, or has a credential of which it cannot be told whose it is";
const UNKNOWN: &str =
    "what it uses is not known for certain: what it declared before stays as it was";

/// A consumer, and all that it uses.
pub struct Declaration {
    kind: ConsumerKind,
    external_id: String,
    name: String,
    file: String,
    /// Where it is first met.
    place: Place,
    ids: Vec<Id<Credential>>,
    /// Why it declares nothing. One of which not everything is known would withdraw what it declared before.
    obstacle: Option<Obstacle>,
}

/// Why a consumer declares nothing.
#[derive(Clone, Copy)]
struct Obstacle {
    reason: &'static str,
    /// Whether there is a finding for it.
    is_finding: bool,
}

/// A declaration that can be made.
pub struct Whole {
    pub consumer: Consumer,
    pub ids: Vec<Id<Credential>>,
    pub file: String,
    pub place: Place,
}

/// The declarations of the consumers in the files. `is_known` tells whether there is a credential with an ID, or was one.
pub fn declarations(
    files: &[CheckedFile],
    prefix: &str,
    is_known: impl Fn(Id<Credential>) -> bool,
) -> Vec<Declaration> {
    let mut declarations: Vec<Declaration> = Vec::new();
    let mut places: HashMap<(&str, String), usize> = HashMap::new();
    for file in files {
        let obstacle = obstacle(file);
        for found in &file.uses {
            let Some(referrer) = &found.referrer else {
                continue;
            };
            let new = Declaration::new(file, prefix, referrer, found.place, obstacle);
            let key = (referrer.kind.as_str(), new.external_id.clone());
            let at = *places.entry(key).or_insert(declarations.len());
            let declaration = match declarations.get_mut(at) {
                Some(declaration) => declaration,
                None => declarations.push_mut(new),
            };
            declaration.add(found.what, &is_known);
        }
    }
    declarations
}

/// Why no consumer of a file declares anything.
fn obstacle(file: &CheckedFile) -> Option<Obstacle> {
    let (reason, is_finding) = match &file.consumers {
        None => (STANDARD_INPUT, false),
        Some(_) if !file.is_whole() => (UNREAD, true),
        Some(_) => return None,
    };
    Some(Obstacle { reason, is_finding })
}

impl Declaration {
    fn new(
        file: &CheckedFile,
        prefix: &str,
        referrer: &Referrer,
        place: Place,
        obstacle: Option<Obstacle>,
    ) -> Self {
        let name = &referrer.name;
        let path = file.consumers.as_deref().unwrap_or(&file.name);
        let noun = match referrer.kind {
            ConsumerKind::HttpMcpServer => "MCP server",
            _ => "model",
        };
        let external_id = format!("{prefix}{path}#{name}");
        Self {
            kind: referrer.kind,
            // As it is declared: what is around it tells no consumers apart.
            external_id: external_id.trim().to_owned(),
            name: format!("{noun} {name}"),
            file: file.name.clone(),
            place,
            ids: Vec::new(),
            obstacle,
        }
    }

    fn add(&mut self, what: What, is_known: impl Fn(Id<Credential>) -> bool) {
        match what {
            What::Id(id) if self.ids.contains(&id) => {}
            What::Id(id) if is_known(id) => self.ids.push(id),
            // What a server over stdio has is not used, nor is a header a reference.
            What::Nothing | What::OfStdio | What::TextOfStdio | What::Header => {}
            _ => {
                self.obstacle.get_or_insert(Obstacle {
                    reason: UNKNOWN,
                    is_finding: true,
                });
            }
        }
    }

    /// What is to be declared.
    ///
    /// # Errors
    /// That it is left out, and whether a finding says why.
    pub fn into_whole(self) -> Result<Whole, (OmittedConsumer, bool)> {
        let omitted = |reason: &str, is_finding| {
            let omitted = OmittedConsumer::new(&self.external_id, &self.file, self.place, reason);
            (omitted, is_finding)
        };
        if let Some(obstacle) = &self.obstacle {
            return Err(omitted(obstacle.reason, obstacle.is_finding));
        }
        match Consumer::parse(self.kind, &self.external_id, Some(&self.name)) {
            Ok(consumer) => Ok(Whole {
                consumer,
                ids: self.ids,
                file: self.file,
                place: self.place,
            }),
            Err(_problem) => Err(omitted(NO_NAME, false)),
        }
    }
}
