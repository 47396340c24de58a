//! Where documents refer to credentials: the model bindings of workflows, and MCP servers.
//!
//! A workflow has `defs`, of which those with `kind: model` have the ID in `settings.api_key`. MCP servers stand in a list, or by
//! their names in a mapping, at the top or under one of the usual keys, and have the ID in `credential`. What else would stand in their
//! `headers` may be a secret.

use credence::types::consumer::ConsumerKind;
use credence::types::credential::Credential;
use credence::types::id::Id;
use reqwest::Url;

use super::document::{Node, Place};
use super::finding::visible;

/// The keys under which lists of MCP servers stand: those of platforms and of the configurations of clients.
const SERVER_LISTS: [&str; 3] = ["mcp_servers", "mcpServers", "servers"];
/// The key of the ID in an entry, as it is spelled here and there.
const CREDENTIAL_KEYS: [&str; 3] = ["credential", "credential_id", "credentialId"];
/// The headers that secrets stand in, in lower case.
const SECRET_HEADERS: [&str; 5] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "x-api-key",
    "api-key",
];

/// A place where a consumer refers to a credential, or could.
pub struct Use {
    /// What refers.
    pub kind: ConsumerKind,
    /// Its name in the file.
    pub name: String,
    /// The way to the place: `defs.primary_model.settings.api_key`.
    pub path: String,
    /// Where it is.
    pub place: Place,
    /// What stands there.
    pub what: What,
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
    /// Anything, in a place that has no use for it: servers over stdio take no credential.
    OfStdio,
    /// A text in a header. It may be a secret too.
    Header,
}

/// The uses in a document; `None` when it is neither a workflow nor a list of MCP servers.
pub fn uses(root: Node<'_>) -> Option<Vec<Use>> {
    let mut uses = Vec::new();
    if let Some(items) = root.items() {
        for (index, item) in items.enumerate() {
            server(item, Entry::Index(index), &format!("[{index}]"), &mut uses);
        }
        return (!uses.is_empty()).then_some(uses);
    }
    models(root, &mut uses);
    if root.get("transport").is_some() {
        server(root, Entry::Index(0), "", &mut uses);
    }
    servers(root, "", &mut uses);
    // Some editors keep theirs one level deeper.
    let deeper = root.get("mcp");
    if let Some(mcp) = deeper {
        servers(mcp, "mcp.", &mut uses);
    }
    let lists = [Some(root), deeper].into_iter().flatten();
    let has_list = lists
        .flat_map(|node| SERVER_LISTS.map(|key| node.get(key)))
        .any(|list| list.is_some());
    (has_list || root.get("defs").is_some() || !uses.is_empty()).then_some(uses)
}

fn models(root: Node<'_>, uses: &mut Vec<Use>) {
    let defs = root.get("defs").and_then(Node::entries).unwrap_or_default();
    for (name, def) in defs {
        if def.get("kind").and_then(Node::text) != Some("model") {
            continue;
        }
        let key = def
            .get("settings")
            .and_then(|settings| settings.get("api_key"));
        uses.push(Use {
            kind: ConsumerKind::AiModelBinding,
            name: name.to_owned(),
            path: visible(&format!("defs.{name}.settings.api_key")),
            place: key.unwrap_or(def).place(),
            what: key.map_or(What::Nothing, what),
        });
    }
}

fn servers(root: Node<'_>, above: &str, uses: &mut Vec<Use>) {
    for key in SERVER_LISTS {
        let Some(list) = root.get(key) else { continue };
        for (name, entry) in list.entries().unwrap_or_default() {
            let path = format!("{above}{key}.{name}");
            server(entry, Entry::Key(name), &path, uses);
        }
        for (index, item) in list.items().into_iter().flatten().enumerate() {
            let path = format!("{above}{key}[{index}]");
            server(item, Entry::Index(index), &path, uses);
        }
    }
}

/// Where an entry stands among others.
#[derive(Clone, Copy)]
enum Entry<'a> {
    /// Under this key.
    Key(&'a str),
    /// At this place of a list.
    Index(usize),
}

/// The name of an entry: its own, or that of its key. In a list, it is the host of its server: a place is another one's when an entry
/// before is taken out.
fn name_of(node: Node<'_>, entry: Entry<'_>) -> String {
    let own = node.get("name").and_then(Node::text).map(str::to_owned);
    own.unwrap_or_else(|| match entry {
        Entry::Key(key) => key.to_owned(),
        Entry::Index(index) => host(node).unwrap_or_else(|| index.to_string()),
    })
}

/// The host and the port of an entry's URL. What else is in it may be a secret, the path too.
fn host(node: Node<'_>) -> Option<String> {
    let url = Url::parse(node.get("url")?.text()?).ok()?;
    let host = url.host_str()?;
    let port = url
        .port()
        .map_or_else(String::new, |port| format!(":{port}"));
    Some(format!("{host}{port}"))
}

/// An entry of a list of MCP servers.
fn server(node: Node<'_>, entry: Entry<'_>, path: &str, uses: &mut Vec<Use>) {
    let transport = node.get("transport").or_else(|| node.get("type"));
    let transport = transport.and_then(Node::text).map(str::to_lowercase);
    let has_url = node.get("url").is_some();
    let is_stdio = match &transport {
        Some(transport) => transport == "stdio",
        None => node.get("command").is_some() && !has_url,
    };
    let found: Vec<(&str, Node<'_>)> = CREDENTIAL_KEYS
        .into_iter()
        .filter_map(|key| Some((key, node.get(key)?)))
        .collect();
    // What says nothing of a transport may be no MCP server at all.
    if found.is_empty() && transport.is_none() && !has_url && !is_stdio {
        return;
    }
    let name = name_of(node, entry);
    let dot = if path.is_empty() { "" } else { "." };
    let mut add = |key: &str, place: Place, what: What| {
        uses.push(Use {
            kind: ConsumerKind::HttpMcpServer,
            name: name.clone(),
            path: visible(&format!("{path}{dot}{key}")),
            place,
            what,
        });
    };
    if found.is_empty() {
        add(CREDENTIAL_KEYS[0], node.place(), What::Nothing);
    }
    for (key, found) in found {
        let what = match what(found) {
            What::Nothing => What::Nothing,
            _ if is_stdio => What::OfStdio,
            what => what,
        };
        add(key, found.place(), what);
    }
    let headers = node.get("headers").and_then(Node::entries);
    for (header, value) in headers.unwrap_or_default() {
        let is_secret = SECRET_HEADERS.contains(&header.to_lowercase().as_str());
        if is_secret && value.text().is_some_and(|text| !is_computed(text)) {
            add(&format!("headers.{header}"), value.place(), What::Header);
        }
    }
}

/// Whether the value of a header, behind its scheme, is nothing or comes from elsewhere.
fn is_computed(value: &str) -> bool {
    let value = value.trim();
    let credentials = value
        .split_once(' ')
        .map_or(value, |(_scheme, rest)| rest.trim());
    credentials.is_empty()
        || credentials.starts_with('$')
        || is_expression(credentials)
        || is_expression(value)
}

/// What stands in a place where an ID belongs.
fn what(node: Node<'_>) -> What {
    if is_nothing(node) {
        return What::Nothing;
    }
    let Some(text) = node.text() else {
        return What::Malformed;
    };
    match Id::parse(text) {
        Some(id) => What::Id(id),
        None if was_to_be_an_id(text) || is_expression(text) => What::Malformed,
        None => What::Text,
    }
}

/// Forms keep an empty text where nothing was chosen.
fn is_nothing(node: Node<'_>) -> bool {
    node.is_null() || node.text() == Some("")
}

/// Whether a text has the five groups of an ID, though something is wrong with them or stands around them.
fn was_to_be_an_id(text: &str) -> bool {
    let text = text.trim().trim_start_matches("urn:uuid:");
    let text = text.trim_matches(['{', '}', '"', '\'', '<', '>']);
    let groups: Vec<&str> = text.split('-').collect();
    let is_group = |group: &&str| group.chars().all(|digit| digit.is_ascii_alphanumeric());
    groups.len() == 5 && groups.iter().all(is_group) && (32..=40).contains(&text.len())
}

/// Whether a text is computed when the workflow runs: nobody can say now what comes of it.
fn is_expression(text: &str) -> bool {
    ["=", "${", "{{"].iter().any(|sign| text.starts_with(sign))
}
