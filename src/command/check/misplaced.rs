//! Keys of credentials where nobody looks for them.

use super::document::{Node, Place};
use super::uses::What;
use super::value::{is_computed, what};

/// Under these keys stand names and values of others, which may be called as credentials are.
const ENVIRONMENTS: [&str; 2] = ["headers", "env"];

/// What stands under a key of a credential.
pub struct Misplaced {
    /// The way to it.
    pub path: String,
    /// Where it is.
    pub place: Place,
    /// What it is.
    pub what: What,
}

/// Whether people write a credential under this key, however they spell it.
pub fn is_credential_key(key: &str) -> bool {
    let letters = key.chars().filter(|letter| letter.is_alphanumeric());
    let letters: String = letters.flat_map(char::to_lowercase).collect();
    ["credential", "credentialid", "apikey"].contains(&letters.as_str())
}

/// All that stands under keys of credentials in a node, however deep.
pub fn within(node: Node<'_>, path: &str) -> impl Iterator<Item = Misplaced> + use<> {
    let mut found = Vec::new();
    look_into(node, path, false, &mut found);
    found.into_iter()
}

/// What stands under keys of credentials in a mapping itself.
pub fn beside(node: Node<'_>, path: &str) -> impl Iterator<Item = Misplaced> {
    let entries = node.entries().unwrap_or_default();
    entries
        .into_iter()
        .filter_map(move |(key, value)| look_at(key, value, path, false))
}

fn look_into(node: Node<'_>, path: &str, is_environment: bool, found: &mut Vec<Misplaced>) {
    for (key, value) in node.entries().unwrap_or_default() {
        found.extend(look_at(key, value, path, is_environment));
        if value.text().is_none() {
            let is_environment = is_environment || ENVIRONMENTS.contains(&key);
            look_into(value, &joined(path, key), is_environment, found);
        }
    }
    for (index, item) in node.items().into_iter().flatten().enumerate() {
        if item.text().is_none() {
            look_into(item, &format!("{path}[{index}]"), is_environment, found);
        }
    }
}

fn look_at(key: &str, value: Node<'_>, path: &str, is_environment: bool) -> Option<Misplaced> {
    let text = value.text().filter(|_| is_credential_key(key))?;
    let what = match what(value) {
        What::Nothing => return None,
        _ if is_environment && is_computed(text) => return None,
        What::Text => What::MisplacedText,
        _ => What::Misplaced,
    };
    Some(Misplaced {
        path: joined(path, key),
        place: value.place(),
        what,
    })
}

/// The way to what stands under a key.
pub fn joined(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}
