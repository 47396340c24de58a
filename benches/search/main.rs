//! How long a search takes among a thousand and among a million names, in SQLite and in PostgreSQL.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark that meets the unexpected has failed, and says what it has measured"
)]

use std::collections::{HashMap, HashSet};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use credence::store::connection::{Database, DatabaseConnection};
use credence::store::credential_list::{CredentialFilter, list_credentials};
use credence::store::migration;
use credence::store::postgres::{self, PostgresUrl};
use credence::types::credential::CredentialOrder;
use credence::types::page::{Direction, PageRequest, Side};
use diesel::connection::SimpleConnection;
use tempfile::TempDir;

#[path = "../../tests/it/support/cluster.rs"]
mod cluster;
mod names;

use cluster::Cluster;

const SMALL: usize = 1_000;
const LARGE: usize = 1_000_000;
/// How often each term is searched; the median counts.
const REPEATS: usize = 9;
const RARE_TERMS: usize = 21;
/// Terms of which every part is common.
const COMMON_TERMS: [&str; 8] = ["a", "-k", "api", "api-key", "-key", "ra-", "tion-", "zzz"];
const RATIO_AIM: f64 = 3.0;
const COMMON_AIM: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    // `cargo test` runs benches too, and has nothing to measure.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let (small, large) = (names::make(SMALL), names::make(LARGE));
    let directory = TempDir::new().unwrap();
    let sqlite = |name: &str| Database::Sqlite(directory.path().join(name));
    let mut met = measure("SQLite", [sqlite("small"), sqlite("large")], &small, &large);
    match Cluster::start(&["shared_buffers = '512MB'", "maintenance_work_mem = '512MB'"]) {
        Ok(cluster) => {
            let create = |name: &str| {
                let url = PostgresUrl::parse(&cluster.url()).unwrap();
                let mut connection = url.connect().unwrap();
                let database = format!("CREATE DATABASE {name} TEMPLATE template0");
                connection.batch_execute(&database).unwrap();
                let url = cluster.url_of("postgres", name);
                Database::Postgres(PostgresUrl::parse(&url).unwrap())
            };
            met &= measure(
                "PostgreSQL",
                [create("small"), create("large")],
                &small,
                &large,
            );
        }
        Err(why) => {
            println!("PostgreSQL is not measured: {why}.");
            met = false;
        }
    }
    println!(
        "{}",
        if met {
            "All aims are met."
        } else {
            "An aim is missed."
        }
    );
    if met {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Measures one kind of database. Returns whether the aims are met.
fn measure(what: &str, [small, large]: [Database; 2], few: &[String], many: &[String]) -> bool {
    let started = Instant::now();
    let (mut small, mut large) = (fill(&small, few), fill(&large, many));
    println!(
        "{what}: filled in {:.0} s.",
        started.elapsed().as_secs_f64()
    );
    let rare = |connection: &mut DatabaseConnection, names: &[String]| {
        let terms = rare_terms(names);
        let mut times: Vec<Duration> = terms.iter().map(|term| search(connection, term)).collect();
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
    for term in COMMON_TERMS {
        let took = search(&mut large, term);
        println!("  {term:8} {:8.2} ms among {LARGE}", milliseconds(took));
        longest = longest.max(took);
    }
    println!(
        "  longest of these: {:.1} ms (aim: below 200 ms)",
        milliseconds(longest)
    );
    ratio <= RATIO_AIM && longest < COMMON_AIM && longest_many < COMMON_AIM
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// The median time of a search for the first ten names that have a term.
fn search(connection: &mut DatabaseConnection, term: &str) -> Duration {
    let filter = CredentialFilter {
        term: term.to_owned(),
        owner_id: None,
    };
    let request = PageRequest {
        side: Side::First,
        size: 10,
        after: None,
        before: None,
    };
    let order = (CredentialOrder::Name, Direction::Ascending);
    let mut times: Vec<Duration> = (0..REPEATS)
        .map(|_| {
            let started = Instant::now();
            list_credentials(connection, &filter, order, &request).unwrap();
            started.elapsed()
        })
        .collect();
    times.sort();
    times[REPEATS / 2]
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

/// Makes the tables and the rows.
fn fill(database: &Database, names: &[String]) -> DatabaseConnection {
    let mut connection = database.connect().unwrap();
    if let DatabaseConnection::Postgres(postgres) = &mut connection {
        assert_eq!(postgres::prepare(postgres).unwrap(), None);
    }
    migration::migrate(&mut connection).unwrap();
    let bytes = |hex: &str| match database {
        Database::Sqlite(_) => format!("x'{hex}'"),
        Database::Postgres(_) => format!("'\\x{hex}'"),
    };
    let owner = bytes(&"00".repeat(16));
    connection
        .batch_execute(&format!(
            "BEGIN; INSERT INTO data_keys VALUES (1, 'VALUE', {owner});
             INSERT INTO users VALUES ({owner}, 'i', 's', NULL, NULL, 's', 's', 0, 0);"
        ))
        .unwrap();
    for (batch, names) in names.chunks(1_000).enumerate() {
        let rows: Vec<String> = names
            .iter()
            .enumerate()
            .map(|(number, name)| {
                let number = batch * 1_000 + number;
                let id = bytes(&format!("{number:032x}"));
                format!("({id}, '{name}', '{name}', {owner}, 1, {number}, {number}, {number}, 1, {owner})")
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
    connection
}
