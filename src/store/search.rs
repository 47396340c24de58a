//! Patterns for LIKE and for the trigram index.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Text};

use super::connection::DatabaseConnection;
use super::error::StoreError;

/// How many characters a trigram has.
const TRIGRAM_LENGTH_CHARACTERS: usize = 3;
/// How many trigrams of a term are looked up: three rare ones together leave few rows.
const TRIGRAMS_LOOKED_UP: usize = 3;
/// A trigram that more than one in so many names has is common.
const COMMON_FROM_ONE_IN: usize = 50;
/// How long a sample of the names is used.
const SAMPLE_LIFETIME: Duration = Duration::from_mins(1);
/// A term with more candidates than this is common: walking the ordered index finds a page of matches sooner.
const CANDIDATE_LIMIT: i64 = 2_000;

/// The character that takes the meaning from `%` and `_` in a pattern.
pub const ESCAPE: char = '\\';

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

/// The trigrams of a text, each once.
fn trigrams(text: &str) -> BTreeSet<String> {
    let characters: Vec<char> = text.chars().collect();
    characters
        .windows(TRIGRAM_LENGTH_CHARACTERS)
        .map(|window| window.iter().collect())
        .collect()
}

/// How common trigrams are among the names, by a sample of them. Its clones share it.
#[derive(Clone, Default)]
pub struct TrigramFrequencies(Arc<Mutex<Option<Sample>>>);

struct Sample {
    taken_at: Instant,
    names: usize,
    /// How many of the names have each trigram.
    counts: HashMap<String, usize>,
}

/// The rarest trigrams of a term.
pub struct Rarest {
    /// Three at most.
    pub trigrams: Vec<String>,
    /// Whether even the rarest is common.
    pub are_common: bool,
}

impl TrigramFrequencies {
    /// The rarest trigrams of a term; none when it is too short. An index that is asked for all of them goes through the rows
    /// of the common ones, too: among a million names that takes ten times as long.
    ///
    /// # Errors
    /// A [`StoreError`] when the database cannot be read.
    pub fn rarest(
        &self,
        connection: &mut DatabaseConnection,
        term: &str,
    ) -> Result<Rarest, StoreError> {
        let mut are_common = false;
        let mut trigrams: Vec<String> = trigrams(&without_nul(term)).into_iter().collect();
        if !trigrams.is_empty() && !self.is_fresh() {
            let sample = Sample::take(connection)?;
            *self.lock() = Some(sample);
        }
        if let Some(sample) = &*self.lock() {
            trigrams.sort_by_key(|trigram| sample.count(trigram));
            let rarest = trigrams.first().map_or(0, |trigram| sample.count(trigram));
            are_common = rarest > sample.names / COMMON_FROM_ONE_IN;
        }
        trigrams.truncate(TRIGRAMS_LOOKED_UP);
        Ok(Rarest {
            trigrams,
            are_common,
        })
    }

    fn is_fresh(&self) -> bool {
        let sample = self.lock();
        sample
            .as_ref()
            .is_some_and(|sample| sample.taken_at.elapsed() < SAMPLE_LIFETIME)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Sample>> {
        // A sample is put in place whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(QueryableByName)]
struct SampledName {
    #[diesel(sql_type = Text)]
    name_key: String,
}

impl Sample {
    /// Looks at about a thousand names, from everywhere in the table.
    fn take(connection: &mut DatabaseConnection) -> Result<Self, StoreError> {
        let names = sampled_names(connection)?;
        let mut counts = HashMap::new();
        for name in &names {
            for trigram in trigrams(&name.name_key) {
                *counts.entry(trigram).or_default() += 1;
            }
        }
        Ok(Self {
            taken_at: Instant::now(),
            names: names.len(),
            counts,
        })
    }

    fn count(&self, trigram: &str) -> usize {
        self.counts.get(trigram).copied().unwrap_or(0)
    }
}

fn sampled_names(connection: &mut DatabaseConnection) -> Result<Vec<SampledName>, StoreError> {
    Ok(match connection {
        DatabaseConnection::Sqlite(sqlite) => diesel::sql_query(
            "WITH RECURSIVE
                 last (sequence) AS (SELECT max(sequence) FROM credentials),
                 point (at) AS (
                     SELECT 1 UNION ALL
                     SELECT at + 1 + (SELECT sequence FROM last) / 1000 FROM point WHERE at < (SELECT sequence FROM last)
                 )
             SELECT name_key FROM point JOIN credentials ON credentials.sequence = point.at",
        )
        .load(sqlite)?,
        DatabaseConnection::Postgres(postgres) => diesel::sql_query(
            "SELECT name_key FROM credentials TABLESAMPLE SYSTEM (
                 (SELECT least(100, 100 * 1000 / greatest(1, reltuples)) FROM pg_class WHERE oid = 'credentials'::regclass)
             ) LIMIT 2000",
        )
        .load(postgres)?,
    })
}

#[derive(QueryableByName)]
struct Candidate {
    #[diesel(sql_type = BigInt)]
    candidate: i64,
}

/// The rows of SQLite's index of trigrams that have all of these, as a JSON list of their numbers; `None` when there are so many that
/// walking the ordered index finds a page of matches sooner.
pub(super) fn candidates(
    connection: &mut SqliteConnection,
    trigrams: &[String],
) -> Result<Option<String>, StoreError> {
    let quoted: Vec<String> = trigrams
        .iter()
        .map(|trigram| format!("\"{}\"", trigram.replace('"', "\"\"")))
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

/// The IDs of the rows of PostgreSQL whose names hold a term, and so have all of these trigrams, as the text of an array; `None` when there
/// are so many that walking the names finds a page of matches sooner. They are found before the page is: the planner takes a page for
/// something that walking always finds soon.
pub(super) fn candidate_ids(
    connection: &mut PgConnection,
    term: &str,
    trigrams: &[String],
) -> Result<Option<String>, StoreError> {
    let rows: Vec<CandidateId> = diesel::sql_query(
        "SELECT encode(id, 'hex') AS hex FROM credentials
         WHERE credential_trigrams(name_key) @> $1 AND strpos(name_key, $2) > 0 LIMIT $3",
    )
    .bind::<Array<Text>, _>(trigrams)
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
        assert_eq!(trigrams("ab").len(), 0);
        assert_eq!(trigrams("aaaa").into_iter().collect::<Vec<_>>(), ["aaa"]);
    }
}
