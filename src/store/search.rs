//! Patterns for LIKE and for the trigram index.

use std::collections::BTreeSet;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::connection::DatabaseConnection;
use super::error::StoreError;

/// How many characters a trigram has.
const TRIGRAM_LENGTH_CHARACTERS: usize = 3;
/// A term with more candidates than this is common: walking the ordered index finds a page of matches sooner.
const CANDIDATE_LIMIT: i64 = 2_000;

/// The character that takes the meaning from `%` and `_` in a pattern.
pub const ESCAPE: char = '\\';

/// Stands for NUL, at which both databases would take a pattern to end. No name holds either of them.
const NUL_SUBSTITUTE: char = '\u{FFFF}';

/// The LIKE pattern of texts that contain `term`, its every character standing for itself.
pub fn contains_pattern(term: &str) -> String {
    let mut pattern = String::with_capacity(term.len() + 2);
    pattern.push('%');
    for character in term.chars() {
        match character {
            '%' | '_' | ESCAPE => pattern.extend([ESCAPE, character]),
            '\0' => pattern.push(NUL_SUBSTITUTE),
            _ => pattern.push(character),
        }
    }
    pattern.push('%');
    pattern
}

/// That a column contains a term.
pub type Contains<C> = diesel::dsl::Escape<diesel::dsl::Like<C, String>>;

/// That a column contains `term`, its every character standing for itself.
pub fn contains<C>(column: C, term: &str) -> Contains<C>
where
    C: Expression<SqlType = Text>,
{
    column.like(contains_pattern(term)).escape(ESCAPE)
}

/// The FTS5 query for rows that have all trigrams of `term`; `None` for terms too short to have one.
fn trigram_query(term: &str) -> Option<String> {
    let characters: Vec<char> = term
        .chars()
        .map(|character| {
            if character == '\0' {
                NUL_SUBSTITUTE
            } else {
                character
            }
        })
        .collect();
    let trigrams: BTreeSet<String> = characters
        .windows(TRIGRAM_LENGTH_CHARACTERS)
        .map(|window| window.iter().collect())
        .collect();
    let quoted: Vec<String> = trigrams
        .iter()
        .map(|trigram| format!("\"{}\"", trigram.replace('"', "\"\"")))
        .collect();
    (!quoted.is_empty()).then(|| quoted.join(" AND "))
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    candidates: i64,
}

/// The FTS5 query to narrow a search with, when the database is SQLite and the term is rare enough for that to pay.
pub fn narrowing_query(
    connection: &mut DatabaseConnection,
    term: &str,
) -> Result<Option<String>, StoreError> {
    let (DatabaseConnection::Sqlite(sqlite), Some(query)) = (connection, trigram_query(term))
    else {
        return Ok(None);
    };
    let count: Count = diesel::sql_query(
        "SELECT count(*) AS candidates FROM \
         (SELECT 1 FROM credential_trigrams WHERE credential_trigrams MATCH ? LIMIT ?)",
    )
    .bind::<Text, _>(&query)
    .bind::<BigInt, _>(CANDIDATE_LIMIT + 1)
    .get_result(sqlite)?;
    Ok((count.candidates <= CANDIDATE_LIMIT).then_some(query))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_of_a_term_stands_for_itself() {
        assert_eq!(contains_pattern(r"100%_\"), r"%100\%\_\\%");
        assert_eq!(trigram_query("ab"), None);
        assert_eq!(trigram_query(r#"a"bc"#).unwrap(), r#""""bc" AND "a""b""#);
        assert_eq!(trigram_query("aaaa").unwrap(), r#""aaa""#);
    }
}
