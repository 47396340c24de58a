//! The database: its settings on every connection, its migrations, its tables.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Barrier};

use credence::store::Store;
use credence::store::connection::{Database, DatabaseConnection};
use credence::store::copy::carried_tables;
use credence::store::error::StoreError;
use credence::store::migration;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use futures_util::FutureExt;
use futures_util::future::join_all;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::support::metrics::Scrape;
use crate::support::store::{check_jobs, check_migrations, known_columns, lines, signer};

fn migrated() -> (TempDir, Database) {
    let directory = TempDir::new().unwrap();
    let database = Database::Sqlite(directory.path().join("credence.db"));
    migration::migrate(&mut database.connect().unwrap()).unwrap();
    (directory, database)
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

fn number(connection: &mut DatabaseConnection, query: &str) -> i64 {
    let DatabaseConnection::Sqlite(sqlite) = connection else {
        panic!("these tests are about SQLite");
    };
    diesel::sql_query(query)
        .get_result::<Number>(sqlite)
        .unwrap()
        .number
}

/// What must hold on a connection, whichever it is.
fn check_settings(connection: &mut DatabaseConnection, waits_ms: i64) {
    for (setting, expected) in [
        ("foreign_keys", 1),
        ("synchronous", 2),
        ("secure_delete", 1),
        ("trusted_schema", 0),
        ("cell_size_check", 1),
        ("temp_store", 2),
    ] {
        let query = format!("SELECT {setting} AS number FROM pragma_{setting}");
        assert_eq!(number(connection, &query), expected, "{setting}");
    }
    assert_eq!(
        number(
            connection,
            "SELECT timeout AS number FROM pragma_busy_timeout"
        ),
        waits_ms
    );
    assert_eq!(
        lines(
            connection,
            "SELECT journal_mode AS line FROM pragma_journal_mode"
        ),
        ["wal"]
    );
}

const OWNED: &str = "
    INSERT INTO data_keys VALUES (1, 'VALUE', 'ACTIVE', 0);
    INSERT INTO users VALUES (zeroblob(16), 'i', 's', NULL, NULL, 's', 's', 0, 0);
    INSERT INTO credentials VALUES (NULL, zeroblob(16), 'n', 'n', zeroblob(16), 1, 0, 0, 0, 1, x'00');
    DELETE FROM users;";

fn check_cascade(connection: &mut DatabaseConnection) {
    connection
        .batch_execute(&format!("SAVEPOINT cascade; {OWNED}"))
        .unwrap();
    assert_eq!(
        number(connection, "SELECT count(*) AS number FROM credentials"),
        0
    );
    connection
        .batch_execute("ROLLBACK TO cascade; RELEASE cascade")
        .unwrap();
}

#[tokio::test]
async fn every_pooled_connection_and_the_writer_have_the_settings_and_the_cascade() {
    let (_directory, database) = migrated();
    let (store, end) = Store::open(&database, &signer()).unwrap();
    // Eight at once: each holds a connection of its own until all have one.
    let all_there = Arc::new(Barrier::new(8));
    // Only one connection can write at a time.
    let writing = Arc::new(std::sync::Mutex::new(()));
    let reads = (0..8).map(|_| {
        let (all_there, writing) = (Arc::clone(&all_there), Arc::clone(&writing));
        store.read(move |connection| {
            all_there.wait();
            check_settings(connection, 2_000);
            let _alone = writing.lock().unwrap();
            check_cascade(connection);
            Ok::<(), StoreError>(())
        })
    });
    let outcomes = join_all(reads).await;
    assert!(outcomes.iter().all(Result::is_ok));
    let written: Result<(), StoreError> = store
        .write(|connection| {
            // The writer waits by itself.
            check_settings(connection, 0);
            check_cascade(connection);
            Ok(())
        })
        .await;
    written.unwrap();
    drop(store);
    tokio::task::spawn_blocking(|| end.finish()).await.unwrap();
}

#[tokio::test]
async fn a_job_that_fails_or_panics_undoes_itself_and_nothing_else() {
    let (_directory, database) = migrated();
    check_jobs(&database).await;
}

/// A job that keeps the writer busy until it is let go.
struct Busy {
    going_on: Arc<Barrier>,
    done: JoinHandle<Result<(), StoreError>>,
}

impl Busy {
    /// Waits until the writer has begun it.
    async fn begin(store: &Store) -> Self {
        let writing = Arc::new(Barrier::new(2));
        let going_on = Arc::new(Barrier::new(2));
        let (begun, let_go) = (Arc::clone(&writing), Arc::clone(&going_on));
        let store = store.clone();
        let done = tokio::spawn(async move {
            let waits = store.write(move |_connection| {
                begun.wait();
                let_go.wait();
                Ok::<(), StoreError>(())
            });
            waits.await
        });
        tokio::task::spawn_blocking(move || writing.wait())
            .await
            .unwrap();
        Self { going_on, done }
    }

    async fn let_go(self) {
        tokio::task::spawn_blocking(move || self.going_on.wait())
            .await
            .unwrap();
        self.done.await.unwrap().unwrap();
    }
}

/// Makes a job for the writer that inserts a row.
async fn insert(store: &Store, id: u8) -> Result<(), StoreError> {
    let row = format!("INSERT INTO deleted_credentials VALUES (x'{id:032x}', 'n', 0)");
    let waits = store.write(move |connection| {
        connection.batch_execute(&row)?;
        Ok::<(), StoreError>(())
    });
    waits.await
}

#[tokio::test]
async fn what_waits_for_the_writer_shares_a_commit_of_at_most_64_jobs() {
    let (_directory, database) = migrated();
    let (store, end) = Store::open(&database, &signer()).unwrap();
    let busy = Busy::begin(&store).await;
    let mut waiting: Vec<_> = (0..65).map(|id| Box::pin(insert(&store, id))).collect();
    for job in &mut waiting {
        // It is in the queue when it was first asked for an answer.
        assert!(job.as_mut().now_or_never().is_none());
    }
    busy.let_go().await;
    for outcome in join_all(waiting).await {
        assert_eq!(outcome, Ok(()));
    }
    let scrape = Scrape::read(&store.metrics().encode());
    // The job that the others waited for, 64 of them, and the last one.
    let committed = "credence_commits_total{outcome=\"committed\"}";
    assert_eq!(scrape.value(committed), 3);
    assert!((scrape.measure("credence_commit_jobs_sum") - 66.0).abs() < 0.1);
    drop(store);
    tokio::task::spawn_blocking(|| end.finish()).await.unwrap();
}

#[tokio::test]
async fn a_job_that_nobody_waits_for_any_more_is_not_done() {
    let (_directory, database) = migrated();
    let (store, end) = Store::open(&database, &signer()).unwrap();
    let busy = Busy::begin(&store).await;
    {
        // It is in the queue when it was first asked for an answer, and then nobody asks any more.
        {
            let mut left = std::pin::pin!(insert(&store, 1));
            assert!(left.as_mut().now_or_never().is_none());
        }
        let mut kept = std::pin::pin!(insert(&store, 2));
        assert!(kept.as_mut().now_or_never().is_none());
        busy.let_go().await;
        kept.await.unwrap();
    }
    drop(store);
    tokio::task::spawn_blocking(|| end.finish()).await.unwrap();
    let mut connection = database.connect().unwrap();
    let done = "SELECT hex(id) AS line FROM deleted_credentials";
    assert_eq!(lines(&mut connection, done), [format!("{:032x}", 2)]);
}

#[test]
fn migrations_go_up_down_and_up_again() {
    let (_directory, database) = migrated();
    let tables = "SELECT name AS line FROM sqlite_schema WHERE name NOT LIKE '\\_\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite%' ORDER BY name";
    check_migrations(&database, tables);
}

fn migration_folders(backend: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("migrations")
        .join(backend);
    let entries = std::fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// The compiler does not notice a folder that was added: this does.
#[test]
fn the_embedded_migrations_are_those_on_disk_and_both_databases_have_the_same() {
    let embedded: BTreeSet<String> = migration::embedded_names().into_iter().collect();
    assert_eq!(
        migration_folders("sqlite"),
        embedded,
        "run `touch src/store/migration.rs` and build again"
    );
    assert_eq!(migration_folders("postgres"), embedded);
    for backend in ["sqlite", "postgres"] {
        for name in &embedded {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("migrations")
                .join(backend)
                .join(name);
            for file in ["up.sql", "down.sql"] {
                assert!(
                    folder.join(file).is_file(),
                    "{backend}/{name}/{file} is missing"
                );
            }
        }
    }
}

/// `src/store/schema.rs` names the columns that both databases have and the program reads or writes, in the order of the tables.
#[test]
fn the_tables_are_those_that_diesel_knows() {
    let (_directory, database) = migrated();
    let mut connection = database.connect().unwrap();
    let query = "
        SELECT t.name || '.' || c.name || ' ' || CASE WHEN c.\"notnull\" THEN c.type ELSE 'Nullable<' || c.type || '>' END AS line
        FROM pragma_table_list t JOIN pragma_table_info(t.name) c
        WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite%' AND t.name NOT LIKE '\\_\\_%' ESCAPE '\\'
            AND c.name NOT IN ('sequence', 'only_row')
        ORDER BY t.name, c.cid";
    let found: Vec<String> = lines(&mut connection, query)
        .into_iter()
        .map(|line| {
            line.replace("BLOB", "Binary")
                .replace("TEXT", "Text")
                .replace("INTEGER", "Integer")
        })
        .collect();
    // SQLite has one type of integer; PostgreSQL, for which the types are, has two.
    let known: Vec<String> = known_columns()
        .into_iter()
        .map(|line| line.replace("BigInt", "Integer"))
        .collect();
    assert_eq!(known, found);
}

#[test]
fn a_copy_leaves_out_no_table_but_those_of_sessions() {
    let mut carried: Vec<String> = carried_tables().into_iter().map(str::to_owned).collect();
    carried.extend(["login_codes", "sessions"].map(str::to_owned));
    carried.sort();
    let mut known: Vec<String> = known_columns()
        .into_iter()
        .map(|line| line.split('.').next().unwrap().to_owned())
        .collect();
    known.dedup();
    assert_eq!(carried, known);
}

/// The page and the search of a large table are read by an index, and never by going through all of it.
#[test]
fn lists_are_read_by_an_index() {
    let (_directory, database) = migrated();
    let mut connection = database.connect().unwrap();
    for (query, index) in [
        (
            "SELECT * FROM credentials WHERE name_key > 'a' ORDER BY name_key LIMIT 21",
            "sqlite_autoindex_credentials",
        ),
        (
            "SELECT * FROM credentials WHERE created_at_us >= 1 AND (created_at_us > 1 OR id > x'00') ORDER BY created_at_us, id LIMIT 21",
            "credentials_by_creation",
        ),
        (
            "SELECT * FROM credentials WHERE updated_at_us <= 1 AND (updated_at_us < 1 OR id < x'00') ORDER BY updated_at_us DESC, id DESC LIMIT 21",
            "credentials_by_update",
        ),
        (
            "SELECT * FROM credentials WHERE owner_id = x'00' ORDER BY name_key LIMIT 21",
            "credentials_by_owner",
        ),
        (
            "SELECT * FROM audit_events WHERE credential_id = x'00' ORDER BY id DESC LIMIT 21",
            "audit_events_by_credential",
        ),
        (
            "SELECT * FROM audit_events WHERE actor_subject = 'a' ORDER BY id DESC LIMIT 21",
            "audit_events_by_actor",
        ),
        (
            "SELECT * FROM users ORDER BY name_key, id LIMIT 21",
            "users_by_name",
        ),
    ] {
        let DatabaseConnection::Sqlite(sqlite) = &mut connection else {
            panic!("these tests are about SQLite");
        };
        #[derive(QueryableByName)]
        struct Step {
            #[diesel(sql_type = Text)]
            detail: String,
        }
        let steps: Vec<Step> = diesel::sql_query(format!("EXPLAIN QUERY PLAN {query}"))
            .load(sqlite)
            .unwrap();
        let plan: Vec<String> = steps.into_iter().map(|step| step.detail).collect();
        assert!(plan[0].contains(index), "{query}: {plan:?}");
        assert!(
            !plan.iter().any(|step| step.contains("TEMP B-TREE")),
            "{query}: {plan:?}"
        );
    }
}
