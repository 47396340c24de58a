//! What must hold of the store over either database.

use credence::crypto::audit_key;
use credence::crypto::locked_key::LockedKey;
use credence::store::Store;
use credence::store::connection::{Database, DatabaseConnection};
use credence::store::error::{Cause, StoreError};
use credence::store::migration;
use credence::types::audit::Signer;
use diesel::connection::SimpleConnection;
use diesel::deserialize::QueryableByName;
use diesel::query_dsl::RunQueryDsl;
use diesel::sql_types::Text;

use super::database::bytes;

/// What authenticates the audit log of a database that no server opens.
pub fn signer() -> Signer {
    audit_key::signer(LockedKey::copy_of(&[7; 32]).unwrap())
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// The lines that a query brings, whose one column is called `line`.
pub fn lines(connection: &mut DatabaseConnection, query: &str) -> Vec<String> {
    let query = diesel::sql_query(query);
    let rows: Vec<Line> = match connection {
        DatabaseConnection::Sqlite(sqlite) => query.load(sqlite).unwrap(),
        DatabaseConnection::Postgres(postgres) => query.load(postgres).unwrap(),
    };
    rows.into_iter().map(|row| row.line).collect()
}

/// Ninety jobs at once, of which a third fails and a third panics: what the others did stays.
pub async fn check_jobs(database: &Database) {
    let (store, end) = Store::open(database, &signer()).unwrap();
    let insert = |id: u8, outcome: fn() -> Result<(), StoreError>| {
        store.write(move |connection| {
            let id = bytes(&format!("{id:032x}"));
            connection.batch_execute(&format!(
                "INSERT INTO deleted_credentials VALUES ({id}, 'n', 0)"
            ))?;
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
    let kept = "SELECT CAST(count(*) AS text) AS line FROM deleted_credentials";
    assert_eq!(lines(&mut database.connect().unwrap(), kept), ["30"]);
}

/// Migrates a database that is migrated down and up again; `tables` asks for the names of its tables.
pub fn check_migrations(database: &Database, tables: &str) {
    let mut connection = database.connect().unwrap();
    let before = lines(&mut connection, tables);
    assert!(before.contains(&"credentials".to_owned()));
    migration::revert_all(&mut connection).unwrap();
    assert_eq!(lines(&mut connection, tables), Vec::<String>::new());
    assert!(migration::migrate(&mut connection).unwrap() > 0);
    assert_eq!(lines(&mut connection, tables), before);
    assert_eq!(migration::migrate(&mut connection).unwrap(), 0);
}

/// The columns that `src/store/schema.rs` names, each as `table.column type`, in its order.
pub fn known_columns() -> Vec<String> {
    let mut known = Vec::new();
    for block in include_str!("../../../src/store/schema.rs")
        .split("diesel::table! {")
        .skip(1)
    {
        let body = block.split("\n}\n").next().unwrap();
        let table = body.trim().split(' ').next().unwrap();
        let columns = body
            .lines()
            .filter_map(|line| line.trim().strip_suffix(',')?.split_once(" -> "));
        known.extend(columns.map(|(column, ty)| format!("{table}.{column} {ty}")));
    }
    known
}
