//! What a credential with ten thousand consumers costs: a page of its references, and a resolve.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark that meets the unexpected has failed, and says what it has measured"
)]

use std::process::ExitCode;
use std::time::Duration;

use credence::store::connection::Database;
use credence::store::postgres::PostgresUrl;
use diesel::connection::SimpleConnection;
use serde_json::{Value, json};
use tempfile::TempDir;

#[path = "../support/client.rs"]
mod client;
#[path = "../../tests/it/support/cluster.rs"]
mod cluster;
#[path = "../support/outcome.rs"]
mod outcome;
#[path = "../../tests/it/support/process.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod process;

use client::{Client, median, milliseconds};
use cluster::Cluster;
use process::Place;

const CONSUMERS: usize = 10_000;
const PAGES: usize = 51;
const RESOLVES: usize = 501;
const PAGE_AIM: Duration = Duration::from_millis(20);
/// How many times the resolve of a credential with one consumer that of one with many may take: what two medians of the same thing differ by.
const RATIO_AIM: f64 = 1.1;

const CREATE: &str = "mutation($name: String!) { createCredential(input: {name: $name, value: \"v\"}) { credential { id } } }";
const PAGE: &str = "query($id: ID!, $after: String) { credential(id: $id) { lastResolvedAt references(first: 100, after: $after) {
    totalCount nodes { id consumer { kind externalId name } declaredAt lastResolvedAt lastResolvedVersion resolveCount } pageInfo { endCursor } } } }";
const RESOLVE: &str = "mutation($id: ID!, $consumer: String!) { resolveCredential(input: {credentialId: $id, consumer: {kind: WORKFLOW, externalId: $consumer}}) { value } }";

fn main() -> ExitCode {
    // `cargo test` runs benches too, and has nothing to measure.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let directory = TempDir::new().unwrap();
    let place = |name: &str, url: Option<String>| Place {
        data: directory.path().join(name),
        url,
    };
    let mut met = measure("SQLite", &place("sqlite", None));
    match Cluster::start(&[]) {
        Ok(cluster) => met &= measure("PostgreSQL", &place("postgres", Some(cluster.url()))),
        Err(why) => {
            println!("PostgreSQL is not measured: {why}.");
            met = false;
        }
    }
    outcome::tell(met)
}

/// Measures one kind of database. Returns whether the aims are met.
fn measure(what: &str, place: &Place) -> bool {
    let mut client = Client::of(place, "editor");
    let mut create = |name: &str| -> String {
        let (_, created) = client.ask(CREATE, &json!({ "name": name }));
        created["credential"]["id"].as_str().unwrap().to_owned()
    };
    let (lonely, shared) = (create("lonely"), create("shared"));
    fill(place, &lonely, 1);
    fill(place, &shared, CONSUMERS);
    let mut after = Value::Null;
    let pages: Vec<Duration> = (0..PAGES)
        .map(|_| {
            let (took, page) = client.ask(PAGE, &json!({ "id": shared, "after": after }));
            assert_eq!(page["references"]["totalCount"], CONSUMERS);
            after = page["references"]["pageInfo"]["endCursor"].clone();
            took
        })
        .collect();
    let page = median(pages);
    client.token = place.token("runtime", "runtime");
    let (mut of_lonely, mut of_shared) = (Vec::new(), Vec::new());
    for number in 0..RESOLVES {
        let mut resolve = |id: &str, consumer: usize| {
            let variables = json!({ "id": id, "consumer": consumer_id(consumer) });
            client.ask(RESOLVE, &variables).0
        };
        of_lonely.push(resolve(&lonely, 0));
        of_shared.push(resolve(&shared, number * CONSUMERS / RESOLVES));
    }
    let (of_lonely, of_shared) = (median(of_lonely), median(of_shared));
    let ratio = of_shared.as_secs_f64() / of_lonely.as_secs_f64();
    println!(
        "{what}: a page of 100 of {CONSUMERS} references {:.2} ms (aim: below 20 ms)",
        milliseconds(page)
    );
    println!(
        "  a resolve of a credential with one consumer {:.2} ms, with {CONSUMERS} {:.2} ms: {ratio:.2} times (aim: at most {RATIO_AIM})",
        milliseconds(of_lonely),
        milliseconds(of_shared)
    );
    page < PAGE_AIM && ratio <= RATIO_AIM
}

/// The ID of a consumer by its number.
fn consumer_id(number: usize) -> String {
    format!("workflow {number}")
}

/// Makes references to a credential: its consumers declare it and have resolved it.
fn fill(place: &Place, credential: &str, count: usize) {
    let (mut connection, prefix, suffix) = match &place.url {
        None => (
            Database::Sqlite(place.data.join("credence.db"))
                .connect()
                .unwrap(),
            "x'",
            "'",
        ),
        Some(url) => {
            let url = PostgresUrl::parse(url).unwrap();
            (Database::Postgres(url).connect().unwrap(), "'\\x", "'")
        }
    };
    let credential = credential.replace('-', "");
    let rows: Vec<String> = (0..count)
        .map(|number| {
            format!(
                "({prefix}{}{number:016x}{suffix}, {prefix}{credential}{suffix}, {prefix}{credential}{suffix}, 'WORKFLOW', '{}', 1, 1, 1, 1, 1)",
                &credential[16..],
                consumer_id(number)
            )
        })
        .collect();
    connection
        .batch_execute(&format!(
            "INSERT INTO credential_references (id, credential_id, present_credential_id, consumer_kind, consumer_external_id, declared_at_us, \
             first_resolved_at_us, last_resolved_at_us, last_resolved_version, resolve_count) VALUES {}; ANALYZE",
            rows.join(", ")
        ))
        .unwrap();
}
