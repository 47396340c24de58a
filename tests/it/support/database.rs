//! The database of a test: a file in its data directory, or, in the suite `postgres`, a schema of its own.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use credence::store::connection::Database;
use credence::store::postgres::PostgresUrl;
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};

use super::cluster;

/// Whether this is the suite that runs over PostgreSQL.
pub fn is_postgres() -> bool {
    env!("CARGO_CRATE_NAME") == "postgres"
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
    let server = cluster::url();
    let mut connection = PgConnection::establish(server).unwrap();
    connection
        .batch_execute(&format!("CREATE SCHEMA IF NOT EXISTS {schema}"))
        .unwrap();
    let separator = if server.contains('?') { '&' } else { '?' };
    Some(format!(
        "{server}{separator}options=-csearch_path%3D{schema}%2Cpublic"
    ))
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
