//! A sample of the names: by it, the way is chosen in which the names that hold a term are found.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use diesel::prelude::*;
use diesel::sql_types::Text;

use super::connection::DatabaseConnection;
use super::error::StoreError;
use super::search::without_nul;

/// How many characters a trigram has.
const TRIGRAM_LENGTH_CHARACTERS: usize = 3;
/// How many trigrams of a term are looked up: three rare ones together leave few rows.
const TRIGRAMS_LOOKED_UP_LIMIT: usize = 3;
/// Where the trigrams that are looked up leave one in so many names, no other one is looked up: among a million names, going through the
/// rows of another one takes longer than to compare these fifty.
const FEW_FROM_ONE_IN: f64 = 20_000.0;
/// What more than one in so many names has is common.
const COMMON_FROM_ONE_IN: usize = 50;
/// How long a sample is used.
const SAMPLE_LIFETIME: Duration = Duration::from_mins(1);

/// A sample of the names. Its clones share it.
#[derive(Clone, Default)]
pub struct NameSample(Arc<Mutex<Option<Sample>>>);

/// In which way the names that hold a term are found.
#[derive(Debug, PartialEq, Eq)]
pub enum Way {
    /// By going through the names in their order: many have it, and a page is full soon.
    Walk,
    /// Among the names that have all of these n-grams: its rarest trigrams, or the term itself, when it is shorter.
    Index(Vec<String>),
}

struct Sample {
    taken_at: Instant,
    names: Vec<String>,
    /// How many of the names have each trigram.
    counts: HashMap<String, usize>,
}

impl NameSample {
    /// The way for a term.
    ///
    /// # Errors
    /// A [`StoreError`] when the database cannot be read.
    pub fn way(&self, connection: &mut DatabaseConnection, term: &str) -> Result<Way, StoreError> {
        if !self.is_fresh() {
            let sample = Sample::of(sampled_names(connection)?);
            *self.lock() = Some(sample);
        }
        let sample = self.lock();
        Ok(sample
            .as_ref()
            .map_or(Way::Walk, |sample| sample.way(&without_nul(term))))
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

impl Sample {
    fn of(names: Vec<String>) -> Self {
        let mut counts = HashMap::new();
        for name in &names {
            let distinct: HashSet<String> = trigrams(name).into_iter().collect();
            for trigram in distinct {
                *counts.entry(trigram).or_default() += 1;
            }
        }
        Self {
            taken_at: Instant::now(),
            names,
            counts,
        }
    }

    fn way(&self, term: &str) -> Way {
        let mut places: Vec<(usize, String)> = trigrams(term).into_iter().enumerate().collect();
        places.sort_by_key(|(_, trigram)| self.count(trigram));
        let is_rare = places
            .first()
            .is_some_and(|(_, rarest)| !self.is_common(self.count(rarest)));
        let ngrams = if places.is_empty() {
            vec![term.to_owned()]
        } else {
            self.rarest(places)
        };
        if is_rare {
            return Way::Index(ngrams);
        }
        if self.names.iter().any(|name| name.contains(term)) {
            return Way::Walk;
        }
        // None of its parts is rare, but the whole is, and may be all of them together.
        let has_all = |name: &&String| ngrams.iter().all(|ngram| name.contains(ngram));
        if self.is_common(self.names.iter().filter(has_all).count()) {
            Way::Walk
        } else {
            Way::Index(ngrams)
        }
    }

    /// The rarest of a term's trigrams, which come with their places and the rarest first. An index that is asked for all of them goes
    /// through the rows of the common ones, too: among a million names that takes ten times as long. Those that share a character in the
    /// term mostly come together in names too (`gpt` and `ptp`): the second one tells little, and comes last.
    fn rarest(&self, mut left: Vec<(usize, String)>) -> Vec<String> {
        let mut chosen: Vec<(usize, String)> = Vec::new();
        let mut share = 1.0;
        while chosen.len() < TRIGRAMS_LOOKED_UP_LIMIT && share * FEW_FROM_ONE_IN > 1.0 {
            left.retain(|(_, trigram)| chosen.iter().all(|(_, other)| trigram != other));
            let next = left.iter().position(|(place, _)| is_apart(*place, &chosen));
            if let Some(next) = next {
                let (place, trigram) = left.remove(next);
                share *= self.share(&trigram);
                chosen.push((place, trigram));
            } else if left.is_empty() {
                break;
            } else {
                chosen.push(left.remove(0));
            }
        }
        chosen.into_iter().map(|(_, trigram)| trigram).collect()
    }

    fn count(&self, trigram: &str) -> usize {
        self.counts.get(trigram).copied().unwrap_or(0)
    }

    const fn is_common(&self, names: usize) -> bool {
        names > self.names.len() / COMMON_FROM_ONE_IN
    }

    /// The share of the names that have a trigram. One that the sample does not have is not taken for one that no name has.
    fn share(&self, trigram: &str) -> f64 {
        number(self.count(trigram)).max(0.5) / number(self.names.len()).max(1.0)
    }
}

/// A number of sampled names, of which there are thousands.
fn number(names: usize) -> f64 {
    u32::try_from(names).map_or(f64::INFINITY, f64::from)
}

/// The trigrams of a text, in its order.
fn trigrams(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    characters
        .windows(TRIGRAM_LENGTH_CHARACTERS)
        .map(|window| window.iter().collect())
        .collect()
}

/// Whether a text has no trigram.
pub(super) fn is_shorter_than_trigram(text: &str) -> bool {
    text.chars().count() < TRIGRAM_LENGTH_CHARACTERS
}

/// Whether a trigram at this place of the term shares no character with those.
fn is_apart(place: usize, chosen: &[(usize, String)]) -> bool {
    chosen
        .iter()
        .all(|(other, _)| place.abs_diff(*other) >= TRIGRAM_LENGTH_CHARACTERS)
}

#[derive(QueryableByName)]
struct SampledName {
    #[diesel(sql_type = Text)]
    name_key: String,
}

/// About a thousand names, from everywhere in the table.
fn sampled_names(connection: &mut DatabaseConnection) -> Result<Vec<String>, StoreError> {
    let names: Vec<SampledName> = match connection {
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
    };
    Ok(names.into_iter().map(|name| name.name_key).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(ngrams: &[&str]) -> Way {
        Way::Index(ngrams.iter().map(|&ngram| ngram.to_owned()).collect())
    }

    /// A hundred of these names, and as many that have nothing of them.
    fn sample(names: &[&str]) -> Sample {
        let named = names.iter().cycle().take(100);
        let others = (0..100).map(|number| format!("#{number}"));
        Sample::of(named.map(|&name| name.to_owned()).chain(others).collect())
    }

    #[test]
    fn the_trigrams_that_are_looked_up_are_rare_apart_and_no_more_than_needed() {
        let sample = sample(&["common-part"]);
        assert_eq!(sample.way("uvwxyz"), index(&["uvw", "xyz"]));
        // Too little apart: all that can be had, up to three.
        assert_eq!(sample.way("wxyz"), index(&["wxy", "xyz"]));
        assert_eq!(sample.way("vwxyz"), index(&["vwx", "wxy", "xyz"]));
        // Each is looked up once.
        assert_eq!(sample.way("abcabcabc"), index(&["abc", "bca"]));
        assert_eq!(sample.way("commonx"), index(&["onx", "com", "omm"]));
    }

    #[test]
    fn the_names_are_walked_for_what_many_have_and_for_nothing_else() {
        let sample = sample(&["abc-bcd", "bcd-cde", "aaaa"]);
        assert_eq!(sample.way("bcd"), Way::Walk);
        assert_eq!(sample.way("cd"), Way::Walk);
        // Each part is common, and the whole is not.
        let way = sample.way("abc-bcd-cde");
        assert_eq!(way, index(&["cd-", "cde", "abc"]));
        assert_eq!(sample.way("qj"), index(&["qj"]));
        // All that have an `a` thrice have all parts of this.
        assert_eq!(sample.way("aaaaaaaa"), Way::Walk);
    }

    #[test]
    fn short_texts_have_no_trigrams() {
        assert_eq!(trigrams("ab").len(), 0);
        assert_eq!(trigrams("abcd"), ["abc", "bcd"]);
    }
}
