//! What a database must have, and what the roles that use it may do.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use serde_json::json;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use crate::support::client;
use crate::support::cluster::{Cluster, Programs};
use crate::support::process::{Place, credence, stderr, stdout};

/// Runs `credence migrate` on a database.
fn migrate(url: &str) -> Output {
    credence(&["migrate", "--database-url", url])
        .output()
        .unwrap()
}

fn run(url: &str, statements: &str) {
    let mut connection = PgConnection::establish(url).unwrap();
    connection.batch_execute(statements).unwrap();
}

#[track_caller]
fn assert_refused(output: &Output, code: i32, words: &[&str]) {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "{word} is missing: {said}");
    }
}

#[test]
fn a_database_that_cannot_hold_all_names_is_refused_with_the_reason() {
    let cluster = Cluster::start(&[]).unwrap();
    run(
        &cluster.url(),
        "CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0",
    );
    let latin = migrate(&cluster.url_of("postgres", "latin"));
    assert_refused(&latin, 78, &["LATIN1", "ENCODING 'UTF8'"]);
    assert!(migrate(&cluster.url()).status.success());
}

#[tokio::test]
async fn names_in_any_script_are_found_without_an_extension_and_whatever_the_locale() {
    let cluster = Cluster::start(&[]).unwrap();
    run(
        &cluster.url(),
        "CREATE DATABASE ascii ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0",
    );
    run(
        &cluster.url(),
        "CREATE ROLE plain LOGIN; ALTER DATABASE ascii OWNER TO plain",
    );
    let admin = cluster.url_of("postgres", "ascii");
    run(&admin, "ALTER SCHEMA public OWNER TO plain");
    let directory = TempDir::new().unwrap();
    let place = Place {
        data: directory.path().join("data"),
        url: Some(cluster.url_of("plain", "ascii")),
    };
    let server = place.serve(Stdio::null(), &[]);
    let token = place
        .command(&["token", "--sub", "ada", "--role", "editor"])
        .output();
    let token = stdout(&token.unwrap()).trim().to_owned();
    // Among a handful of names every trigram is common, and no index is asked.
    let fillers = (0..100).map(|number| format!("filler {number}"));
    let names = ["Ключ Почты", "東京の鍵", "ΠΡΟΣΒΑΣΗ"].map(str::to_owned);
    for name in fillers.chain(names) {
        let create = "mutation ($name: String!) { createCredential(input: {name: $name, value: \"v\"}) { userErrors { code } } }";
        let created = client::ask(&server, &token, create, json!({ "name": name })).await;
        assert_eq!(created["userErrors"], json!([]));
    }
    for (term, name) in [
        ("КЛЮЧ п", "Ключ Почты"),
        ("京の鍵", "東京の鍵"),
        ("οσβα", "ΠΡΟΣΒΑΣΗ"),
    ] {
        let search = "query ($term: String!) { credentials(query: $term) { nodes { name } } }";
        let found = client::ask(&server, &token, search, json!({ "term": term })).await;
        assert_eq!(found["nodes"], json!([{ "name": name }]), "{term}");
    }
}

#[test]
fn a_url_that_leads_nowhere_is_told_without_repeating_it() {
    let cluster = Cluster::start(&[]).unwrap();
    run(&cluster.url(), "CREATE ROLE asleep");
    let port = cluster.port;
    for (url, code, words) in [
        (
            "mysql://u:pw-in-the-url@h/d".to_owned(),
            64,
            vec!["postgres://", "postgresql://"],
        ),
        (
            format!("postgres://u:pw-in-the-url@127.0.0.1:{port}/postgres"),
            69,
            vec!["role"],
        ),
        (
            format!("postgres://postgres:pw-in-the-url@127.0.0.1:{port}/none"),
            69,
            vec!["database"],
        ),
        (
            "postgres://u:pw-in-the-url@127.0.0.1:1/d".to_owned(),
            69,
            vec!["cannot be reached"],
        ),
        (
            format!("postgres://u:pw-in-the-url@127.0.0.1:{port}/d?sslmode=verify-full"),
            69,
            vec!["certificate"],
        ),
        (
            format!("postgres://u:pw-in-the-url@127.0.0.1:{port}/d?none=such"),
            78,
            vec!["option"],
        ),
        (
            format!("postgres://u:pw-in-the-url%zz@127.0.0.1:{port}/d"),
            78,
            vec!["percent-encoded"],
        ),
        (
            format!("postgres://postgres:pw-in-the-url@127.0.0.1:{port}/d?connect_timeout=abc"),
            78,
            vec!["option"],
        ),
        (
            format!("postgres://postgres:pw-in-the-url@127.0.0.1:{port}/d?gssencmode=bogus"),
            78,
            vec!["option"],
        ),
        (
            format!(
                "postgres://postgres:pw-in-the-url@127.0.0.1:{port}/postgres?options=-cfoo%3Dbar"
            ),
            78,
            vec!["option"],
        ),
        (
            format!("postgres://postgres:pw-in-the-url@127.0.0.1:{port}/certificates"),
            69,
            vec!["no such database"],
        ),
        (
            format!("postgres://asleep:pw-in-the-url@127.0.0.1:{port}/postgres"),
            69,
            vec!["LOGIN"],
        ),
        (
            format!(
                "postgres://postgres:pw-in-the-url@127.0.0.1:{port}/postgres?target_session_attrs=standby"
            ),
            69,
            vec!["host"],
        ),
    ] {
        let output = migrate(&url);
        assert_refused(&output, code, &words);
        assert!(!stderr(&output).contains("pw-in-the-url"));
    }
}

#[test]
fn a_database_of_a_role_that_may_not_create_tables_says_so() {
    let cluster = Cluster::start(&[]).unwrap();
    run(&cluster.url(), "CREATE ROLE reader LOGIN");
    let reader = cluster.url_of("reader", "postgres");
    let output = migrate(&reader);
    assert_refused(&output, 78, &["reader", "credence migrate"]);
    run(&cluster.url(), &last_told_statements(&output));
    assert!(migrate(&reader).status.success());
    run(
        &cluster.url(),
        "REVOKE ALL ON SCHEMA public FROM PUBLIC, reader",
    );
    let output = migrate(&reader);
    assert_refused(&output, 78, &["reader", "may not use the schema public"]);
    run(&cluster.url(), &last_told_statements(&output));
    assert!(migrate(&reader).status.success());
}

/// The statements that a message ends with.
fn last_told_statements(output: &Output) -> String {
    stderr(output).rsplit('`').nth(1).unwrap().to_owned()
}

/// The statements that a message has between backticks.
fn told_statements(output: &Output) -> String {
    stderr(output).split('`').nth(1).unwrap().to_owned()
}

#[test]
fn a_role_whose_search_path_leads_nowhere_is_told_what_an_administrator_is_to_run() {
    let cluster = Cluster::start(&[]).unwrap();
    run(
        &cluster.url(),
        "CREATE ROLE lost LOGIN; ALTER ROLE lost SET search_path = nowhere",
    );
    let lost = cluster.url_of("lost", "postgres");
    let refused = migrate(&lost);
    assert_refused(&refused, 78, &["(nowhere)", "lost", "CREATE SCHEMA"]);
    run(&cluster.url(), &told_statements(&refused));
    let migrated = migrate(&lost);
    assert!(migrated.status.success(), "{}", stderr(&migrated));
}

#[test]
fn a_server_that_speaks_another_language_than_english_is_refused_at_every_start() {
    // A locale of that name, with whatever in it: only its name matters to PostgreSQL.
    let locales = TempDir::new().unwrap();
    std::fs::set_permissions(locales.path(), Permissions::from_mode(0o755)).unwrap();
    let copied = Command::new("cp")
        .args(["-r", "/usr/lib/locale/C.utf8"])
        .arg(locales.path().join("de_DE.utf8"))
        .status();
    assert!(copied.unwrap().success());
    let mut programs = Programs::find().unwrap();
    let places = format!("{}:/usr/lib/locale", locales.path().display());
    programs.environment = vec![("LOCPATH", places.into())];
    let cluster = Cluster::start_with(programs, &[]).unwrap();
    assert!(migrate(&cluster.url()).status.success());
    run(
        &cluster.url(),
        "ALTER DATABASE postgres SET lc_messages = 'de_DE.UTF-8'",
    );
    // There is nothing left to migrate.
    let refused = migrate(&cluster.url());
    assert_refused(&refused, 78, &["de_DE.UTF-8", "lc_messages"]);
    run(&cluster.url(), &told_statements(&refused));
    let migrated = migrate(&cluster.url());
    assert!(migrated.status.success(), "{}", stderr(&migrated));
}

/// The statements of the documentation, in its order.
fn documented_statements() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md");
    let text = std::fs::read_to_string(path).unwrap();
    let section = text.split("### Two roles").nth(1).unwrap();
    let section = section.split("\n### ").next().unwrap();
    let blocks = section.split("```sql\n").skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn the_role_that_serves_may_do_what_it_must_and_not_touch_the_audit_log() {
    let cluster = Cluster::start(&[]).unwrap();
    let statements = documented_statements();
    let [roles, grants] = statements.as_slice() else {
        panic!("there are {} blocks", statements.len())
    };
    run(&cluster.url(), roles);
    let owner = cluster.url_of("credence_owner", "postgres");
    let migrated = migrate(&owner);
    assert!(migrated.status.success(), "{}", stderr(&migrated));
    run(&owner, grants);
    let server_url = cluster.url_of("credence_server", "postgres");
    let directory = TempDir::new().unwrap();
    let place = Place {
        data: directory.path().join("data"),
        url: Some(server_url.clone()),
    };
    let server = place.serve(Stdio::null(), &[]);
    let scopes = "credentials:read credentials:write credentials:manage credentials:resolve users:manage audit:read";
    let token = place
        .command(&["token", "--sub", "ada", "--scope", scopes])
        .output();
    let token = stdout(&token.unwrap()).trim().to_owned();
    let ask = async |query: &str| client::ask(&server, &token, query, json!({})).await;
    let created = ask(r#"mutation { createCredential(input: {name: "n", value: "v"}) { credential { id owner { id } } userErrors { code } } }"#).await;
    let (id, owner_id) = (
        &created["credential"]["id"],
        &created["credential"]["owner"]["id"],
    );
    let resolve = format!(
        r#"mutation {{ resolveCredential(input: {{credentialId: {id}, consumer: {{kind: WORKFLOW, externalId: "w"}}}}) {{ value }} }}"#
    );
    assert_eq!(ask(&resolve).await["value"], "v");
    let declare = format!(
        r#"mutation {{ declareReferences(input: {{credentialIds: [{id}], consumer: {{kind: WORKFLOW, externalId: "w"}}}}) {{ userErrors {{ code }} }} }}"#
    );
    assert_eq!(ask(&declare).await["userErrors"], json!([]));
    let url = format!("http://{}", server.address);
    let entered = reqwest::Client::new()
        .post(format!("{url}/session"))
        .header("origin", &url)
        .header("content-type", "application/json")
        .body(json!({ "token": token }).to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(entered.status(), 200);
    let count =
        format!("{{ credential(id: {id}) {{ references {{ nodes {{ resolveCount }} }} }} }}");
    let started = Instant::now();
    while ask(&count).await["references"]["nodes"][0]["resolveCount"] != 1 {
        assert!(started.elapsed() < Duration::from_secs(20));
        sleep(Duration::from_millis(100)).await;
    }
    let rename = format!(
        r#"mutation {{ updateCredential(input: {{credentialId: {id}, name: "m", value: "w"}}) {{ userErrors {{ code }} }} }}"#
    );
    assert_eq!(ask(&rename).await["userErrors"], json!([]));
    assert_eq!(
        ask("{ auditEvents { nodes { action } } }").await["nodes"]
            .as_array()
            .unwrap()
            .len(),
        5
    );
    let ready = async || {
        let answer = reqwest::get(format!("http://{}/readyz", server.address)).await;
        answer.unwrap().status()
    };
    assert_eq!(ready().await, 200);
    // Without its events nothing can be done.
    run(&owner, "REVOKE INSERT ON audit_events FROM credence_server");
    // It is looked at once a second.
    let seen = timeout(Duration::from_secs(5), async {
        while ready().await != 503 {}
    });
    seen.await
        .expect("a server without its log says that it is ready");
    run(&owner, "GRANT INSERT ON audit_events TO credence_server");
    let delete = format!(
        "mutation {{ deleteUser(input: {{userId: {owner_id}}}) {{ userErrors {{ code }} }} }}"
    );
    assert_eq!(ask(&delete).await["userErrors"], json!([]));
    let mut connection = PgConnection::establish(&server_url).unwrap();
    for statement in [
        "UPDATE audit_events SET actor_subject = 'somebody else'",
        "DELETE FROM audit_events",
        "TRUNCATE audit_events",
        "DROP TABLE audit_events",
        "UPDATE keyring SET generation = 2",
        "DELETE FROM data_keys",
        "CREATE TABLE more (id integer)",
    ] {
        assert!(
            connection.batch_execute(statement).is_err(),
            "{statement} is allowed"
        );
    }
}
