//! Patterns for LIKE, and what the indexes of n-grams say of a term.

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Text};

use super::error::StoreError;
use super::name_sample::is_shorter_than_trigram;

/// A term with more candidates than this is common: walking the ordered index finds a page of matches sooner.
const CANDIDATE_LIMIT: i64 = 2_000;

/// The character that takes the meaning from `%` and `_` in a pattern.
const ESCAPE: char = '\\';

/// Stands for NUL, at which both databases would take a pattern to end. No name holds either of them.
const NUL_SUBSTITUTE: char = '\u{FFFF}';

/// The LIKE pattern of texts that contain `term`, its every character standing for itself.
pub(super) fn contains_pattern(term: &str) -> String {
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

/// A text as both databases can look for it.
pub(super) fn without_nul(term: &str) -> String {
    term.replace('\0', NUL_SUBSTITUTE.encode_utf8(&mut [0; 4]))
}

#[derive(QueryableByName)]
struct Candidate {
    #[diesel(sql_type = BigInt)]
    candidate: i64,
}

/// The rows of SQLite's index of trigrams that have all of these, as a JSON list of their numbers; `None` when there are so many that
/// walking the ordered index finds a page of matches sooner, and for what is shorter than a trigram, which the index does not know.
pub(super) fn candidates(
    connection: &mut SqliteConnection,
    ngrams: &[String],
) -> Result<Option<String>, StoreError> {
    if ngrams.iter().any(|ngram| is_shorter_than_trigram(ngram)) {
        return Ok(None);
    }
    let quoted: Vec<String> = ngrams
        .iter()
        .map(|ngram| format!("\"{}\"", ngram.replace('"', "\"\"")))
        .collect();
    let rows: Vec<Candidate> = diesel::sql_query(
        "SELECT rowid AS candidate FROM credential_trigrams WHERE credential_trigrams MATCH ? LIMIT ?",
    )
    .bind::<Text, _>(quoted.join(" AND "))
    .bind::<BigInt, _>(CANDIDATE_LIMIT + 1)
    .load(connection)?;
    let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    let numbers: Vec<String> = rows.iter().map(|row| row.candidate.to_string()).collect();
    Ok((count <= CANDIDATE_LIMIT).then(|| format!("[{}]", numbers.join(","))))
}

#[derive(QueryableByName)]
struct CandidateId {
    #[diesel(sql_type = Text)]
    hex: String,
}

/// The IDs of the rows of PostgreSQL whose names hold a term, and so have all of these n-grams, as the text of an array; `None` when there
/// are so many that walking the names finds a page of matches sooner. They are found before the page is: the planner takes a page for
/// something that walking always finds soon.
pub(super) fn candidate_ids(
    connection: &mut PgConnection,
    term: &str,
    ngrams: &[String],
) -> Result<Option<String>, StoreError> {
    let rows: Vec<CandidateId> = diesel::sql_query(
        "SELECT encode(id, 'hex') AS hex FROM credentials
         WHERE credential_ngrams(name_key) @> $1 AND strpos(name_key, $2) > 0 LIMIT $3",
    )
    .bind::<Array<Text>, _>(ngrams)
    .bind::<Text, _>(without_nul(term))
    .bind::<BigInt, _>(CANDIDATE_LIMIT + 1)
    .load(connection)?;
    let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    // In the text of an array, a backslash is doubled (PostgreSQL documentation, section 8.15.6).
    let ids: Vec<String> = rows
        .iter()
        .map(|row| format!(r#""\\x{}""#, row.hex))
        .collect();
    Ok((count <= CANDIDATE_LIMIT).then(|| format!("{{{}}}", ids.join(","))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_of_a_term_stands_for_itself() {
        assert_eq!(contains_pattern(r"100%_\"), r"%100\%\_\\%");
    }
}
