//! The database: the settings of every connection, the migrations, the tables, the writers.

use credence::store::Store;
use credence::store::connection::{Database, DatabaseConnection};
use credence::store::error::{Cause, StoreError};
use credence::store::migration;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use tempfile::TempDir;

use crate::support::database::database;

fn migrated() -> Database {
    // Nothing but its name is used of the directory.
    let directory = TempDir::new().unwrap();
    let database = database(&directory.path().join("data"));
    migration::migrate(&mut database.connect().unwrap()).unwrap();
    database
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

fn lines(connection: &mut DatabaseConnection, query: &str) -> Vec<String> {
    let DatabaseConnection::Postgres(postgres) = connection else {
        panic!("these tests are about PostgreSQL");
    };
    let rows: Vec<Line> = diesel::sql_query(query).load(postgres).unwrap();
    rows.into_iter().map(|row| row.line).collect()
}

#[tokio::test]
async fn a_commit_is_durable_whatever_the_database_is_set_to() {
    let database = migrated();
    let mut connection = database.connect().unwrap();
    let setting = "SELECT current_setting('synchronous_commit') AS line";
    assert_eq!(lines(&mut connection, setting), ["on"]);
    let Database::Postgres(_) = &database else {
        panic!("this is PostgreSQL")
    };
    // As a role or a database may have it, by the options of the URL.
    for (given, found) in [
        ("off", "on"),
        ("local", "on"),
        ("remote_apply", "remote_apply"),
    ] {
        let directory = TempDir::new().unwrap();
        let url = crate::support::database::url(directory.path()).unwrap();
        let url = format!("{url}%20-csynchronous_commit%3D{given}");
        let url = credence::store::postgres::PostgresUrl::parse(&url).unwrap();
        let mut connection = Database::Postgres(url).connect().unwrap();
        assert_eq!(lines(&mut connection, setting), [found], "{given}");
    }
}

#[tokio::test]
async fn a_job_that_fails_or_panics_undoes_itself_and_nothing_else() {
    let database = migrated();
    let (store, end) = Store::open(&database).unwrap();
    let insert = |id: u8, outcome: fn() -> Result<(), StoreError>| {
        store.write(move |connection| {
            let row = format!("INSERT INTO deleted_credentials VALUES ('\\x{id:032x}', 'n', 0)");
            connection.batch_execute(&row)?;
            outcome()
        })
    };
    let jobs = (0..90).map(|id| match id % 3 {
        0 => insert(id, || Ok(())),
        1 => insert(id, || Err(StoreError::NotUnique)),
        _ => insert(id, || panic!("a job that panics")),
    });
    let outcomes = futures_util::future::join_all(jobs).await;
    for (id, outcome) in outcomes.into_iter().enumerate() {
        let expected = [
            Ok(()),
            Err(StoreError::NotUnique),
            Err(StoreError::Internal(Cause("a panic in a job"))),
        ];
        assert_eq!(outcome, expected[id % 3]);
    }
    drop(store);
    tokio::task::spawn_blocking(|| end.finish()).await.unwrap();
    let kept = "SELECT count(*)::text AS line FROM deleted_credentials";
    assert_eq!(lines(&mut database.connect().unwrap(), kept), ["30"]);
}

#[test]
fn migrations_go_up_down_and_up_again() {
    let database = migrated();
    let mut connection = database.connect().unwrap();
    let tables = "SELECT table_name::text AS line FROM information_schema.tables \
                  WHERE table_schema = current_schema() AND table_name NOT LIKE '\\_\\_%' ORDER BY 1";
    let before = lines(&mut connection, tables);
    assert!(before.contains(&"credentials".to_owned()));
    migration::revert_all(&mut connection).unwrap();
    assert_eq!(lines(&mut connection, tables), Vec::<String>::new());
    assert!(migration::migrate(&mut connection).unwrap() > 0);
    assert_eq!(lines(&mut connection, tables), before);
    assert_eq!(migration::migrate(&mut connection).unwrap(), 0);
}

#[test]
fn the_tables_are_those_that_diesel_knows() {
    let database = migrated();
    let mut connection = database.connect().unwrap();
    let source = include_str!("../../src/store/schema.rs");
    let mut known: Vec<String> = Vec::new();
    for block in source.split("diesel::table! {").skip(1) {
        let body = block.split("\n}\n").next().unwrap();
        let table = body.trim().split(' ').next().unwrap();
        let columns = body
            .lines()
            .filter_map(|line| line.trim().strip_suffix(',')?.split_once(" -> "));
        known.extend(columns.map(|(column, ty)| format!("{table}.{column} {ty}")));
    }
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
    assert_eq!(known, found);
}
