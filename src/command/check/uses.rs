//! Where documents refer to credentials: the model bindings of workflows, and MCP servers.
//!
//! A workflow has `defs`, of which those with `kind: model` have the ID in `settings.api_key`. MCP servers stand in a list, or by
//! their names in a mapping, at the top or under one of the usual keys, and have the ID in `credential`. What else would stand in their
//! `headers` may be a secret. A key of a credential in another place is a mistake: its indentation may be wrong.

use credence::types::consumer::ConsumerKind;
use credence::types::credential::Credential;
use credence::types::id::Id;

use super::document::{Node, Place};
use super::finding::visible;
use super::misplaced::{self, Misplaced};
use super::models::models;
use super::servers::{Listed, is_listed, is_server, server, servers};

/// The keys under which lists of MCP servers stand: those of platforms and of the configurations of clients.
const SERVER_LISTS: [&str; 3] = ["mcp_servers", "mcpServers", "servers"];
/// The key of a document that has such a list one level deeper, as some editors keep theirs.
const DEEPER: &str = "mcp";
/// The keys of descriptions of interfaces, whose `servers` are no MCP servers.
const INTERFACES: [&str; 3] = ["openapi", "swagger", "asyncapi"];

/// A place where a consumer refers to a credential, or could.
pub struct Use {
    /// What refers; `None` when that cannot be told.
    pub referrer: Option<Referrer>,
    /// The way to the place: `defs.primary_model.settings.api_key`.
    pub path: String,
    /// Where it is.
    pub place: Place,
    /// What stands there.
    pub what: What,
}

/// A consumer in a file.
#[derive(Clone)]
pub struct Referrer {
    /// What it is.
    pub kind: ConsumerKind,
    /// Its name in the file.
    pub name: String,
}

/// What stands where an ID belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Nothing: no credential is used.
    Nothing,
    /// An ID.
    Id(Id<Credential>),
    /// Something that was to be an ID, or is none for certain.
    Malformed,
    /// Another text. It may be a secret, and goes nowhere.
    Text,
    /// What has the form of an ID, or is no text, in a place that has no use for it: servers over stdio take no credential.
    OfStdio,
    /// A text in such a place. It may be a secret too.
    TextOfStdio,
    /// A text in a header. It may be a secret too.
    Header,
    /// An ID, or what was to be one, in a place where nobody looks for it.
    Misplaced,
    /// Another text in such a place.
    MisplacedText,
    /// Definitions that have no names.
    NamelessDefs,
}

impl Use {
    /// What stands in a place where nobody looks for it.
    pub fn misplaced(referrer: Option<&Referrer>, found: &Misplaced) -> Self {
        Self {
            referrer: referrer.cloned(),
            path: visible(&found.path),
            place: found.place,
            what: found.what,
        }
    }
}

/// The uses in a document; `None` when it is neither a workflow nor a list of MCP servers.
pub fn uses(root: Node<'_>) -> Option<Vec<Use>> {
    let mut uses = Vec::new();
    let deeper = root.get(DEEPER).filter(|mcp| has_list(*mcp));
    if has_list(root) || deeper.is_some() || root.get("defs").is_some() {
        models(root, &mut uses);
        lists(root, "", &mut uses);
        if let Some(mcp) = deeper {
            lists(mcp, DEEPER, &mut uses);
        }
        return Some(uses);
    }
    if root.get("transport").is_some() {
        server(root, Listed::Index(0), "", &mut uses);
    } else if root.items().is_some() || is_mapping_of_servers(root) {
        servers(root, "", is_server, &mut uses);
    }
    (!uses.is_empty()).then_some(uses)
}

fn has_list(node: Node<'_>) -> bool {
    SERVER_LISTS.into_iter().any(|key| node.get(key).is_some())
}

/// The servers under each of the usual keys, and what slipped out of them.
fn lists(node: Node<'_>, above: &str, uses: &mut Vec<Use>) {
    let is_interface = INTERFACES.into_iter().any(|key| node.get(key).is_some());
    let is_one = if is_interface { is_listed } else { is_server };
    for key in SERVER_LISTS {
        if let Some(list) = node.get(key) {
            servers(list, &misplaced::joined(above, key), is_one, uses);
        }
    }
    let slipped = misplaced::beside(node, above);
    uses.extend(slipped.map(|found| Use::misplaced(None, &found)));
}

/// Whether all that stands in a mapping are MCP servers, and keys that slipped out of them.
fn is_mapping_of_servers(root: Node<'_>) -> bool {
    let entries = root.entries().unwrap_or_default();
    let mut entries = entries
        .into_iter()
        .filter(|(key, value)| value.text().is_none() || !misplaced::is_credential_key(key))
        .peekable();
    entries.peek().is_some() && entries.all(|(_, entry)| is_listed(entry) || has_address(entry))
}

/// Whether an entry says where its server is.
fn has_address(entry: Node<'_>) -> bool {
    ["url", "command"]
        .into_iter()
        .any(|key| entry.get(key).is_some())
}
