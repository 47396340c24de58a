//! The database: the settings of every connection, the migrations, the tables, the writers.

use credence::store::connection::Database;
use credence::store::migration;
use credence::store::postgres::PostgresUrl;
use tempfile::TempDir;

use crate::support::database::{self, database};
use crate::support::store::{check_jobs, check_migrations, known_columns, lines};

fn migrated() -> Database {
    // Nothing but its name is used of the directory.
    let directory = TempDir::new().unwrap();
    let database = database(&directory.path().join("data"));
    migration::migrate(&mut database.connect().unwrap()).unwrap();
    database
}

#[tokio::test]
async fn a_commit_is_durable_whatever_the_database_is_set_to() {
    let database = migrated();
    let mut connection = database.connect().unwrap();
    let setting = "SELECT current_setting('synchronous_commit') AS line";
    assert_eq!(lines(&mut connection, setting), ["on"]);
    // As a role or a database may have it, by the options of the URL.
    for (given, found) in [
        ("off", "on"),
        ("local", "on"),
        ("remote_apply", "remote_apply"),
    ] {
        let directory = TempDir::new().unwrap();
        let url = database::url(directory.path()).unwrap();
        let url = format!("{url}%20-csynchronous_commit%3D{given}");
        let url = PostgresUrl::parse(&url).unwrap();
        let mut connection = Database::Postgres(url).connect().unwrap();
        assert_eq!(lines(&mut connection, setting), [found], "{given}");
    }
}

#[tokio::test]
async fn a_job_that_fails_or_panics_undoes_itself_and_nothing_else() {
    check_jobs(&migrated()).await;
}

#[test]
fn migrations_go_up_down_and_up_again() {
    let tables = "SELECT CAST(table_name AS text) AS line FROM information_schema.tables \
                  WHERE table_schema = current_schema() AND table_name NOT LIKE '\\_\\_%' ORDER BY 1";
    check_migrations(&migrated(), tables);
}

#[test]
fn the_tables_are_those_that_diesel_knows() {
    let database = migrated();
    let mut connection = database.connect().unwrap();
    let query = "
        SELECT table_name || '.' || column_name || ' '
            || CASE WHEN is_nullable = 'NO' THEN data_type ELSE 'Nullable<' || data_type || '>' END AS line
        FROM information_schema.columns
        WHERE table_schema = current_schema() AND table_name NOT LIKE '\\_\\_%' AND column_name <> 'only_row'
        ORDER BY table_name, ordinal_position";
    let found: Vec<String> = lines(&mut connection, query)
        .into_iter()
        .map(|line| {
            line.replace("bytea", "Binary")
                .replace("text", "Text")
                .replace("bigint", "BigInt")
                .replace("integer", "Integer")
        })
        .collect();
    assert_eq!(known_columns(), found);
}
