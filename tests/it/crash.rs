//! `kill -9` under load: what was acknowledged is there, all else is there wholly or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::support::busy::processors;
use crate::support::process::{ServerProcess, stderr};
use crate::support::{database, http_client, secret};

const WRITERS: usize = 8;

/// What one writer knows: the version of each of its credentials that was acknowledged last, and what it asked for last.
#[derive(Default)]
struct Journal {
    acknowledged: BTreeMap<String, i64>,
    requested: BTreeSet<String>,
    acknowledged_events: usize,
}

async fn post(
    client: &reqwest::Client,
    address: &str,
    token: &str,
    query: &str,
    variables: Value,
) -> Option<Value> {
    let request = client
        .post(format!("http://{address}/graphql"))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(json!({ "query": query, "variables": variables }).to_string());
    let bytes = request.send().await.ok()?.bytes().await.ok()?;
    let body: Value = serde_json::from_slice(&bytes).ok()?;
    assert_eq!(body.get("errors"), None, "{body}");
    Some(body["data"].as_object()?.values().next()?.clone())
}

const CREATE: &str = "mutation($name: String!, $value: String!) { createCredential(input: {name: $name, value: $value}) { credential { id } userErrors { code } } }";
const ROTATE: &str = "mutation($id: ID!, $value: String!) { updateCredential(input: {credentialId: $id, value: $value}) { credential { valueVersion } userErrors { code } } }";
const BY_NAME: &str = "query($name: String!) { credentialByName(name: $name) { id valueVersion } }";
const RESOLVE: &str = "mutation($id: ID!) { resolveCredential(input: {credentialId: $id, consumer: {kind: WORKFLOW, externalId: \"w\"}}) { value valueVersion userErrors { code } } }";

/// Creates credentials and rotates each once, until the server is gone.
async fn write(
    round: u64,
    writer: usize,
    address: String,
    token: String,
    stop: Arc<AtomicBool>,
    tell: UnboundedSender<()>,
) -> Journal {
    // Nobody listens any more once the server is killed.
    let acknowledge = || {
        let _heard = tell.send(());
    };
    let client = http_client();
    let mut journal = Journal::default();
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let name = format!("{round}-{writer}-{number}");
        journal.requested.insert(name.clone());
        let variables = json!({ "name": name, "value": secret(&format!("{name}-1")) });
        let Some(created) = post(&client, &address, &token, CREATE, variables).await else {
            break;
        };
        assert_eq!(created["userErrors"], json!([]));
        journal.acknowledged.insert(name.clone(), 1);
        journal.acknowledged_events += 1;
        acknowledge();
        let variables =
            json!({ "id": created["credential"]["id"], "value": secret(&format!("{name}-2")) });
        let Some(rotated) = post(&client, &address, &token, ROTATE, variables).await else {
            break;
        };
        assert_eq!(rotated["credential"]["valueVersion"], 2);
        journal.acknowledged.insert(name, 2);
        journal.acknowledged_events += 1;
        acknowledge();
    }
    journal
}

/// Every credential that a writer asked for, against what it was told.
async fn check(address: &str, admin: &str, runtime: &str, journal: &Journal) -> usize {
    let client = http_client();
    let mut events = 0;
    for name in &journal.requested {
        let found = post(&client, address, admin, BY_NAME, json!({ "name": name }))
            .await
            .unwrap_or(Value::Null);
        let acknowledged = journal.acknowledged.get(name).copied().unwrap_or(0);
        let version = found["valueVersion"].as_i64().unwrap_or(0);
        assert!(
            version == acknowledged || version == acknowledged + 1,
            "{name}: {version}, and {acknowledged} was acknowledged"
        );
        if version == 0 {
            continue;
        }
        let resolved = post(
            &client,
            address,
            runtime,
            RESOLVE,
            json!({ "id": found["id"] }),
        )
        .await
        .unwrap();
        assert_eq!(resolved["value"], secret(&format!("{name}-{version}")));
        let query = "query($id: ID!) { auditEvents(filter: {credentialId: $id, actions: [CREDENTIAL_CREATED, CREDENTIAL_ROTATED]}) { nodes { action valueVersion } } }";
        let log = post(&client, address, admin, query, json!({ "id": found["id"] }))
            .await
            .unwrap();
        let expected: Vec<Value> = (1..=version)
            .rev()
            .map(|version| json!({ "action": if version == 1 { "CREDENTIAL_CREATED" } else { "CREDENTIAL_ROTATED" }, "valueVersion": version }))
            .collect();
        assert_eq!(log["nodes"], Value::Array(expected), "{name}");
        events += usize::try_from(version).unwrap();
    }
    events
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn kills_under_eight_writers_lose_nothing_that_was_acknowledged() {
    let _alone = processors().await;
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    for round in 0..u64::from(database::times(20, 5)) {
        let mut server = ServerProcess::start(&data, Stdio::null(), &[]);
        let token = ServerProcess::token(&data, "writer", "admin");
        let stop = Arc::new(AtomicBool::new(false));
        let (tell, mut told) = unbounded_channel();
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                tokio::spawn(write(
                    round,
                    writer,
                    server.address.clone(),
                    token.clone(),
                    Arc::clone(&stop),
                    tell.clone(),
                ))
            })
            .collect();
        // Killed at another moment each time.
        for _ in 0..16 + 7 * round {
            told.recv().await.unwrap();
        }
        server.child.kill().unwrap();
        server.child.wait().unwrap();
        stop.store(true, Ordering::Relaxed);
        let mut journals = Vec::new();
        for writer in writers {
            journals.push(writer.await.unwrap());
        }

        let server = ServerProcess::start(&data, Stdio::null(), &[]);
        let admin = ServerProcess::token(&data, "checker", "admin");
        let runtime = ServerProcess::token(&data, "runtime", "runtime");
        let checks = journals.iter().map(async |journal| {
            let events = check(&server.address, &admin, &runtime, journal).await;
            assert!(events >= journal.acknowledged_events);
        });
        join_all(checks).await;
    }
    // The log ends where it ended, wherever a server was killed.
    let verified = database::place(&data)
        .command(&["audit", "verify"])
        .output();
    let verified = verified.unwrap();
    assert!(verified.status.success(), "{}", stderr(&verified));
    // PostgreSQL was not killed.
    if !database::is_postgres() {
        assert_eq!(integrity(&data.join("credence.db")), "ok");
    }
}

fn integrity(path: &std::path::Path) -> String {
    use credence::store::connection::{Database, DatabaseConnection};
    use diesel::prelude::*;
    #[derive(QueryableByName)]
    struct Check {
        #[diesel(sql_type = diesel::sql_types::Text)]
        integrity_check: String,
    }
    let Ok(DatabaseConnection::Sqlite(mut connection)) =
        Database::Sqlite(path.to_owned()).connect()
    else {
        panic!("the database does not open");
    };
    let check: Check = diesel::sql_query("PRAGMA integrity_check")
        .get_result(&mut connection)
        .unwrap();
    check.integrity_check
}
