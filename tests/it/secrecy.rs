//! No value stands anywhere but in the answer to a resolve: not in the files of the database, not in the log at its finest,
//! not in an error.

use std::fs::File;
use std::process::Stdio;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::process::ServerProcess;
use crate::support::{Answer, MARKER, database, holds_marker, http_client, marker_forms, secret};

pub async fn ask(server: &ServerProcess, token: &str, body: String) -> Answer {
    let client = http_client();
    let request = client
        .post(format!("http://{}/graphql", server.address))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(body);
    Answer::from(request.send().await.unwrap()).await
}

fn mutation(name: &str, selection: &str, input: Value) -> String {
    let kind = format!("{}{}Input!", name[..1].to_uppercase(), &name[1..]);
    let query = format!(
        "mutation($input: {kind}) {{ {name}(input: $input) {{ {selection} userErrors {{ code message }} }} }}"
    );
    json!({ "query": query, "variables": { "input": input } }).to_string()
}

/// Everything that can go right and wrong with a value, once.
pub async fn use_values(server: &ServerProcess, admin: &str, runtime: &str) {
    let create = |name: &str, value: Value| {
        mutation(
            "createCredential",
            "credential { id }",
            json!({ "name": name, "value": value }),
        )
    };
    let consumer = json!({ "kind": "WORKFLOW", "externalId": "w" });
    let mut ids = Vec::new();
    for number in 0..50 {
        let answer = ask(
            server,
            admin,
            create(&format!("key-{number}"), json!(secret("stored"))),
        )
        .await;
        ids.push(
            answer.field()["credential"]["id"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
    }
    let large = format!("{}{}", secret("large"), "x".repeat(60_000));
    for id in &ids {
        let update = json!({ "credentialId": id, "name": format!("renamed {id}"), "value": large });
        ask(
            server,
            admin,
            mutation("updateCredential", "credential { id }", update),
        )
        .await
        .data();
        let update = json!({ "credentialId": id, "value": secret("rotated") });
        ask(
            server,
            admin,
            mutation("updateCredential", "credential { id }", update),
        )
        .await
        .data();
        let resolve = json!({ "credentialId": id, "consumer": consumer });
        let resolved = ask(
            server,
            runtime,
            mutation("resolveCredential", "value", resolve),
        )
        .await;
        assert_eq!(resolved.field()["value"], secret("rotated"));
    }
    for body in [
        create("", json!(secret("bad name"))),
        create("key-1\n", json!(secret("bad name"))),
        create("twice", json!([secret("list")])),
        create("twice", json!({ secret("key"): 1 })),
        create(&format!("renamed {}", ids[0]), json!(secret("taken"))),
        json!({ "query": format!("mutation {{ createCredential(input: {{name: \"l\", value: \"{MARKER}\"}}) {{ credential {{ id }} }} }}") }).to_string(),
        json!({ "query": format!("mutation {{ createCredential(input: {{name: \"l\", value: \"{MARKER}}}) {{ credential {{ id }} }} }}") }).to_string(),
        json!({ "query": format!("{{ {MARKER} }}") }).to_string(),
        format!("{{\"query\": \"{MARKER}"),
        format!("{MARKER}: not JSON"),
    ] {
        ask(server, admin, body).await;
    }
    ask(server, MARKER, "{}".to_owned()).await;
    for id in ids.iter().take(25) {
        ask(
            server,
            admin,
            mutation(
                "deleteCredential",
                "deletedCredentialId",
                json!({ "credentialId": id }),
            ),
        )
        .await
        .data();
    }
}

#[tokio::test]
async fn no_file_of_the_database_and_no_line_of_the_log_holds_a_value() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let log_path = directory.path().join("log");
    let log = File::create(&log_path).unwrap();
    let mut server = ServerProcess::start(
        &data,
        Stdio::from(log),
        &["--log", "trace", "--log-format", "json"],
    );
    let admin = ServerProcess::token(&data, "ada", "admin");
    let runtime = ServerProcess::token(&data, "runtime", "runtime");
    use_values(&server, &admin, &runtime).await;

    // While it runs, the newest pages are in the log beside the database.
    let mut files = vec!["master.key", "signing.key"];
    if !database::is_postgres() {
        files.extend(["credence.db", "credence.db-wal", "credence.db-shm", "lock"]);
    }
    for file in files {
        let content = std::fs::read(data.join(file)).unwrap();
        assert!(!holds_marker(&content), "{file} holds a value");
    }
    let written = std::fs::metadata(data.join("credence.db-wal"));
    assert!(database::is_postgres() || written.unwrap().len() > 0);
    server.signal("TERM");
    assert!(server.child.wait().unwrap().success());
    if !database::is_postgres() {
        let database = std::fs::read(data.join("credence.db")).unwrap();
        assert!(database.len() > 100_000);
        assert!(!holds_marker(&database), "the database holds a value");
    }

    let log = std::fs::read(&log_path).unwrap();
    let text = String::from_utf8_lossy(&log);
    assert!(
        text.contains("DEBUG") && text.contains("a token was refused"),
        "the log is not at its finest"
    );
    assert!(!holds_marker(&log), "the log holds a value");
    for token in [admin, runtime] {
        assert!(!text.contains(&token), "the log holds a token");
    }
}

#[test]
fn the_search_for_the_marker_finds_it_in_every_form() {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    assert_eq!(marker_forms().len(), 6);
    assert!(holds_marker(format!("before {MARKER} behind").as_bytes()));
    let hex: String = format!("a{MARKER}b")
        .bytes()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert!(holds_marker(hex.as_bytes()));
    assert!(holds_marker(hex.to_uppercase().as_bytes()));
    for around in ["", "x", "xy", "xyz", "xyzw"] {
        assert!(
            holds_marker(
                STANDARD
                    .encode(format!("{around}{MARKER}{around}"))
                    .as_bytes()
            ),
            "{around}"
        );
    }
    assert!(!holds_marker(b"Marker5eCre"));
}
