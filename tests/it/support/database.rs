//! The database of a test: a file in its data directory, or, in the suite `postgres`, a schema of its own.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::sync::OnceLock;

use credence::store::connection::Database;
use credence::store::postgres::PostgresUrl;
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};

use super::cluster::Cluster;
use super::process::{Place, ServerProcess};

/// Whether this is the suite that runs over PostgreSQL.
pub fn is_postgres() -> bool {
    env!("CARGO_CRATE_NAME") == "postgres"
}

/// How often something is done. Over PostgreSQL, where a write takes ten times as long, that is a part of it, but for where it is decided
/// what is taken in: in CI, all is done over both.
pub fn times(all: u32, over_postgres: u32) -> u32 {
    let is_shortened = is_postgres() && std::env::var_os("CI").is_none();
    if is_shortened { over_postgres } else { all }
}

/// How often something is done that takes many minutes: all of it when `CREDENCE_TEST_WHOLE_VOLUMES` is set, otherwise a part.
pub fn part_of(all: usize, part: usize) -> usize {
    if takes_whole_volumes() { all } else { part }
}

/// Whether the tests do all that takes long, on a machine that has nothing else to do.
pub fn takes_whole_volumes() -> bool {
    std::env::var_os("CREDENCE_TEST_WHOLE_VOLUMES").is_some()
}

/// The URL of the database that belongs to a data directory; `None` for the file in it.
pub fn url(data_directory: &Path) -> Option<String> {
    if !is_postgres() {
        return None;
    }
    let mut hasher = DefaultHasher::new();
    data_directory.hash(&mut hasher);
    let schema = format!(
        "credence_test_{}_{:016x}",
        std::process::id(),
        hasher.finish()
    );
    let server = shared_url();
    let mut connection = PgConnection::establish(server).unwrap();
    connection
        .batch_execute(&format!("CREATE SCHEMA IF NOT EXISTS {schema}"))
        .unwrap();
    let separator = if server.contains('?') { '&' } else { '?' };
    Some(format!(
        "{server}{separator}options=-csearch_path%3D{schema}%2Cpublic"
    ))
}

/// A data directory and the database that belongs to it.
pub fn place(data_directory: &Path) -> Place {
    Place {
        data: data_directory.to_owned(),
        url: url(data_directory),
    }
}

impl ServerProcess {
    /// Starts a server on a data directory and the database that belongs to it.
    pub fn start(data_directory: &Path, log: Stdio, arguments: &[&str]) -> Self {
        place(data_directory).serve(log, arguments)
    }

    /// A token of such a server.
    pub fn token(data_directory: &Path, subject: &str, role: &str) -> String {
        place(data_directory).token(subject, role)
    }
}

/// Bytes, given as hexadecimal digits, as SQL writes them.
pub fn bytes(hex: &str) -> String {
    if is_postgres() {
        format!("'\\x{hex}'::bytea")
    } else {
        format!("x'{hex}'")
    }
}

/// The database that belongs to a data directory.
pub fn database(data_directory: &Path) -> Database {
    url(data_directory).map_or_else(
        || Database::Sqlite(data_directory.join("credence.db")),
        |url| Database::Postgres(PostgresUrl::parse(&url).unwrap()),
    )
}

/// The URL of the server that the tests share: the one that `CREDENCE_TEST_DATABASE_URL` names, or one that is made for the run.
fn shared_url() -> &'static str {
    static SHARED: OnceLock<(String, Option<Cluster>)> = OnceLock::new();
    let (url, _cluster) =
        SHARED.get_or_init(|| match std::env::var("CREDENCE_TEST_DATABASE_URL") {
            Ok(url) => (url, None),
            Err(_unset) => {
                let cluster = Cluster::start(&[]).unwrap_or_else(|why| skip(&why));
                (cluster.url(), Some(cluster))
            }
        });
    url
}

/// Ends the whole run of these tests: without a server there is nothing to test. In CI that is a failure.
fn skip(why: &str) -> ! {
    let told = format!(
        "\n==== The tests over PostgreSQL are SKIPPED: {why}.\n\
         ==== Install PostgreSQL 13 or later, or name a database with CREDENCE_TEST_DATABASE_URL.\n"
    );
    // Not by `eprintln`, which the test runner keeps to itself.
    std::io::stderr().write_all(told.as_bytes()).unwrap();
    std::process::exit(i32::from(std::env::var_os("CI").is_some()));
}
