//! `credence copy`: all data moves between SQLite and PostgreSQL.

use std::path::Path;
use std::process::{Output, Stdio};

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::client::{CREATE, RESOLVE, ask};
use crate::support::cluster::Cluster;
use crate::support::process::{Place, ServerProcess, run, stderr};
use crate::support::{database, holds_marker, secret};

/// The keys of a data directory, with its SQLite file, or with PostgreSQL at a URL.
fn place(data: &Path, url: Option<&str>) -> Place {
    Place {
        data: data.to_owned(),
        url: url.map(str::to_owned),
    }
}

fn serve(place: &Place) -> ServerProcess {
    place.serve(Stdio::null(), &[])
}

fn copy(from: &str, to: &str) -> Output {
    run(&["copy", "--from", from, "--to", to])
}

#[track_caller]
fn assert_refused(output: &Output, code: i32, words: &str) {
    assert_eq!(output.status.code(), Some(code), "{}", stderr(output));
    assert!(stderr(output).contains(words), "{}", stderr(output));
}

#[tokio::test]
async fn all_data_moves_to_postgresql_and_back_and_a_copy_that_was_broken_off_goes_on() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let server = serve(&place(&data, None));
    let admin = place(&data, None).token("ada", "admin");
    let mut created = Vec::new();
    for number in 0..40 {
        let name = format!("n{number} – 名前");
        let variables = json!({ "name": name, "value": secret(&name) });
        let answer = ask(&server, &admin, CREATE, variables).await;
        created.push((answer["credential"]["id"].clone(), secret(&name)));
    }
    let delete = "mutation($id: ID!) { deleteCredential(input: {credentialId: $id}) { userErrors { code } } }";
    let (deleted, _) = created.pop().unwrap();
    ask(&server, &admin, delete, json!({ "id": deleted })).await;
    let events = "{ auditEvents(first: 100) { nodes { id occurredAt action actorSubject credentialName } } }";
    let log = ask(&server, &admin, events, json!({})).await;
    let from = data.to_str().unwrap();
    let url = database::url(&directory.path().join("target")).unwrap();
    // While it is served, SQLite is the server's.
    assert_refused(&copy(from, &url), 75, "another server");
    drop(server);
    let copied = copy(from, &url);
    assert!(copied.status.success(), "{}", stderr(&copied));
    assert!(
        stderr(&copied).contains("has all that"),
        "{}",
        stderr(&copied)
    );

    // As if it had been broken off: the last rows, and the keyring, are not there.
    let mut connection = PgConnection::establish(&url).unwrap();
    connection
        .batch_execute(
            "DELETE FROM keyring; DELETE FROM audit_events WHERE id > (SELECT id FROM audit_events ORDER BY id OFFSET 20 LIMIT 1);
             DELETE FROM credentials",
        )
        .unwrap();
    let refused = run(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
        from,
        "--database-url",
        &url,
    ]);
    assert_refused(&refused, 78, "credence copy");
    assert!(copy(from, &url).status.success());
    // Another time there is nothing to do.
    assert!(copy(from, &url).status.success());

    let server = serve(&place(&data, Some(&url)));
    let admin = place(&data, Some(&url)).token("ada", "admin");
    assert_eq!(ask(&server, &admin, events, json!({})).await, log);
    let runtime = place(&data, Some(&url)).token("runtime", "runtime");
    for (id, value) in &created {
        let resolved = ask(&server, &runtime, RESOLVE, json!({ "id": id })).await;
        assert_eq!(resolved["value"], *value);
    }
    // What is deleted after the move stays deleted, whoever runs the copy again.
    let (gone, _) = created.pop().unwrap();
    let admin = place(&data, Some(&url)).token("ada", "admin");
    ask(&server, &admin, delete, json!({ "id": gone })).await;
    assert_refused(&copy(from, &url), 78, "differ in the table");
    let query = "query($id: ID!) { credential(id: $id) { name } }";
    let found = ask(&server, &admin, query, json!({ "id": gone })).await;
    assert_eq!(found, Value::Null);
    drop(server);

    let back = directory.path().join("back");
    let to = back.to_str().unwrap();
    let copied = copy(&url, to);
    assert!(copied.status.success(), "{}", stderr(&copied));
    for key in ["master.key", "signing.key"] {
        std::fs::copy(data.join(key), back.join(key)).unwrap();
    }
    let server = serve(&place(&back, None));
    let runtime = place(&back, None).token("runtime", "runtime");
    for (id, value) in &created {
        let resolved = ask(&server, &runtime, RESOLVE, json!({ "id": id })).await;
        assert_eq!(resolved["value"], *value);
    }
    // A search walks the index that SQLite keeps by itself.
    let admin = place(&back, None).token("ada", "admin");
    let found = ask(
        &server,
        &admin,
        "{ credentials(query: \"n7 – 名\") { totalCount } }",
        json!({}),
    )
    .await;
    assert_eq!(found["totalCount"], 1);
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    count: i64,
}

#[tokio::test]
async fn what_is_not_the_same_on_both_sides_is_told() {
    let directory = TempDir::new().unwrap();
    let (data, other) = (
        directory.path().join("data"),
        directory.path().join("other"),
    );
    for directory in [&data, &other] {
        let server = serve(&place(directory, None));
        let admin = place(directory, None).token("ada", "admin");
        ask(
            &server,
            &admin,
            CREATE,
            json!({ "name": "n", "value": secret("n") }),
        )
        .await;
    }
    let (from, other) = (data.to_str().unwrap(), other.to_str().unwrap());
    let url = database::url(&directory.path().join("target")).unwrap();
    assert!(copy(from, &url).status.success());
    let changed = "UPDATE credentials SET name = 'changed meanwhile'";
    PgConnection::establish(&url)
        .unwrap()
        .batch_execute(changed)
        .unwrap();
    assert_refused(&copy(from, &url), 78, "in the table credentials");
    assert_refused(&copy(other, &url), 78, "another database");
    let mut connection = PgConnection::establish(&url).unwrap();
    // No server starts on a target without a keyring, and one that differs gets none.
    connection.batch_execute("DELETE FROM keyring").unwrap();
    assert_refused(&copy(from, &url), 78, "in the table credentials");
    let keyrings: Count = diesel::sql_query("SELECT count(*) AS count FROM keyring")
        .get_result(&mut connection)
        .unwrap();
    assert_eq!(keyrings.count, 0);
    let users: Count = diesel::sql_query("SELECT count(*) AS count FROM users")
        .get_result(&mut connection)
        .unwrap();
    assert_eq!(users.count, 1, "the rows of another database are mixed in");
    assert_refused(&copy(from, from), 75, "another server");
    let nothing = directory.path().join("nothing");
    assert_refused(
        &copy(nothing.to_str().unwrap(), &url),
        78,
        "no data directory",
    );
    assert_refused(&copy("mysql://pw@h/d", &url), 64, "postgres://");
}

#[test]
fn one_database_by_two_names_is_no_source_and_target_and_two_schemas_of_it_are() {
    let cluster = Cluster::start(&[]).unwrap();
    let directory = TempDir::new().unwrap();
    let url = cluster.url();
    drop(serve(&place(&directory.path().join("data"), Some(&url))));
    let socket = cluster.directory.to_str().unwrap().replace('/', "%2F");
    for host in ["localhost", &socket] {
        let same = url.replace("127.0.0.1", host);
        assert_refused(&copy(&url, &same), 78, "by two names");
    }
    PgConnection::establish(&url)
        .unwrap()
        .batch_execute("CREATE SCHEMA other")
        .unwrap();
    // There are tables behind the empty schema: those would be used.
    let behind = format!("{url}?options=-csearch_path%3Dother%2Cpublic");
    assert_refused(&copy(&url, &behind), 78, "by two names");
    let other = format!("{url}?options=-csearch_path%3Dother");
    let copied = copy(&url, &other);
    assert!(copied.status.success(), "{}", stderr(&copied));
    let keyrings: Count = diesel::sql_query("SELECT count(*) AS count FROM other.keyring")
        .get_result(&mut PgConnection::establish(&url).unwrap())
        .unwrap();
    assert_eq!(keyrings.count, 1);
}

/// As `docs/operations.md` has it.
#[tokio::test]
async fn a_dump_of_postgresql_is_restored_and_opens_with_the_master_key() {
    let cluster = Cluster::start(&[]).unwrap();
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let url = cluster.url();
    let server = serve(&place(&data, Some(&url)));
    let admin = place(&data, Some(&url)).token("ada", "admin");
    let variables = json!({ "name": "dumped", "value": secret("dumped") });
    let created = ask(&server, &admin, CREATE, variables).await;
    drop(server);
    PgConnection::establish(&url)
        .unwrap()
        .batch_execute("CREATE DATABASE restored")
        .unwrap();
    let restored = cluster.url_of("postgres", "restored");
    let dump = cluster.data().with_file_name("credence.dump");
    let file = format!("--file={}", dump.display());
    let dumped = cluster
        .programs
        .run("pg_dump", &["--format=custom", &file, &url]);
    assert!(dumped.status.success(), "{dumped:?}");
    assert!(!holds_marker(&std::fs::read(&dump).unwrap()));
    let into = format!("--dbname={restored}");
    let arguments = [into.as_str(), "--no-owner", dump.to_str().unwrap()];
    let done = cluster.programs.run("pg_restore", &arguments);
    assert!(done.status.success(), "{done:?}");
    let server = serve(&place(&data, Some(&restored)));
    let runtime = place(&data, Some(&restored)).token("runtime", "runtime");
    let id = &created["credential"]["id"];
    let resolved = ask(&server, &runtime, RESOLVE, json!({ "id": id })).await;
    assert_eq!(resolved["value"], secret("dumped"));
}
