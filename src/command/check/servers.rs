//! MCP servers, in the lists that they stand in.

use credence::types::consumer::ConsumerKind;
use reqwest::Url;

use super::document::{Node, Place};
use super::finding::visible;
use super::misplaced::{self, Misplaced};
use super::uses::{Referrer, Use, What};
use super::value::{is_computed, what};

/// The key of the ID in an entry, as it is spelled here and there.
const CREDENTIAL_KEYS: [&str; 3] = ["credential", "credential_id", "credentialId"];
/// The words for transports, in lower case, without hyphens.
const TRANSPORTS: [&str; 6] = ["stdio", "http", "https", "sse", "streamablehttp", "ws"];
/// What the names of headers have in them that secrets stand in, in lower case.
const SECRET_WORDS: [&str; 7] = [
    "auth",
    "cookie",
    "credential",
    "key",
    "password",
    "secret",
    "token",
];

/// Where an entry stands among others.
#[derive(Clone, Copy)]
pub enum Listed<'a> {
    /// Under this key.
    Key(&'a str),
    /// At this place of a list.
    Index(usize),
}

/// Adds what the servers of a list or a mapping use, of which `is_one` tells them from others.
pub fn servers(list: Node<'_>, path: &str, is_one: fn(Node<'_>) -> bool, uses: &mut Vec<Use>) {
    let entries = list.entries().unwrap_or_default();
    for (name, entry) in entries.into_iter().filter(|(_, entry)| is_one(*entry)) {
        server(
            entry,
            Listed::Key(name),
            &misplaced::joined(path, name),
            uses,
        );
    }
    let slipped = misplaced::beside(list, path);
    uses.extend(slipped.map(|found| Use::misplaced(None, &found)));
    for (index, item) in list.items().into_iter().flatten().enumerate() {
        if is_one(item) {
            server(
                item,
                Listed::Index(index),
                &format!("{path}[{index}]"),
                uses,
            );
        }
    }
}

/// Whether an entry among others is an MCP server for certain.
pub fn is_listed(entry: Node<'_>) -> bool {
    let word = entry.get("type").and_then(Node::text).unwrap_or_default();
    let word = word.to_lowercase().replace(['-', '_'], "");
    entry.get("transport").is_some()
        || TRANSPORTS.contains(&word.as_str())
        || credentials(entry).next().is_some()
}

/// Whether an entry of a list of MCP servers is one. What says nothing of a transport may be none at all.
pub fn is_server(entry: Node<'_>) -> bool {
    let keys = ["transport", "type", "url", "command"];
    keys.into_iter().any(|key| entry.get(key).is_some())
        || credentials(entry).next().is_some()
        || misplaced::within(entry, "").next().is_some()
}

/// What stands under the keys of the ID.
fn credentials(entry: Node<'_>) -> impl Iterator<Item = (&'static str, Node<'_>)> {
    CREDENTIAL_KEYS
        .into_iter()
        .filter_map(move |key| Some((key, entry.get(key)?)))
}

fn is_stdio(entry: Node<'_>) -> bool {
    let transport = entry.get("transport").or_else(|| entry.get("type"));
    match transport.and_then(Node::text) {
        Some(transport) => transport.eq_ignore_ascii_case("stdio"),
        None => entry.get("command").is_some() && entry.get("url").is_none(),
    }
}

/// The name of an entry: its own, or that of its key. In a list, it is the host of its server: a place is another one's when an entry
/// before is taken out.
fn name_of(entry: Node<'_>, listed: Listed<'_>) -> String {
    let own = entry.get("name").and_then(Node::text);
    match (own.filter(|own| !own.trim().is_empty()), listed) {
        (Some(own), _) => own.to_owned(),
        (None, Listed::Key(key)) => key.to_owned(),
        (None, Listed::Index(index)) => host(entry).unwrap_or_else(|| index.to_string()),
    }
}

/// The host and the port of an entry's URL. What else is in it may be a secret, the path too.
fn host(entry: Node<'_>) -> Option<String> {
    let url = Url::parse(entry.get("url")?.text()?).ok()?;
    let host = url.host_str()?;
    let port = url
        .port()
        .map_or_else(String::new, |port| format!(":{port}"));
    Some(format!("{host}{port}"))
}

/// Adds what an entry uses.
pub fn server(entry: Node<'_>, listed: Listed<'_>, path: &str, uses: &mut Vec<Use>) {
    let referrer = Referrer {
        kind: ConsumerKind::HttpMcpServer,
        name: name_of(entry, listed),
    };
    let is_stdio = is_stdio(entry);
    let mut add = |key: &str, place: Place, what: What| {
        uses.push(Use {
            referrer: Some(referrer.clone()),
            path: visible(&misplaced::joined(path, key)),
            place,
            what: if is_stdio { of_stdio(what) } else { what },
        });
    };
    if credentials(entry).next().is_none() {
        add(CREDENTIAL_KEYS[0], entry.place(), What::Nothing);
    }
    for (key, found) in credentials(entry) {
        add(key, found.place(), what(found));
    }
    for (header, value) in secret_headers(entry) {
        add(&format!("headers.{header}"), value.place(), What::Header);
    }
    for found in slipped(entry) {
        add(&found.path, found.place, found.what);
    }
}

/// The keys of credentials that are not where they belong.
fn slipped(entry: Node<'_>) -> impl Iterator<Item = Misplaced> {
    misplaced::within(entry, "").filter(|found| !CREDENTIAL_KEYS.contains(&found.path.as_str()))
}

/// The headers whose values may be secrets, but for those that have the name of a credential: they slipped.
fn secret_headers(entry: Node<'_>) -> impl Iterator<Item = (&str, Node<'_>)> {
    let headers = entry.get("headers").and_then(Node::entries);
    let headers = headers.unwrap_or_default().into_iter();
    headers.filter(|(header, value)| {
        is_secret(header)
            && !misplaced::is_credential_key(header)
            && value.text().is_some_and(|text| !is_computed(text))
    })
}

/// Whether a header is called as those are that secrets stand in. An author is none.
fn is_secret(header: &str) -> bool {
    let header = header.to_lowercase();
    let mut parts = header.split(['-', '_']).filter(|part| *part != "author");
    parts.any(|part| SECRET_WORDS.iter().any(|word| part.contains(word)))
}

/// What that is in an entry of a server over stdio, which takes no credential and no header.
const fn of_stdio(what: What) -> What {
    match what {
        What::Text | What::MisplacedText => What::TextOfStdio,
        What::Id(_) | What::Malformed | What::Misplaced => What::OfStdio,
        what => what,
    }
}
