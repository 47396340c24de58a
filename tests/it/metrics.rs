//! `/metrics`: what is counted, and what never stands there.

use std::collections::BTreeMap;
use std::time::Duration;

use credence::store::Store;
use credence::store::error::StoreError;
use credence::types::clock::Clock;
use diesel::connection::SimpleConnection;
use futures_util::future::join_all;
use serde_json::json;
use tempfile::TempDir;
use tokio::time::timeout;

use crate::support::database;
use crate::support::metrics::{Scrape, text};
use crate::support::server::consumer;
use crate::support::store::signer;
use crate::support::stream::{EventStream, Socket};
use crate::support::{MARKER, Server, holds_marker, secret};

const FOLLOW: &str = "subscription { credentialChanged { action } }";

/// The changes as they are expected, each by the end of its series.
fn expected<const N: usize>(changes: [(&str, i64); N]) -> BTreeMap<String, i64> {
    changes
        .into_iter()
        .map(|(series, by)| (format!("credence_{series}"), by))
        .collect()
}

#[tokio::test]
async fn known_operations_move_the_right_counters_by_the_right_number() {
    let server = Server::start().await;
    let (alice, runtime) = (server.editor("alice"), server.runtime());
    let kept = alice.create("kept").await;
    let deleted = alice.create("deleted").await;
    runtime.id().await;
    let before = Scrape::of(&server).await;
    assert_eq!(
        before.value("credence_values{data_key_state=\"active\"}"),
        2
    );

    for _ in 0..3 {
        alice.ask("{ viewer { id } }").await.data();
    }
    // Refused before anything is executed: by the document, by a variable, by the name of the operation, by its hash.
    alice.ask("{ nothing }").await;
    alice.ask("{").await;
    alice
        .ask_with("query($id: ID!) { node(id: $id) { id } }", json!({}))
        .await;
    alice
        .send(json!({ "query": "query a { viewer { id } }", "operationName": "b" }).to_string())
        .await;
    let unknown = json!({ "persistedQuery": { "version": 1, "sha256Hash": "0".repeat(64) } });
    alice
        .send(json!({ "extensions": unknown }).to_string())
        .await;
    // Refused before there is an operation.
    server.stranger().ask("{ viewer { id } }").await;
    server
        .bearer("no.good.token")
        .ask("{ viewer { id } }")
        .await;
    server
        .client
        .get(server.url("/nowhere"))
        .send()
        .await
        .unwrap();
    server
        .client
        .get(server.url("/healthz"))
        .send()
        .await
        .unwrap();

    alice
        .mutate("deleteCredential", json!({ "credentialId": deleted }))
        .await
        .data();
    alice
        .mutate("createCredential", json!({ "name": "", "value": "v" }))
        .await
        .data();
    for _ in 0..4 {
        runtime.resolve(&kept).await.data();
    }
    let held = json!({ "credentialId": kept, "consumer": consumer(), "ifVersionNot": 1 });
    runtime.mutate("resolveCredential", held).await.data();
    runtime.resolve(&deleted).await.data();
    runtime.resolve("nothing").await.data();
    let nobody = json!({ "kind": "WORKFLOW", "externalId": "" });
    runtime
        .mutate(
            "resolveCredential",
            json!({ "credentialId": kept, "consumer": nobody }),
        )
        .await
        .data();
    alice.resolve(&kept).await;
    alice.ask("{ users(first: 1) { nodes { id } } }").await;
    server
        .viewer("vera")
        .mutate("createCredential", json!({ "name": "n", "value": "v" }))
        .await;

    let changes = Scrape::of(&server).await.changes_since(&before);
    let counted = expected([
        ("http_requests_total{route=\"graphql\",status=\"2xx\"}", 21),
        ("http_requests_total{route=\"graphql\",status=\"4xx\"}", 2),
        ("http_requests_total{route=\"health\",status=\"2xx\"}", 1),
        ("http_requests_total{route=\"other\",status=\"4xx\"}", 1),
        ("operations_total{type=\"none\",code=\"BAD_USER_INPUT\"}", 1),
        (
            "operations_total{type=\"none\",code=\"GRAPHQL_PARSE_FAILED\"}",
            1,
        ),
        (
            "operations_total{type=\"none\",code=\"GRAPHQL_VALIDATION_FAILED\"}",
            1,
        ),
        (
            "operations_total{type=\"none\",code=\"OPERATION_RESOLUTION_FAILURE\"}",
            1,
        ),
        (
            "operations_total{type=\"none\",code=\"PERSISTED_QUERY_NOT_FOUND\"}",
            1,
        ),
        (
            "operations_total{type=\"none\",code=\"UNAUTHENTICATED\"}",
            2,
        ),
        ("operations_total{type=\"query\",code=\"OK\"}", 3),
        ("operations_total{type=\"mutation\",code=\"OK\"}", 10),
        ("operations_total{type=\"query\",code=\"FORBIDDEN\"}", 1),
        ("operations_total{type=\"mutation\",code=\"FORBIDDEN\"}", 2),
        ("resolves_total{outcome=\"resolved\"}", 4),
        ("resolves_total{outcome=\"not_modified\"}", 1),
        ("resolves_total{outcome=\"deleted\"}", 1),
        ("resolves_total{outcome=\"not_found\"}", 1),
        ("resolves_total{outcome=\"bad_input\"}", 1),
        ("resolves_total{outcome=\"forbidden\"}", 1),
        ("audit_events_total{action=\"CREDENTIAL_DELETED\"}", 1),
        ("audit_events_total{action=\"CREDENTIAL_RESOLVED\"}", 4),
        ("audit_events_total{action=\"CREDENTIAL_NOT_MODIFIED\"}", 1),
        (
            "audit_events_total{action=\"CREDENTIAL_RESOLVE_REFUSED\"}",
            3,
        ),
        ("audit_refusals_total{recorded=\"alone\"}", 3),
        ("audit_refusals_total{recorded=\"counted\"}", 3),
        ("token_verifications_total{outcome=\"malformed\"}", 1),
    ]);
    assert_eq!(changes, counted);
    // A token is verified once, and known from then on.
    let scrape = Scrape::of(&server).await;
    let verified = scrape.value("credence_token_verifications_total{outcome=\"accepted\"}");
    let known = scrape.value("credence_token_cache_lookups_total{result=\"hit\"}");
    assert!(
        verified >= 1 && verified + known >= 4,
        "{verified}, {known}"
    );
}

#[tokio::test]
async fn a_subscription_is_open_until_it_ends_and_is_counted_then() {
    let server = Server::start().await;
    let vera = server.viewer("vera");
    let open = "credence_subscriptions";
    let ended = "credence_operations_total{type=\"subscription\",code=\"OK\"}";
    let mut socket = Socket::open(&vera).await;
    socket.subscribe("1", FOLLOW, json!({})).await;
    socket.settle().await;
    let events = EventStream::open(&vera, FOLLOW, json!({})).await;
    let scrape = Scrape::of(&server).await;
    assert_eq!((scrape.value(open), scrape.value(ended)), (2, 0));

    socket.send(json!({ "type": "complete", "id": "1" })).await;
    socket.settle().await;
    let scrape = Scrape::of(&server).await;
    assert_eq!((scrape.value(open), scrape.value(ended)), (1, 1));

    // The server finds out that a client has left when it sends something to it.
    drop(events);
    let alice = server.editor("alice");
    let mut names = 0..;
    loop {
        alice
            .create(&format!("told {}", names.next().unwrap()))
            .await;
        let scrape = Scrape::of(&server).await;
        if scrape.value(open) == 0 {
            assert_eq!(scrape.value(ended), 2);
            break;
        }
    }
}

#[tokio::test]
async fn what_ends_a_subscription_is_its_code() {
    let server = Server::start().await;
    let nobody = server.token_with(json!({ "sub": "nobody", "scope": "users:manage" }));
    let mut socket = Socket::open(&server.bearer(&nobody)).await;
    socket.subscribe("1", FOLLOW, json!({})).await;
    assert_eq!(socket.receive().await.unwrap()["type"], "error");
    let scrape = Scrape::of(&server).await;
    let refused = "credence_operations_total{type=\"subscription\",code=\"FORBIDDEN\"}";
    assert_eq!(scrape.value(refused), 1);
    assert_eq!(scrape.value("credence_subscriptions"), 0);
}

/// SQLite has one writer: who has begun to write keeps the server from it.
#[tokio::test]
async fn an_operation_whose_client_leaves_is_counted_as_abandoned() {
    if database::is_postgres() {
        return;
    }
    let server = Server::start().await;
    let alice = server.editor("alice");
    alice.create("first").await;
    let mut writing = server.connect();
    writing.batch_execute("BEGIN IMMEDIATE").unwrap();
    let body = json!({ "query": "mutation { createCredential(input: { name: \"n\", value: \"v\" }) { userErrors { code } } }" });
    let request = alice.request().body(body.to_string());
    let sent = request.timeout(Duration::from_secs(1)).send().await;
    assert!(sent.unwrap_err().is_timeout());
    let abandoned = "credence_operations_total{type=\"mutation\",code=\"ABANDONED\"}";
    let events = "credence_audit_events_total{action=\"CREDENTIAL_CREATED\"}";
    // The server notices by itself that the connection is closed. What waits for the database is dropped then.
    let is_counted = async { while Scrape::of(&server).await.value(abandoned) == 0 {} };
    timeout(Duration::from_secs(10), is_counted).await.unwrap();
    writing.batch_execute("ROLLBACK").unwrap();
    alice.create("second").await;
    let scrape = Scrape::of(&server).await;
    assert_eq!((scrape.value(abandoned), scrape.value(events)), (1, 2));
}

#[tokio::test]
async fn the_connections_that_read_are_told_and_so_is_who_waits_for_one() {
    let directory = TempDir::new().unwrap();
    drop(
        Server::instance(directory.path(), Clock::system(), &[])
            .await
            .unwrap(),
    );
    let database = database::database(directory.path());
    let (store, end) = Store::open(&database, &signer()).unwrap();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = std::sync::Arc::new(std::sync::Mutex::new(released));
    let held = (0..8).map(|_| {
        let (store, released) = (store.clone(), std::sync::Arc::clone(&released));
        tokio::spawn(async move {
            let hold = move |_: &mut _| {
                released.lock().unwrap().recv().unwrap();
                Ok::<_, StoreError>(())
            };
            store.read(hold).await
        })
    });
    let held: Vec<_> = held.collect();
    let busy = "credence_pool_connections{state=\"busy\"}";
    store.observe();
    while Scrape::read(&store.metrics().encode()).value(busy) < 8 {
        tokio::task::yield_now().await;
        store.observe();
    }
    let refused = store.read(|_| Ok::<_, StoreError>(())).await;
    assert_eq!(refused, Err(StoreError::Overloaded));
    store.observe();
    let scrape = Scrape::read(&store.metrics().encode());
    assert_eq!(scrape.value("credence_pool_connections{state=\"busy\"}"), 8);
    assert_eq!(scrape.value("credence_pool_connections{state=\"idle\"}"), 0);
    assert_eq!(scrape.value("credence_pool_limit_connections"), 8);
    assert_eq!(scrape.value("credence_pool_timeouts_total"), 1);
    assert_eq!(scrape.value("credence_pool_wait_duration_seconds_count"), 1);
    assert_eq!(
        scrape.value("credence_pool_wait_duration_seconds_bucket{le=\"0.25\"}"),
        0
    );

    for _ in &held {
        release.send(()).unwrap();
    }
    for read in join_all(held).await {
        assert_eq!(read.unwrap(), Ok(()));
    }
    store.observe();
    let scrape = Scrape::read(&store.metrics().encode());
    assert_eq!(scrape.value("credence_pool_connections{state=\"busy\"}"), 0);
    assert_eq!(scrape.value("credence_pool_connections{state=\"idle\"}"), 8);
    end.finish();
}

#[tokio::test]
async fn commits_are_counted_with_their_jobs_and_their_time() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    let before = Scrape::of(&server).await;
    let creating = (0..32).map(|number| {
        let alice = alice.clone();
        async move { alice.create(&format!("{number}")).await }
    });
    join_all(creating).await;
    let scrape = Scrape::of(&server).await;
    let by = |series: &str| scrape.value(series) - before.value(series);
    let commits = by("credence_commits_total{outcome=\"committed\"}");
    // The user is made with a job of its own, and what was resolved is counted by others.
    let jobs = "credence_commit_jobs_sum";
    assert!(scrape.measure(jobs) - before.measure(jobs) >= 33.0);
    assert_eq!(by("credence_commit_jobs_count"), commits);
    assert_eq!(by("credence_commit_duration_seconds_count"), commits);
    assert!(scrape.measure("credence_commit_duration_seconds_sum") > 0.0);
    assert_eq!(by("credence_commits_total{outcome=\"failed\"}"), 0);
    assert_eq!(
        by("credence_operation_duration_seconds_count{type=\"mutation\"}"),
        32
    );
}

#[tokio::test]
async fn a_rotation_says_how_many_values_are_left() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    for name in ["a", "b", "c"] {
        alice.create(name).await;
    }
    // As a rotation leaves it that was broken off.
    server
        .connect()
        .batch_execute("UPDATE data_keys SET state = 'RETIRING' WHERE purpose = 'VALUE'")
        .unwrap();
    let scrape = Scrape::of(&server).await;
    assert_eq!(
        scrape.value("credence_values{data_key_state=\"retiring\"}"),
        3
    );
    assert_eq!(
        scrape.value("credence_values{data_key_state=\"active\"}"),
        0
    );
    assert_eq!(scrape.value("credence_rotation_left_values"), 3);
    assert_eq!(scrape.value("credence_keyring_generation"), 1);
    assert_eq!(scrape.value("credence_database_up"), 1);
}

#[tokio::test]
async fn neither_value_nor_name_nor_id_nor_subject_stands_there() {
    let server = Server::start().await;
    let subject = "a-peculiar-subject";
    let (alice, runtime) = (server.editor(subject), server.runtime());
    let named = json!({ "name": "A-peculiar-name", "value": secret("value") });
    let created = alice.mutate("createCredential", named).await;
    let id = created.field()["credential"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    runtime.resolve(&id).await.data();
    alice
        .ask(&format!("query {MARKER} {{ viewer {{ id }} }}"))
        .await
        .data();
    alice.ask(&format!("{{ {MARKER} }}")).await;
    server.bearer(MARKER).ask("{ viewer { id } }").await;
    let path = format!("/{MARKER}/{id}?{MARKER}");
    let missing = server
        .client
        .get(server.url(&path))
        .header("user-agent", MARKER);
    assert_eq!(missing.send().await.unwrap().status(), 404);

    let told = text(&server).await;
    assert!(!holds_marker(told.as_bytes()), "{told}");
    for secret in [
        id.as_str(),
        &alice.id().await,
        "peculiar",
        "urn:credence",
        "nowhere",
    ] {
        assert!(!told.contains(secret), "{secret} stands in {told}");
    }
    // A label is a word of the program or a bound.
    let labels = told
        .lines()
        .filter(|line| !line.starts_with('#'))
        .flat_map(|line| {
            line.split('"')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        });
    let strange: Vec<String> = labels
        .filter(|word| {
            !word
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_.+".contains(&byte))
        })
        .collect();
    assert_eq!(strange, Vec::<String>::new());
}

/// How many series there are does not depend on what clients send.
#[tokio::test]
async fn no_client_makes_another_series() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    let before = Scrape::of(&server).await.names();
    let count = Scrape::of(&server).await.0.len();
    for number in 0..50 {
        alice
            .ask(&format!("query q{number} {{ viewer {{ id }} }}"))
            .await;
        alice.ask(&format!("{{ field{number} }}")).await;
        let path = server.url(&format!("/path{number}"));
        let method = reqwest::Method::from_bytes(format!("M{number}").as_bytes()).unwrap();
        server.client.request(method, path).send().await.unwrap();
        server
            .bearer(&format!("token{number}"))
            .ask("{ viewer { id } }")
            .await;
    }
    let after = Scrape::of(&server).await;
    assert_eq!(after.names(), before);
    assert_eq!(after.0.len(), count);
}
