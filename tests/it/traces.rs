//! Traces: a span for each operation, sent to a collector by OTLP over HTTP, and nothing in it that is not to be known.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use credence::types::scope::Role;
use serde_json::json;

use crate::support::log::Log;
use crate::support::metrics::Scrape;
use crate::support::otlp::{Collector, Span};
use crate::support::server::consumer;
use crate::support::stream::Socket;
use crate::support::{MARKER, Server, holds_marker, secret};

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT_ID: &str = "00f067aa0ba902b7";
/// The SHA-256 of `query named { viewer { id } }`, by `sha256sum`.
const HASH: &str = "bc2d9abe8fd1afb6507087b227de5a9f6c79778ab72cb033219c18542bc03393";

async fn traced(collector: &Collector) -> Server {
    Server::start_with(&["--otlp-endpoint", &collector.url])
        .await
        .unwrap()
}

/// What spans say of their operations.
fn attributes(spans: &[Span]) -> Vec<BTreeMap<&str, &str>> {
    spans
        .iter()
        .map(|span| {
            span.attributes
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect()
        })
        .collect()
}

#[tokio::test]
async fn a_span_says_type_name_hash_and_outcome_and_joins_its_parent() {
    let collector = Collector::start().await;
    let server = traced(&collector).await;
    let vera = server.viewer("vera");
    let body = json!({ "query": "query named { viewer { id } }" }).to_string();
    let request = |flags: &str| {
        let parent = format!("00-{TRACE_ID}-{PARENT_ID}-{flags}");
        vera.request()
            .header("traceparent", parent)
            .header("tracestate", format!("vendor={MARKER}"))
    };
    request("01").body(body.clone()).send().await.unwrap();
    // The client's tracing system has not chosen this one.
    request("00").body(body.clone()).send().await.unwrap();
    vera.request()
        .header("traceparent", "no trace")
        .body(body.clone())
        .send()
        .await
        .unwrap();
    vera.mutate("createCredential", json!({ "name": "n", "value": "v" }))
        .await;
    vera.ask("{ nothing }").await;
    // Everything that is under way is sent before the end.
    server.stop().await;

    let spans = collector.spans();
    let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["query", "query", "mutation", "GraphQL Operation"]);
    assert_eq!(
        (spans[0].trace_id.as_str(), spans[0].parent_id.as_str()),
        (TRACE_ID, PARENT_ID)
    );
    for span in &spans[1..] {
        assert_eq!(span.parent_id, "");
        assert_ne!(span.trace_id, TRACE_ID);
    }
    let named = BTreeMap::from([
        ("credence.document.sha256", HASH),
        ("credence.outcome", "OK"),
        ("graphql.operation.name", "named"),
        ("graphql.operation.type", "query"),
    ]);
    let told = attributes(&spans);
    assert_eq!(told[..2], [named.clone(), named]);
    assert_eq!(told[2]["credence.outcome"], "FORBIDDEN");
    assert_eq!(
        told[3],
        BTreeMap::from([("credence.outcome", "GRAPHQL_VALIDATION_FAILED")])
    );
    let resource = collector.resource();
    assert_eq!(resource["service.name"], "credence");
    assert_eq!(resource["service.version"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn no_document_variable_message_name_or_id_is_sent() {
    let collector = Collector::start().await;
    let server = traced(&collector).await;
    let subject = "a-peculiar-subject";
    let (alice, runtime) = (server.editor(subject), server.runtime());
    let created = alice
        .mutate(
            "createCredential",
            json!({ "name": "A-peculiar-name", "value": secret("v") }),
        )
        .await;
    let id = created.field()["credential"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let own_id = alice.id().await;
    runtime.resolve(&id).await.data();
    let literal = format!(
        "mutation {{ createCredential(input: {{ name: \"l\", value: \"{MARKER}\" }}) {{ userErrors {{ code }} }} }}"
    );
    alice.ask(&literal).await.data();
    for document in [
        format!("{{ {MARKER} }}"),
        format!("query {MARKER} {{"),
        format!("query {}{MARKER} {{ viewer {{ id }} }}", "a".repeat(64)),
    ] {
        alice.ask(&document).await;
    }
    let misnamed = json!({ "query": "{ viewer { id } }", "operationName": MARKER });
    alice.send(misnamed.to_string()).await;
    alice
        .ask_with(
            "query($id: ID!) { node(id: $id) { id } }",
            json!({ "id": { MARKER: 1 } }),
        )
        .await;
    let state = alice
        .request()
        .header("traceparent", format!("00-{TRACE_ID}-{PARENT_ID}-01"));
    let state = state
        .header("tracestate", format!("vendor={MARKER}"))
        .header("baggage", format!("a={MARKER}"));
    state
        .body(json!({ "query": "{ viewer { id } }" }).to_string())
        .send()
        .await
        .unwrap();
    server.stop().await;

    let spans = collector.spans();
    assert_eq!(spans.len(), 10);
    for body in collector.bodies() {
        assert!(!holds_marker(&body), "{spans:?}");
        let text = String::from_utf8_lossy(&body).into_owned();
        for secret in [
            id.as_str(),
            &own_id,
            "peculiar",
            "AI_MODEL_BINDING",
            consumer()["externalId"].as_str().unwrap(),
        ] {
            assert!(!text.contains(secret), "{secret} stands in {spans:?}");
        }
    }
    let known = [
        "credence.document.sha256",
        "credence.outcome",
        "graphql.operation.name",
        "graphql.operation.type",
    ];
    for span in &spans {
        assert!(
            span.attributes
                .keys()
                .all(|name| known.contains(&name.as_str())),
            "{span:?}"
        );
        assert_eq!(
            (span.trace_state.as_str(), span.status_message.as_str()),
            ("", "")
        );
    }
    // Of a document with a text in it, not even the hash: whoever guesses the value could see that it is right.
    let literals: Vec<_> = spans
        .iter()
        .filter(|span| {
            span.name == "mutation" && !span.attributes.contains_key("credence.document.sha256")
        })
        .collect();
    assert_eq!(literals.len(), 1);
}

#[tokio::test]
async fn operations_of_sockets_have_spans_too() {
    let collector = Collector::start().await;
    let server = traced(&collector).await;
    let mut socket = Socket::open(&server.viewer("vera")).await;
    socket
        .subscribe(
            "1",
            "subscription changes { credentialChanged { action } }",
            json!({}),
        )
        .await;
    socket
        .subscribe("2", "query who { viewer { id } }", json!({}))
        .await;
    assert_eq!(socket.receive().await.unwrap()["id"], "2");
    server.stop().await;
    let spans = collector.spans();
    let told: Vec<(&str, &str)> = spans
        .iter()
        .map(|span| {
            (
                span.name.as_str(),
                span.attributes["graphql.operation.name"].as_str(),
            )
        })
        .collect();
    assert_eq!(told, [("query", "who"), ("subscription", "changes")]);
}

#[tokio::test]
async fn without_a_place_nothing_is_sent_and_a_place_that_is_gone_hinders_nobody() {
    let server = Server::start().await;
    let parent = format!("00-{TRACE_ID}-{PARENT_ID}-01");
    let vera = server.viewer("vera");
    let request = vera.request().header("traceparent", parent);
    request
        .body(json!({ "query": "{ viewer { id } }" }).to_string())
        .send()
        .await
        .unwrap();
    let scrape = Scrape::of(&server).await;
    for outcome in ["sent", "failed"] {
        assert_eq!(
            scrape.value(&format!(
                "credence_trace_exports_total{{outcome=\"{outcome}\"}}"
            )),
            0
        );
    }

    let log = Log::begin();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = format!("http://{}", taken.local_addr().unwrap());
    drop(taken);
    let server = Server::start_with(&["--otlp-endpoint", &gone])
        .await
        .unwrap();
    server
        .person("vera", Role::Viewer)
        .ask("{ viewer { id } }")
        .await
        .data();
    let stopped_at = Instant::now();
    server.stop().await;
    assert!(stopped_at.elapsed() < Duration::from_secs(5));
    let told = log.take();
    assert_eq!(told.matches("traces cannot be sent").count(), 1, "{told}");
    assert!(!told.contains(&gone), "{told}");
}
