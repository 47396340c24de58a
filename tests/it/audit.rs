//! The audit log: one event for each thing that was done, and who may read it.

use serde_json::{Value, json};

use crate::support::browser::Browser;
use crate::support::server::consumer;
use crate::support::stream::Socket;
use crate::support::{Person, Server, secret};

const QUERY: &str = "query($filter: AuditEventFilter, $first: Int, $after: String, $last: Int, $before: String) {
    auditEvents(filter: $filter, first: $first, after: $after, last: $last, before: $before) {
        edges { cursor }
        nodes { id action actorSubject credentialId credentialName valueVersion occurredAt requestId consumer { kind externalId name } }
        pageInfo { hasNextPage hasPreviousPage endCursor startCursor }
    }
}";

async fn events(person: &Person<'_>, variables: Value) -> Vec<Value> {
    let answer = person.ask_with(QUERY, variables).await;
    answer.field()["nodes"].as_array().unwrap().clone()
}

fn actions(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .map(|event| event["action"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn everything_that_is_done_leaves_its_event_newest_first() {
    let server = Server::start().await;
    let (alice, ada, runtime) = (
        server.editor("alice"),
        server.admin("ada"),
        server.runtime(),
    );
    let id = alice.create("audited").await;
    alice
        .mutate(
            "updateCredential",
            json!({ "credentialId": id, "name": "renamed" }),
        )
        .await
        .data();
    alice
        .mutate(
            "updateCredential",
            json!({ "credentialId": id, "value": secret("2") }),
        )
        .await
        .data();
    let both = json!({ "credentialId": id, "name": "both", "value": secret("3") });
    alice.mutate("updateCredential", both).await.data();
    runtime.resolve(&id).await.data();
    let held = json!({ "credentialId": id, "consumer": consumer(), "ifVersionNot": 3 });
    runtime.mutate("resolveCredential", held).await.data();
    let heir = server.viewer("heir").id().await;
    ada.mutate(
        "transferCredential",
        json!({ "credentialId": id, "newOwnerId": heir }),
    )
    .await
    .data();
    ada.mutate("deleteCredential", json!({ "credentialId": id }))
        .await
        .data();
    runtime.resolve(&id).await.data();
    ada.mutate("deleteUser", json!({ "userId": heir }))
        .await
        .data();

    let all = events(&ada, json!({})).await;
    let told: Vec<(&str, &str, Option<&str>, Option<i64>)> = all
        .iter()
        .map(|event| {
            let text = |key: &str| event[key].as_str();
            (
                text("action").unwrap(),
                text("actorSubject").unwrap(),
                text("credentialName"),
                event["valueVersion"].as_i64(),
            )
        })
        .collect();
    let expected = [
        ("USER_DELETED", "ada", None, None),
        ("CREDENTIAL_RESOLVE_REFUSED", "runtime", None, None),
        ("CREDENTIAL_DELETED", "ada", Some("both"), Some(3)),
        ("CREDENTIAL_TRANSFERRED", "ada", Some("both"), Some(3)),
        ("CREDENTIAL_NOT_MODIFIED", "runtime", Some("both"), Some(3)),
        ("CREDENTIAL_RESOLVED", "runtime", Some("both"), Some(3)),
        ("CREDENTIAL_ROTATED", "alice", Some("both"), Some(3)),
        ("CREDENTIAL_RENAMED", "alice", Some("both"), Some(3)),
        ("CREDENTIAL_ROTATED", "alice", Some("renamed"), Some(2)),
        ("CREDENTIAL_RENAMED", "alice", Some("renamed"), Some(1)),
        ("CREDENTIAL_CREATED", "alice", Some("audited"), Some(1)),
    ];
    assert_eq!(told, expected);
    for event in &all {
        let about_consumer = [
            "CREDENTIAL_RESOLVED",
            "CREDENTIAL_NOT_MODIFIED",
            "CREDENTIAL_RESOLVE_REFUSED",
        ];
        let expected = if about_consumer.contains(&event["action"].as_str().unwrap()) {
            consumer()
        } else {
            Value::Null
        };
        assert_eq!(event["consumer"], expected);
    }
}

#[tokio::test]
async fn an_event_names_the_request_that_the_answer_names() {
    let server = Server::start().await;
    let ada = server.admin("ada");
    let answer = ada
        .mutate(
            "createCredential",
            json!({ "name": "traced", "value": secret("traced") }),
        )
        .await;
    let request_id = answer.headers["x-request-id"].to_str().unwrap();
    assert_eq!(events(&ada, json!({})).await[0]["requestId"], request_id);
}

#[tokio::test]
async fn an_event_names_the_program_the_token_and_the_address_it_came_from() {
    const ASKED: &str =
        "{ auditEvents(first: 1) { nodes { actorClientId tokenIdHash peerAddress } } }";
    let server = Server::start_with(&["--trusted-proxy", "10.0.0.0/8,127.0.0.1"])
        .await
        .unwrap();
    let id = server.editor("alice").create("asked for").await;
    // The SHA-256 of "abc" (FIPS 180-2, appendix B.1).
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let too_long = "x".repeat(256);
    for (claims, address, client, token, peer) in [
        (
            json!({ "client_id": "flows", "jti": "abc" }),
            "2001:db8::7, 10.1.2.3",
            json!("flows"),
            json!(abc),
            "2001:db8::7",
        ),
        (
            json!({ "azp": "scheduler" }),
            "::ffff:192.0.2.9",
            json!("scheduler"),
            Value::Null,
            "192.0.2.9",
        ),
        // What names no program is not kept, as a subject would not be.
        (
            json!({ "client_id": "a\u{0}b" }),
            "192.0.2.9",
            Value::Null,
            Value::Null,
            "192.0.2.9",
        ),
        (
            json!({ "client_id": too_long }),
            "192.0.2.9",
            Value::Null,
            Value::Null,
            "192.0.2.9",
        ),
    ] {
        let mut all = json!({ "scope": "credentials:resolve" });
        for (name, value) in claims.as_object().unwrap() {
            all[name] = value.clone();
        }
        let runtime = server.token_with(all);
        let resolved = server.bearer(&runtime).at(address).resolve(&id).await;
        assert_eq!(resolved.field()["value"], secret("asked for"), "{claims}");
        let told = server.admin("ada").ask(ASKED).await;
        let expected =
            json!({ "actorClientId": client, "tokenIdHash": token, "peerAddress": peer });
        assert_eq!(told.field()["nodes"][0], expected, "{claims}");
    }
}

#[tokio::test]
async fn an_event_names_the_address_on_every_way_in_unless_a_proxy_hides_it() {
    const ASKED: &str = "{ auditEvents(first: 1) { nodes { action tokenIdHash peerAddress } } }";
    let create = |name: &str| {
        format!(
            r#"mutation {{ createCredential(input: {{name: "{name}", value: "v"}}) {{ userErrors {{ code }} }} }}"#
        )
    };
    for (front, expected) in [
        (&[][..], json!("127.0.0.1")),
        (
            &["--public-url", "https://credence.example.com"],
            Value::Null,
        ),
    ] {
        let server = Server::plain(front).await;
        let ada = server.admin("ada");
        let told = async |action: &str| {
            let answer = server.bearer(&ada.token).ask(ASKED).await;
            let event = json!({ "action": action, "tokenIdHash": null, "peerAddress": expected });
            assert_eq!(answer.field()["nodes"][0], event, "{front:?}");
        };
        // A refused resolve, which is recorded by itself, and a session.
        let nobody = "01a21913-6244-7e51-b34c-302eb61da3b8";
        server.runtime().resolve(nobody).await.data();
        told("CREDENTIAL_RESOLVE_REFUSED").await;
        let browser = Browser::signed_in(&server, &ada.token).await;
        browser.ask(&create("by a session")).await.data();
        told("CREDENTIAL_CREATED").await;
        // WebSockets, whose token comes in the handshake or behind it.
        let authorization = format!("Bearer {}", ada.token);
        let protocol = Some("graphql-transport-ws");
        let mut first = Socket::connect(&server, protocol, Some(&authorization)).await;
        first.send(json!({ "type": "connection_init" })).await;
        assert_eq!(first.receive().await.unwrap()["type"], "connection_ack");
        let second = Socket::open(&ada).await;
        for (mut socket, name) in [(first, "handshake"), (second, "message")] {
            socket.subscribe("1", &create(name), json!({})).await;
            assert_eq!(socket.receive().await.unwrap()["type"], "next");
            told("CREDENTIAL_CREATED").await;
        }
    }
}

#[tokio::test]
async fn what_is_refused_as_wrong_leaves_no_event_of_a_change() {
    let server = Server::start().await;
    let (alice, ada) = (server.editor("alice"), server.admin("ada"));
    let id = alice.create("taken").await;
    let other = alice.create("other").await;
    for (mutation, input) in [
        (
            "createCredential",
            json!({ "name": "TAKEN", "value": secret("1") }),
        ),
        (
            "createCredential",
            json!({ "name": "", "value": secret("1") }),
        ),
        (
            "updateCredential",
            json!({ "credentialId": other, "name": "Taken", "value": secret("1") }),
        ),
        (
            "updateCredential",
            json!({ "credentialId": id, "value": secret("1"), "expectedValueVersion": 9 }),
        ),
        ("deleteCredential", json!({ "credentialId": "nothing" })),
    ] {
        assert!(!alice.mutate(mutation, input).await.user_errors().is_empty());
    }
    assert_eq!(
        actions(&events(&ada, json!({})).await),
        ["CREDENTIAL_CREATED", "CREDENTIAL_CREATED"]
    );
}

#[tokio::test]
async fn events_are_narrowed_by_each_part_of_the_filter() {
    let server = Server::start().await;
    let (alice, bob, ada) = (
        server.editor("alice"),
        server.editor("bob"),
        server.admin("ada"),
    );
    let first = alice.create("first").await;
    server.clock.shift_seconds(10);
    let second = bob.create("second").await;
    server.clock.shift_seconds(10);
    bob.mutate("deleteCredential", json!({ "credentialId": second }))
        .await
        .data();
    let all = events(&ada, json!({})).await;
    let at = |number: usize| all[number]["occurredAt"].as_str().unwrap();
    let cases = [
        (
            json!({ "actorSubject": "alice" }),
            vec!["CREDENTIAL_CREATED"],
        ),
        (json!({ "actorSubject": "nobody" }), vec![]),
        (json!({ "actorSubject": "a\u{0}lice" }), vec![]),
        (
            json!({ "actions": ["CREDENTIAL_DELETED"] }),
            vec!["CREDENTIAL_DELETED"],
        ),
        (
            json!({ "actions": ["CREDENTIAL_DELETED", "CREDENTIAL_CREATED"], "actorSubject": "bob" }),
            vec!["CREDENTIAL_DELETED", "CREDENTIAL_CREATED"],
        ),
        (json!({ "actions": [] }), vec![]),
        (
            json!({ "credentialId": second }),
            vec!["CREDENTIAL_DELETED", "CREDENTIAL_CREATED"],
        ),
        (json!({ "credentialId": first }), vec!["CREDENTIAL_CREATED"]),
        (json!({ "credentialId": "malformed" }), vec![]),
        (
            json!({ "since": at(1) }),
            vec!["CREDENTIAL_DELETED", "CREDENTIAL_CREATED"],
        ),
        (json!({ "until": at(1) }), vec!["CREDENTIAL_CREATED"]),
        (
            json!({ "since": at(1), "until": at(0) }),
            vec!["CREDENTIAL_CREATED"],
        ),
        (json!({ "since": "2099-01-01T00:00:00+02:00" }), vec![]),
        (
            json!({ "since": null, "until": null, "actions": null }),
            vec![
                "CREDENTIAL_DELETED",
                "CREDENTIAL_CREATED",
                "CREDENTIAL_CREATED",
            ],
        ),
    ];
    for (filter, expected) in cases {
        assert_eq!(
            actions(&events(&ada, json!({ "filter": filter })).await),
            expected,
            "{filter}"
        );
    }
}

#[tokio::test]
async fn events_are_paged_from_both_ends() {
    let server = Server::start().await;
    let ada = server.admin("ada");
    for number in 0..5 {
        ada.create(&format!("key-{number}")).await;
    }
    let name = |event: &Value| event["credentialName"].as_str().unwrap().to_owned();
    let first = ada.ask_with(QUERY, json!({ "first": 2 })).await;
    let info = first.field()["pageInfo"].clone();
    assert_eq!(
        (&info["hasNextPage"], &info["hasPreviousPage"]),
        (&json!(true), &json!(false))
    );
    let next = events(&ada, json!({ "first": 2, "after": info["endCursor"] })).await;
    assert_eq!(
        next.iter().map(name).collect::<Vec<_>>(),
        ["key-2", "key-1"]
    );
    let last = events(&ada, json!({ "last": 2 })).await;
    assert_eq!(
        last.iter().map(name).collect::<Vec<_>>(),
        ["key-1", "key-0"]
    );
    let other_list =
        json!({ "first": 2, "after": info["endCursor"], "filter": { "actorSubject": "ada" } });
    assert_eq!(
        ada.ask_with(QUERY, other_list).await.codes(),
        ["BAD_USER_INPUT"]
    );
}

#[tokio::test]
async fn times_that_are_none_are_bad_user_input() {
    let server = Server::start().await;
    let ada = server.admin("ada");
    for time in [
        json!("yesterday"),
        json!(""),
        json!("2026-01-31"),
        json!("2026-13-01T00:00:00Z"),
        json!(1_700_000_000),
        json!({}),
    ] {
        let answer = ada
            .ask_with(QUERY, json!({ "filter": { "since": time } }))
            .await;
        assert_eq!(answer.codes(), ["BAD_USER_INPUT"], "{time}");
    }
    let literal = ada
        .ask("{ auditEvents(filter: {until: 5}) { nodes { id } } }")
        .await;
    assert_eq!(literal.codes(), ["GRAPHQL_VALIDATION_FAILED"]);
}

#[tokio::test]
async fn an_event_says_which_user_it_is_about() {
    let server = Server::start().await;
    let (bob, ada) = (server.viewer("bob"), server.admin("ada"));
    let id = ada.create("given").await;
    let bobs_id = bob.id().await;
    let input = json!({ "credentialId": id, "newOwnerId": bobs_id });
    ada.mutate("transferCredential", input).await.data();
    ada.mutate("deleteUser", json!({ "userId": bobs_id }))
        .await
        .data();
    let query = "{ auditEvents { nodes { action actorIssuer userId userSubject } } }";
    let answer = ada.ask(query).await;
    let issuer = server.issuer();
    let event = |action: &str, id: Value, subject: Value| json!({ "action": action, "actorIssuer": issuer, "userId": id, "userSubject": subject });
    let expected = json!({ "nodes": [
        event("USER_DELETED", json!(bobs_id), json!("bob")),
        event("CREDENTIAL_DELETED", Value::Null, Value::Null),
        event("CREDENTIAL_TRANSFERRED", json!(bobs_id), json!("bob")),
        event("CREDENTIAL_CREATED", Value::Null, Value::Null),
    ] });
    assert_eq!(*answer.field(), expected);
}

#[tokio::test]
async fn an_event_and_what_it_records_have_one_time() {
    let server = Server::start().await;
    let (alice, ada) = (server.editor("alice"), server.admin("ada"));
    for number in 0..50 {
        alice.create(&format!("credential {number:02}")).await;
    }
    let answer = alice
        .ask("{ credentials(first: 50) { nodes { id createdAt } } }")
        .await;
    let created: Vec<Value> = answer.field()["nodes"].as_array().unwrap().clone();
    let told = events(&ada, json!({ "first": 50 })).await;
    for (credential, event) in created.iter().zip(told.iter().rev()) {
        assert_eq!(
            (&event["credentialId"], &event["occurredAt"]),
            (&credential["id"], &credential["createdAt"])
        );
    }
}
