//! How long a search takes among a thousand and among a million names, in SQLite and in PostgreSQL.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark that meets the unexpected has failed, and says what it has measured"
)]

use std::collections::{HashMap, HashSet};
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use credence::store::connection::Database;
use credence::store::postgres::PostgresUrl;
use diesel::connection::SimpleConnection;
use serde_json::json;
use tempfile::TempDir;

#[path = "../support/client.rs"]
mod client;
#[path = "../../tests/it/support/cluster.rs"]
mod cluster;
mod names;
#[path = "../support/outcome.rs"]
mod outcome;
#[path = "../../tests/it/support/process.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod process;

use client::{Client, median, milliseconds};
use cluster::Cluster;
use process::Place;

const SMALL: usize = 1_000;
const LARGE: usize = 1_000_000;
/// How often each term is searched; the median counts.
const REPEATS: usize = 9;
const RARE_TERMS: usize = 21;
/// Terms of which every part is common, and terms that no name has: of one character, of two, and of common parts.
const OTHER_TERMS: [&str; 14] = [
    "a",
    "-k",
    "api",
    "api-key",
    "-key",
    "ra-",
    "tion-",
    "zzz",
    "key-api",
    "ion-ionka",
    "ж",
    "qj",
    "tion-tion-t",
    "api-local-api",
];
const RATIO_AIM: f64 = 3.0;
const OTHER_AIM: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    // `cargo test` runs benches too, and has nothing to measure.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let (few, many) = (names::make(SMALL), names::make(LARGE));
    let directory = TempDir::new().unwrap();
    let place = |name: &str, url: Option<String>| Place {
        data: directory.path().join(name),
        url,
    };
    let sqlite = [place("few", None), place("many", None)];
    let mut met = measure("SQLite", &sqlite, &few, &many);
    match Cluster::start(&["shared_buffers = '512MB'", "maintenance_work_mem = '512MB'"]) {
        Ok(cluster) => {
            let create = |name: &str| {
                let url = PostgresUrl::parse(&cluster.url()).unwrap();
                let mut connection = url.connect().unwrap();
                let database = format!("CREATE DATABASE {name} TEMPLATE template0");
                connection.batch_execute(&database).unwrap();
                let keys = format!("keys of {name}");
                place(&keys, Some(cluster.url_of("postgres", name)))
            };
            let postgres = [create("few"), create("many")];
            met &= measure("PostgreSQL", &postgres, &few, &many);
        }
        Err(why) => {
            println!("PostgreSQL is not measured: {why}.");
            met = false;
        }
    }
    outcome::tell(met)
}

/// The database itself, to fill it.
fn database(place: &Place) -> Database {
    match &place.url {
        Some(url) => Database::Postgres(PostgresUrl::parse(url).unwrap()),
        None => Database::Sqlite(place.data.join("credence.db")),
    }
}

/// Measures one kind of database. Returns whether the aims are met.
fn measure(what: &str, [small, large]: &[Place; 2], few: &[String], many: &[String]) -> bool {
    let started = Instant::now();
    fill(small, few);
    fill(large, many);
    println!(
        "{what}: filled in {:.0} s.",
        started.elapsed().as_secs_f64()
    );
    let (mut small, mut large) = (Client::of(small, "viewer"), Client::of(large, "viewer"));
    let rare = |client: &mut Client, names: &[String]| {
        let terms = rare_terms(names);
        let mut times: Vec<Duration> = terms.iter().map(|term| search(client, term)).collect();
        times.sort();
        (times[times.len() / 2], times[times.len() - 1])
    };
    let (median_few, _) = rare(&mut small, few);
    let (median_many, longest_many) = rare(&mut large, many);
    let ratio = median_many.as_secs_f64() / median_few.as_secs_f64();
    println!(
        "  rare terms: {:.2} ms among {SMALL}, {:.2} ms among {LARGE} (longest {:.2} ms): {ratio:.1} times (aim: at most {RATIO_AIM})",
        milliseconds(median_few),
        milliseconds(median_many),
        milliseconds(longest_many),
    );
    let mut longest = Duration::ZERO;
    for term in OTHER_TERMS {
        let took = search(&mut large, term);
        println!("  {term:8} {:8.2} ms among {LARGE}", milliseconds(took));
        longest = longest.max(took);
    }
    println!(
        "  longest of these: {:.1} ms (aim: below 200 ms)",
        milliseconds(longest)
    );
    ratio <= RATIO_AIM && longest < OTHER_AIM && longest_many < OTHER_AIM
}

/// The median time of a search for the first ten names that have a term.
fn search(client: &mut Client, term: &str) -> Duration {
    let query = "query($term: String) { credentials(query: $term, first: 10) { nodes { name } } }";
    let variables = json!({ "term": term });
    median(
        (0..REPEATS)
            .map(|_| client.ask(query, &variables).0)
            .collect(),
    )
}

/// Parts of names whose rarest trigram is in fewer than 1 % of all names.
fn rare_terms(names: &[String]) -> Vec<String> {
    let trigrams = |text: &str| -> HashSet<String> {
        let characters: Vec<char> = text.chars().collect();
        characters
            .windows(3)
            .map(|window| window.iter().collect())
            .collect()
    };
    let mut counts: HashMap<String, usize> = HashMap::new();
    for name in names {
        for trigram in trigrams(name) {
            *counts.entry(trigram).or_default() += 1;
        }
    }
    let step = names.len() / (4 * RARE_TERMS);
    let parts = names
        .iter()
        .step_by(step)
        .map(|name| name.chars().take(12).collect::<String>());
    let is_rare = |term: &String| {
        trigrams(term)
            .iter()
            .any(|trigram| counts[trigram] * 100 < names.len())
    };
    let terms: Vec<String> = parts.filter(is_rare).take(RARE_TERMS).collect();
    assert_eq!(terms.len(), RARE_TERMS);
    terms
}

/// Makes the rows: the server makes the tables.
fn fill(place: &Place, names: &[String]) {
    drop(place.serve(Stdio::null(), &[]));
    let mut connection = database(place).connect().unwrap();
    let bytes = |hex: &str| match &place.url {
        None => format!("x'{hex}'"),
        Some(_) => format!("'\\x{hex}'"),
    };
    let owner = bytes(&"00".repeat(16));
    connection
        .batch_execute(&format!(
            "BEGIN; INSERT INTO users VALUES ({owner}, 'i', 's', NULL, NULL, 's', 's', 0, 0);"
        ))
        .unwrap();
    for (batch, names) in names.chunks(1_000).enumerate() {
        let rows: Vec<String> = names
            .iter()
            .enumerate()
            .map(|(number, name)| {
                let number = batch * 1_000 + number;
                let id = bytes(&format!("{number:032x}"));
                format!(
                    "({id}, '{name}', '{name}', {owner}, 1, {number}, {number}, {number}, 1, {owner})"
                )
            })
            .collect();
        let columns = "id, name, name_key, owner_id, value_version, created_at_us, updated_at_us, value_updated_at_us, data_key_id, sealed_value";
        connection
            .batch_execute(&format!(
                "INSERT INTO credentials ({columns}) VALUES {}",
                rows.join(", ")
            ))
            .unwrap();
    }
    connection.batch_execute("COMMIT; ANALYZE").unwrap();
}
