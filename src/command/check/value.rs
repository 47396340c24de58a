//! What stands in a place where an ID belongs.

use credence::types::id::Id;

use super::document::Node;
use super::uses::What;

/// What stands in a place where an ID belongs.
pub fn what(node: Node<'_>) -> What {
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

/// Whether the value of a header, behind its scheme, is nothing or comes from elsewhere.
pub fn is_computed(value: &str) -> bool {
    let value = value.trim();
    let credentials = value
        .split_once(' ')
        .map_or(value, |(_scheme, rest)| rest.trim());
    credentials.is_empty()
        || credentials.starts_with('$')
        || is_expression(credentials)
        || is_expression(value)
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
