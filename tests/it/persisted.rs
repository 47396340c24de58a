//! Automatic persisted queries: a document is sent once, and then by its hash.

use std::fs::File;
use std::process::Stdio;

use credence::crypto::digest::sha256;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::form_urlencoded;

use crate::support::busy::processors;
use crate::support::client::ask;
use crate::support::process::ServerProcess;
use crate::support::{Answer, Person, Server, secret};

fn hash(document: &str) -> String {
    sha256(document.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

async fn send(person: &Person<'_>, query: Option<&str>, hash: &str, variables: Value) -> Answer {
    let mut body = json!({ "variables": variables, "extensions": { "persistedQuery": { "version": 1, "sha256Hash": hash } } });
    if let Some(query) = query {
        body["query"] = json!(query);
    }
    person.send(body.to_string()).await
}

#[tokio::test]
async fn a_document_is_known_by_its_hash_once_it_was_sent() {
    let server = Server::start().await;
    let vera = server.viewer("vera");
    let document = "query($ids: [ID!]!) { credentialStatuses(ids: $ids) { credentialId } }";
    let variables = json!({ "ids": ["a"] });
    let unknown = send(&vera, None, &hash(document), variables.clone()).await;
    assert_eq!(
        (unknown.status.as_u16(), unknown.codes()),
        (200, vec!["PERSISTED_QUERY_NOT_FOUND"])
    );
    assert_eq!(
        unknown.body["errors"][0]["message"],
        "PersistedQueryNotFound"
    );
    let sent = send(&vera, Some(document), &hash(document), variables).await;
    assert_eq!(*sent.field(), json!([{ "credentialId": "a" }]));
    for hash in [hash(document), hash(document).to_uppercase()] {
        let known = send(&vera, None, &hash, json!({ "ids": ["b"] })).await;
        assert_eq!(*known.field(), json!([{ "credentialId": "b" }]));
    }
    let extensions =
        json!({ "persistedQuery": { "version": 1, "sha256Hash": hash(document) } }).to_string();
    let url = form_urlencoded::Serializer::new(server.url("/graphql?"))
        .append_pair("extensions", &extensions)
        .append_pair("variables", r#"{"ids":["c"]}"#)
        .finish();
    let get = server
        .client
        .get(url)
        .header("authorization", format!("Bearer {}", vera.token));
    let known = Answer::from(get.send().await.unwrap()).await;
    assert_eq!(*known.field(), json!([{ "credentialId": "c" }]));
}

#[tokio::test]
async fn what_is_not_good_is_not_remembered() {
    let server = Server::start().await;
    let vera = server.viewer("vera");
    let invalid = "{ nothing }";
    assert_eq!(
        send(&vera, Some(invalid), &hash(invalid), json!({}))
            .await
            .codes(),
        ["GRAPHQL_VALIDATION_FAILED"]
    );
    assert_eq!(
        send(&vera, None, &hash(invalid), json!({})).await.codes(),
        ["PERSISTED_QUERY_NOT_FOUND"]
    );
    let document = "{ viewer { subject } }";
    let mismatched = send(&vera, Some(document), &hash("{ viewer { id } }"), json!({})).await;
    assert_eq!(mismatched.codes(), ["BAD_REQUEST"]);
    assert_eq!(
        send(&vera, None, &hash("{ viewer { id } }"), json!({}))
            .await
            .codes(),
        ["PERSISTED_QUERY_NOT_FOUND"]
    );
    // Without a good token, nothing is remembered.
    let stranger = server.bearer("x.y.z");
    assert_eq!(
        send(&stranger, Some(document), &hash(document), json!({}))
            .await
            .status,
        401
    );
    assert_eq!(
        send(&vera, None, &hash(document), json!({})).await.codes(),
        ["PERSISTED_QUERY_NOT_FOUND"]
    );
}

/// It may hold a value: a mutation with a text in it, whether a literal or a default.
#[tokio::test]
async fn a_mutation_that_may_hold_a_value_is_not_remembered() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    let literal = format!(
        "mutation {{ createCredential(input: {{name: \"n\", value: \"{}\"}}) {{ userErrors {{ code }} }} }}",
        secret("literal")
    );
    let default = format!(
        "mutation($v: String! = \"{}\") {{ createCredential(input: {{name: \"m\", value: $v}}) {{ userErrors {{ code }} }} }}",
        secret("default")
    );
    let block = "mutation { createCredential(input: {name: \"b\", value: \"\"\"block\"\"\"}) { userErrors { code } } }".to_owned();
    for document in [literal, default, block] {
        let sent = send(&alice, Some(&document), &hash(&document), json!({})).await;
        assert_eq!(sent.user_errors(), Vec::<String>::new());
        assert_eq!(
            send(&alice, None, &hash(&document), json!({}))
                .await
                .codes(),
            ["PERSISTED_QUERY_NOT_FOUND"]
        );
    }
    let variable = "mutation($i: CreateCredentialInput!) { createCredential(input: $i) { userErrors { code field } } }";
    let input = |name: &str| json!({ "i": { "name": name, "value": secret("variable") } });
    send(&alice, Some(variable), &hash(variable), input("first"))
        .await
        .data();
    assert_eq!(
        send(&alice, None, &hash(variable), input("second"))
            .await
            .user_errors(),
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn other_forms_of_the_extension_are_bad_requests() {
    let server = Server::start().await;
    let vera = server.viewer("vera");
    for persisted in [
        json!("x"),
        json!({}),
        json!({ "version": 2, "sha256Hash": hash("x") }),
        json!({ "version": "1", "sha256Hash": hash("x") }),
        json!({ "version": 1 }),
        json!({ "version": 1, "sha256Hash": 7 }),
    ] {
        let answer = vera
            .send(json!({ "extensions": { "persistedQuery": persisted } }).to_string())
            .await;
        assert_eq!(
            (answer.status.as_u16(), answer.codes()),
            (400, vec!["BAD_REQUEST"]),
            "{persisted}"
        );
    }
    for hash in ["", "abc", &"g".repeat(64), &"é".repeat(32)] {
        assert_eq!(
            send(&vera, None, hash, json!({})).await.codes(),
            ["PERSISTED_QUERY_NOT_FOUND"],
            "{hash}"
        );
    }
}

/// How much memory a process has, in KiB.
fn memory_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap()
}

/// What is remembered is bounded by the memory that it takes, and not only by its number. Nobody else can forget it.
#[tokio::test]
async fn documents_that_are_remembered_take_a_bounded_amount_of_memory() {
    let _alone = processors().await;
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let server = ServerProcess::start(&data, Stdio::null(), &[]);
    let token = ServerProcess::token(&data, "vera", "viewer");
    let ask_for = async |number: usize| {
        let query = format!("query q{number} {{ viewer {{ {} }} }}", "id ".repeat(990));
        ask(&server, &token, &query, json!({})).await;
    };
    ask_for(0).await;
    let before = memory_kib(server.child.id());
    for number in 1..=500 {
        ask_for(number).await;
    }
    let grown = memory_kib(server.child.id()) - before;
    assert!(grown < 128 * 1024, "{grown} KiB more are used");
}

/// A document costs one check, however often it comes.
#[tokio::test]
async fn a_document_is_checked_once() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let log_path = directory.path().join("log");
    let log = File::create(&log_path).unwrap();
    let server = ServerProcess::start(
        &data,
        Stdio::from(log),
        &["--log", "credence::graphql=debug"],
    );
    let token = ServerProcess::token(&data, "vera", "viewer");
    for query in [
        "{ viewer { id } }",
        "{ viewer { name } }",
        "{ viewer { id } }",
        "{ viewer { id } }",
    ] {
        ask(&server, &token, query, json!({})).await;
    }
    let log = std::fs::read_to_string(log_path).unwrap();
    assert_eq!(log.matches("a document was checked").count(), 2, "{log}");
}
