//! Subscriptions: graphql-transport-ws and server-sent events, on real connections.

use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use crate::support::stream::{EventStream, Socket};
use crate::support::{Server, secret};

const FOLLOW: &str = "subscription($id: ID) { credentialChanged(credentialId: $id) { action credentialId valueVersion credential { name } } }";

fn next(id: &str, action: &str, credential: &str, version: Value, name: Value) -> Value {
    let changed = json!({ "action": action, "credentialId": credential, "valueVersion": version, "credential": name });
    json!({ "id": id, "type": "next", "payload": { "data": { "credentialChanged": changed } } })
}

#[tokio::test]
async fn every_change_is_told_after_it_was_made_and_in_order() {
    let server = Server::start().await;
    let (alice, ada) = (server.editor("alice"), server.admin("ada"));
    let heir = server.viewer("heir").id().await;
    let mut socket = Socket::open(&server.viewer("vera")).await;
    socket.subscribe("1", FOLLOW, json!({})).await;
    socket.settle().await;

    let id = alice.create("followed").await;
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
            json!({ "credentialId": id, "name": "both", "value": secret("2") }),
        )
        .await
        .data();
    ada.mutate(
        "transferCredential",
        json!({ "credentialId": id, "newOwnerId": heir }),
    )
    .await
    .data();
    server.runtime().resolve(&id).await.data();
    ada.mutate("deleteCredential", json!({ "credentialId": id }))
        .await
        .data();

    let named = |name: &str| json!({ "name": name });
    for expected in [
        next("1", "CREDENTIAL_CREATED", &id, json!(1), named("followed")),
        next("1", "CREDENTIAL_RENAMED", &id, json!(1), named("renamed")),
        next("1", "CREDENTIAL_RENAMED", &id, json!(2), named("both")),
        next("1", "CREDENTIAL_ROTATED", &id, json!(2), named("both")),
        next("1", "CREDENTIAL_TRANSFERRED", &id, json!(2), named("both")),
        next("1", "CREDENTIAL_DELETED", &id, json!(null), json!(null)),
    ] {
        assert_eq!(socket.receive().await, Ok(expected));
    }
}

#[tokio::test]
async fn one_credential_can_be_followed_alone_and_a_removed_user_takes_theirs_along() {
    let server = Server::start().await;
    let (alice, ada) = (server.editor("alice"), server.admin("ada"));
    let (followed, other) = (alice.create("followed").await, alice.create("other").await);
    let mut socket = Socket::open(&server.runtime()).await;
    socket
        .subscribe("a", FOLLOW, json!({ "id": followed.to_uppercase() }))
        .await;
    socket
        .subscribe("b", FOLLOW, json!({ "id": "nobody's" }))
        .await;
    socket.settle().await;
    alice
        .mutate(
            "updateCredential",
            json!({ "credentialId": other, "value": secret("2") }),
        )
        .await
        .data();
    let alices_id = alice.id().await;
    ada.mutate("deleteUser", json!({ "userId": alices_id }))
        .await
        .data();
    assert_eq!(
        socket.receive().await,
        Ok(next(
            "a",
            "CREDENTIAL_DELETED",
            &followed,
            json!(null),
            json!(null)
        ))
    );
}

#[tokio::test]
async fn changes_of_one_credential_come_in_order_however_many_change_it() {
    let server = Server::start().await;
    let ada = server.admin("ada");
    let id = ada.create("contended").await;
    let mut socket = Socket::open(&ada).await;
    socket.subscribe("1", FOLLOW, json!({ "id": id })).await;
    socket.settle().await;
    let rotate = |number: usize| {
        ada.mutate(
            "updateCredential",
            json!({ "credentialId": id, "value": format!("value {number}") }),
        )
    };
    join_all((0..100).map(rotate)).await;
    for version in 2..102 {
        let expected = next(
            "1",
            "CREDENTIAL_ROTATED",
            &id,
            json!(version),
            json!({ "name": "contended" }),
        );
        assert_eq!(socket.receive().await, Ok(expected));
    }
}

#[tokio::test]
async fn queries_and_mutations_are_answered_too_and_an_operation_can_be_ended() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    let mut socket = Socket::open(&alice).await;
    socket
        .subscribe("q", "{ viewer { subject } }", json!({}))
        .await;
    assert_eq!(
        socket.receive().await,
        Ok(
            json!({ "id": "q", "type": "next", "payload": { "data": { "viewer": { "subject": "alice" } } } })
        )
    );
    assert_eq!(
        socket.receive().await,
        Ok(json!({ "id": "q", "type": "complete" }))
    );

    socket.subscribe("s", FOLLOW, json!({})).await;
    socket.send(json!({ "type": "complete", "id": "s" })).await;
    socket.settle().await;
    alice.create("unseen").await;
    socket
        .subscribe("s", "{ viewer { name } }", json!({}))
        .await;
    let told = json!({ "id": "s", "type": "next", "payload": { "data": { "viewer": { "name": "alice" } } } });
    assert_eq!(socket.receive().await, Ok(told));
    assert_eq!(
        socket.receive().await,
        Ok(json!({ "id": "s", "type": "complete" }))
    );
    socket
        .send(json!({ "type": "ping", "payload": { "a": 1 } }))
        .await;
    assert_eq!(
        socket.receive().await,
        Ok(json!({ "type": "pong", "payload": { "a": 1 } }))
    );
    socket.send(json!({ "type": "pong" })).await;
    socket.settle().await;
}

#[tokio::test]
async fn what_cannot_be_executed_ends_with_an_error_and_the_connection_goes_on() {
    let server = Server::start().await;
    let mut socket =
        Socket::open(&server.scoped("nobody", credence::types::scope::ScopeSet::default())).await;
    let cases = [
        (FOLLOW, json!({}), "FORBIDDEN"),
        (
            "subscription { nothing }",
            json!({}),
            "GRAPHQL_VALIDATION_FAILED",
        ),
        ("subscription {", json!({}), "GRAPHQL_PARSE_FAILED"),
        (
            "subscription { credentialChanged { action } other: credentialChanged { action } }",
            json!({}),
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (FOLLOW, json!({ "id": {} }), "BAD_USER_INPUT"),
    ];
    for (query, variables, code) in cases {
        socket.subscribe("x", query, variables).await;
        let told = socket.receive().await.unwrap();
        assert_eq!((&told["id"], &told["type"]), (&json!("x"), &json!("error")));
        assert_eq!(told["payload"][0]["extensions"]["code"], code, "{told}");
    }
    socket.settle().await;
}

#[tokio::test]
async fn what_is_none_of_the_protocol_closes_the_connection_with_its_code() {
    let server = Server::start().await;
    let vera = server.viewer("vera");
    let init = json!({ "type": "connection_init", "payload": { "Authorization": format!("Bearer {}", vera.token) } });
    let subscribe = json!({ "type": "subscribe", "id": "1", "payload": { "query": FOLLOW } });
    let with = |payload: Value| json!({ "type": "connection_init", "payload": payload });
    let cases: Vec<(&str, Vec<Value>, u16)> = vec![
        (
            "subscribe before the introduction",
            vec![subscribe.clone()],
            4401,
        ),
        ("no token", vec![json!({ "type": "connection_init" })], 4403),
        (
            "a bad token",
            vec![with(json!({ "Authorization": "Bearer x.y.z" }))],
            4403,
        ),
        (
            "another scheme",
            vec![with(
                json!({ "authorization": format!("Basic {}", vera.token) }),
            )],
            4403,
        ),
        (
            "a token that is no text",
            vec![with(json!({ "Authorization": 1 }))],
            4400,
        ),
        ("a payload that is no object", vec![with(json!("x"))], 4400),
        ("two introductions", vec![init.clone(), init.clone()], 4429),
        (
            "an ID twice",
            vec![init.clone(), subscribe.clone(), subscribe],
            4409,
        ),
        (
            "an unknown type",
            vec![init.clone(), json!({ "type": "start", "id": "1" })],
            4400,
        ),
        ("no type", vec![json!({})], 4400),
        ("a list", vec![json!([])], 4400),
        (
            "no ID",
            vec![
                init.clone(),
                json!({ "type": "subscribe", "payload": { "query": FOLLOW } }),
            ],
            4400,
        ),
        (
            "an empty ID",
            vec![
                init.clone(),
                json!({ "type": "subscribe", "id": "", "payload": { "query": FOLLOW } }),
            ],
            4400,
        ),
        (
            "no document",
            vec![
                init.clone(),
                json!({ "type": "subscribe", "id": "1", "payload": {} }),
            ],
            4400,
        ),
        (
            "a document that is no text",
            vec![
                init,
                json!({ "type": "subscribe", "id": "1", "payload": { "query": 1 } }),
            ],
            4400,
        ),
    ];
    for (what, messages, code) in cases {
        let mut socket = Socket::connect(&server, Some("graphql-transport-ws"), None).await;
        for message in messages {
            socket.send(message).await;
        }
        let closed = loop {
            match socket.receive().await {
                Ok(_acknowledged) => {}
                Err(code) => break code,
            }
        };
        assert_eq!(closed, code, "{what}");
    }
    for message in [
        Message::text("{"),
        Message::text("x"),
        Message::binary(vec![1, 2, 3]),
    ] {
        let mut socket = Socket::open(&vera).await;
        socket.0.send(message).await.unwrap();
        assert_eq!(socket.receive().await, Err(4400));
    }
    for protocol in [None, Some("graphql-ws")] {
        let mut request = format!("ws://{}/graphql", server.address)
            .into_client_request()
            .unwrap();
        // A client that names a protocol and gets none back ends the handshake by itself.
        if protocol.is_none() {
            request.headers_mut().remove("sec-websocket-protocol");
            let (stream, _) = connect_async(request).await.unwrap();
            assert_eq!(Socket(stream).receive().await, Err(4406));
        } else {
            request.headers_mut().insert(
                "sec-websocket-protocol",
                HeaderValue::from_static("graphql-ws"),
            );
            assert!(connect_async(request).await.is_err());
        }
    }
}

#[tokio::test]
async fn the_token_may_come_with_the_handshake() {
    let server = Server::start().await;
    let vera = server.viewer("vera");
    let authorization = format!("Bearer {}", vera.token);
    let mut socket = Socket::connect(
        &server,
        Some("graphql-transport-ws, graphql-ws"),
        Some(&authorization),
    )
    .await;
    socket.send(json!({ "type": "connection_init" })).await;
    assert_eq!(
        socket.receive().await,
        Ok(json!({ "type": "connection_ack" }))
    );
    socket
        .subscribe("1", "{ viewer { subject } }", json!({}))
        .await;
    assert_eq!(
        socket.receive().await.unwrap()["payload"]["data"]["viewer"]["subject"],
        "vera"
    );
    let mut request = format!("ws://{}/graphql", server.address)
        .into_client_request()
        .unwrap();
    request
        .headers_mut()
        .insert("authorization", HeaderValue::from_static("Bearer x.y.z"));
    assert!(
        connect_async(request)
            .await
            .unwrap_err()
            .to_string()
            .contains("401")
    );
}

#[tokio::test]
async fn a_removed_user_gets_no_more_on_connections_that_are_open() {
    let server = Server::start().await;
    let (alice, ada) = (server.editor("alice"), server.admin("ada"));
    let bob = server.viewer("bob");
    let mut asking = Socket::open(&bob).await;
    let mut following = Socket::open(&bob).await;
    following.subscribe("1", FOLLOW, json!({})).await;
    following.settle().await;
    let mut events = EventStream::open(&bob, FOLLOW, json!({})).await;
    ada.mutate("deleteUser", json!({ "userId": bob.id().await }))
        .await
        .data();
    alice.create("later").await;

    asking.subscribe("1", "{ viewer { id } }", json!({})).await;
    assert_eq!(asking.receive().await, Err(4403));
    assert_eq!(following.receive().await, Err(4403));
    let (event, data) = events.next().await.unwrap();
    assert_eq!(event, "next");
    assert_eq!(data["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
    assert_eq!(events.next().await.unwrap().0, "complete");
}

#[tokio::test]
async fn the_token_of_a_handshake_expires_before_the_introduction_too() {
    let server = Server::start().await;
    let vera = server.viewer("vera");
    // The token is good for an hour and 30 seconds of the server's clock; of that, three seconds are left.
    server.clock.shift_seconds(3_627);
    let authorization = format!("Bearer {}", vera.token);
    let mut socket =
        Socket::connect(&server, Some("graphql-transport-ws"), Some(&authorization)).await;
    // They pass.
    tokio::time::sleep(Duration::from_secs(3)).await;
    socket.send(json!({ "type": "connection_init" })).await;
    assert_eq!(socket.receive().await, Err(4403));
}

#[tokio::test]
async fn a_hundred_operations_are_under_way_at_most_and_the_next_is_refused_alone() {
    let server = Server::start().await;
    let mut socket = Socket::open(&server.viewer("vera")).await;
    for number in 0..=100 {
        socket
            .subscribe(&number.to_string(), FOLLOW, json!({}))
            .await;
    }
    let refused = socket.receive().await.unwrap();
    assert_eq!(
        (&refused["type"], &refused["id"]),
        (&json!("error"), &json!("100"))
    );
    assert_eq!(refused["payload"][0]["extensions"]["code"], "OVERLOADED");
    socket.send(json!({ "type": "complete", "id": "0" })).await;
    socket.subscribe("more", FOLLOW, json!({})).await;
    socket.settle().await;
}

#[tokio::test]
async fn a_connection_ends_when_its_token_expires() {
    let server = Server::start().await;
    let vera = server.viewer("vera");
    // The token is good for an hour and 30 seconds of the server's clock; of that, three seconds are left.
    server.clock.shift_seconds(3_627);
    let mut socket = Socket::open(&vera).await;
    socket.subscribe("1", FOLLOW, json!({})).await;
    let mut stream = EventStream::open(&server.bearer(&vera.token), FOLLOW, json!({})).await;
    assert_eq!(socket.receive().await, Err(4403));
    let (event, data) = stream.next().await.unwrap();
    assert_eq!(event, "next");
    assert_eq!(data["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
    assert_eq!(stream.next().await.unwrap().0, "complete");
}

#[tokio::test]
async fn a_stopping_server_says_that_it_goes_and_does_not_wait_for_followers() {
    let server = Server::start().await;
    let vera = server.viewer("vera");
    let mut socket = Socket::open(&vera).await;
    socket.subscribe("1", FOLLOW, json!({})).await;
    socket.settle().await;
    let mut stream = EventStream::open(&vera, FOLLOW, json!({})).await;
    let stopped = tokio::time::timeout(Duration::from_secs(5), server.stop()).await;
    assert!(stopped.is_ok(), "the server waits for its followers");
    assert_eq!(socket.receive().await, Err(1001));
    assert_eq!(stream.next().await, None);
}

/// Each answer that is missing may be of a change that was made.
#[tokio::test]
async fn a_stopping_server_answers_what_is_under_way_on_sockets() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    let mut socket = Socket::open(&alice).await;
    socket.subscribe("changes", FOLLOW, json!({})).await;
    let create = "mutation($in: CreateCredentialInput!) { createCredential(input: $in) { credential { id } } }";
    for number in 0..90 {
        let input = json!({ "in": { "name": format!("n{number}"), "value": secret("v") } });
        socket.subscribe(&number.to_string(), create, input).await;
    }
    let mut answered = 0;
    // With the first answer, others are under way.
    while answered == 0 {
        answered += usize::from(is_answer(&socket.receive().await.unwrap()));
    }
    let directory = server.stop().await;
    let close = loop {
        match socket.receive().await {
            Ok(message) => answered += usize::from(is_answer(&message)),
            Err(close) => break close,
        }
    };
    assert_eq!(close, 1001);
    let again = Server::start_in(directory).await;
    let kept = again
        .viewer("vera")
        .ask("{ credentials { totalCount } }")
        .await;
    assert_eq!(kept.field()["totalCount"], answered);
}

fn is_answer(message: &Value) -> bool {
    message["payload"]["data"]["createCredential"]["credential"].is_object()
}

/// Who has shown no token yet may send a large message: there are few of those at once. Others wait until one has its token.
#[tokio::test]
async fn sixty_four_sockets_at_once_may_be_strangers() {
    const PROTOCOL: Option<&str> = Some("graphql-transport-ws");
    let server = Server::start().await;
    let vera = server.viewer("vera");
    let mut strangers = Vec::new();
    for _ in 0..64 {
        strangers.push(Socket::connect(&server, PROTOCOL, None).await);
    }
    let mut waiting = std::pin::pin!(Socket::connect(&server, PROTOCOL, None));
    let short = tokio::time::timeout(Duration::from_millis(300), &mut waiting).await;
    assert!(short.is_err(), "a 65th stranger was let in");
    let authorization = format!("Bearer {}", vera.token);
    Socket::connect(&server, PROTOCOL, Some(&authorization)).await;
    let payload = json!({ "Authorization": authorization });
    let init = json!({ "type": "connection_init", "payload": payload });
    strangers[0].send(init).await;
    waiting.await.settle().await;
}

#[tokio::test]
async fn who_is_too_slow_is_told_that_changes_were_missed() {
    let server = Server::start().await;
    let ada = server.admin("ada");
    let mut ids = Vec::new();
    for number in 0..8 {
        // Long names make long answers: fewer of them fill what the connection holds.
        let name = format!("busy {number} {}", "𠀋".repeat(120));
        ids.push(ada.create(&name).await);
    }
    let mut socket = Socket::open_narrow(&ada).await;
    // An answer with all of this is larger than what the connection holds: the rest has to wait.
    let fields: String = (0..29)
        .map(|n| {
            format!(
                "a{n}: credential {{ name owner {{ subject createdAt }} createdAt updatedAt }} "
            )
        })
        .collect();
    socket
        .subscribe(
            "slow",
            &format!("subscription {{ credentialChanged {{ action {fields} }} }}"),
            json!({}),
        )
        .await;
    socket.settle().await;
    let rotate_all = || {
        join_all(ids.iter().map(async |id| {
            let rotations: Vec<String> = (0..20)
                .map(|n| format!(r#"r{n}: updateCredential(input: {{credentialId: "{id}", value: "v{n}"}}) {{ userErrors {{ code }} }}"#))
                .collect();
            let document = format!("mutation {{ {} }}", rotations.join(" "));
            ada.ask(&document).await.data();
        }))
    };
    // One message is read for 160 changes. Who reads nothing at all for 20 seconds loses the connection.
    let mut changes_left = 1_280;
    let mut told = 0;
    let last = loop {
        if changes_left > 0 {
            rotate_all().await;
            changes_left -= 160;
        }
        let message = socket.receive().await.unwrap();
        if message["type"] != "next" {
            break message;
        }
        told += 1;
    };
    assert!(told < 1_280);
    assert_eq!(
        (&last["type"], &last["id"]),
        (&json!("error"), &json!("slow"))
    );
    assert_eq!(last["payload"][0]["extensions"]["code"], "EVENTS_MISSED");
    socket.settle().await;
}

#[tokio::test]
async fn changes_are_told_as_server_sent_events() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    // The answer's header comes once the server follows the changes.
    let mut stream = EventStream::open(&server.viewer("vera"), FOLLOW, json!({})).await;
    let id = alice.create("sent").await;
    alice
        .mutate(
            "updateCredential",
            json!({ "credentialId": id, "value": secret("2") }),
        )
        .await
        .data();
    for (action, version) in [("CREDENTIAL_CREATED", 1), ("CREDENTIAL_ROTATED", 2)] {
        let changed = json!({ "action": action, "credentialId": id, "valueVersion": version, "credential": { "name": "sent" } });
        let expected = json!({ "data": { "credentialChanged": changed } });
        assert_eq!(stream.next().await, Some(("next".to_owned(), expected)));
    }
}

#[tokio::test]
async fn one_answer_is_sent_as_events_too_and_errors_before_anything_are() {
    let server = Server::start().await;
    let vera = server.viewer("vera");
    let complete = Some(("complete".to_owned(), Value::Null));
    let mut stream = EventStream::open(&vera, "{ viewer { subject } }", json!({})).await;
    let answer = json!({ "data": { "viewer": { "subject": "vera" } } });
    assert_eq!(stream.next().await, Some(("next".to_owned(), answer)));
    assert_eq!(stream.next().await, complete);
    assert_eq!(stream.next().await, None);
    for (person, query, code) in [
        (
            &vera,
            "subscription { nothing }",
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            &server.scoped("nobody", credence::types::scope::ScopeSet::default()),
            FOLLOW,
            "FORBIDDEN",
        ),
    ] {
        let mut stream = EventStream::open(person, query, json!({})).await;
        let (event, data) = stream.next().await.unwrap();
        assert_eq!(event, "next");
        assert_eq!(data["errors"][0]["extensions"]["code"], code);
        assert_eq!(data.get("data"), None);
        assert_eq!(stream.next().await, complete);
    }
}

#[tokio::test]
async fn a_subscription_over_plain_http_says_what_it_needs() {
    let server = Server::start().await;
    let answer = server.viewer("vera").ask_with(FOLLOW, json!({})).await;
    assert_eq!(
        (answer.status.as_u16(), answer.codes()),
        (406, vec!["BAD_REQUEST"])
    );
}

/// A fragment at the root is what some clients send.
#[tokio::test]
async fn a_subscription_may_be_written_in_a_fragment() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    let query = "subscription { ...f } fragment f on Subscription { ... on Subscription { credentialChanged { action } } }";
    let mut stream = EventStream::open(&alice, query, json!({})).await;
    alice.create("seen").await;
    let expected = json!({ "data": { "credentialChanged": { "action": "CREDENTIAL_CREATED" } } });
    assert_eq!(stream.next().await, Some(("next".to_owned(), expected)));
}

#[tokio::test]
async fn a_close_is_answered_with_a_close() {
    let server = Server::start().await;
    let mut socket = Socket::open(&server.viewer("vera")).await;
    socket.0.close(None).await.unwrap();
    let mut last = socket.0.next().await.unwrap().unwrap();
    while last.is_ping() {
        last = socket.0.next().await.unwrap().unwrap();
    }
    assert!(last.is_close(), "{last:?}");
}

#[tokio::test]
async fn who_does_not_introduce_itself_is_closed_after_ten_seconds() {
    let server = Server::start().await;
    let mut socket = Socket::connect(&server, Some("graphql-transport-ws"), None).await;
    assert_eq!(socket.receive().await, Err(4408));
}

/// A subscription can be answered by a stream only: it is enough that the client takes one.
#[tokio::test]
async fn a_subscription_is_streamed_to_who_takes_a_stream_at_all() {
    let server = Server::start().await;
    let vera = server.viewer("vera");
    let ask = |accept: &'static str| {
        let body = json!({ "query": FOLLOW }).to_string();
        vera.request().header("accept", accept).body(body).send()
    };
    for accept in [
        "application/json, text/event-stream",
        "application/graphql-response+json, application/json, text/event-stream;q=0.1",
    ] {
        let answer = ask(accept).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(
            answer.headers()["content-type"],
            "text/event-stream; charset=utf-8"
        );
    }
    // Where nothing can be followed, nothing begins.
    let query =
        "subscription($b: Boolean = true) { credentialChanged { action @include(if: $b) } }";
    let body = json!({ "query": query, "variables": { "b": null } }).to_string();
    let request = vera.request().header("accept", "text/event-stream");
    let refused = request
        .body(body)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(refused.contains("BAD_USER_INPUT"), "{refused}");
    for accept in ["application/json, text/event-stream;q=0", "*/*"] {
        assert_eq!(ask(accept).await.unwrap().status(), 406);
    }
}

/// The others are left for requests.
#[tokio::test]
async fn three_quarters_of_the_connections_may_be_streams() {
    let server = Server::start().await;
    let vera = server.viewer("vera");
    let mut streams = Vec::new();
    for _ in 0..768 {
        streams.push(EventStream::open(&vera, FOLLOW, json!({})).await);
    }
    let one_more = || {
        let body = json!({ "query": FOLLOW }).to_string();
        let request = vera.request().header("accept", "text/event-stream");
        request.body(body).send()
    };
    let refused = one_more().await.unwrap();
    assert_eq!(refused.status(), 503);
    vera.ask("{ viewer { id } }").await.data();
}

/// A page of any origin can open a socket, and the browser sends its cookies along: there are none that mean anything.
#[tokio::test]
async fn a_cookie_authenticates_no_handshake() {
    let server = Server::start().await;
    let vera = server.viewer("vera");
    for origin in ["https://evil.example.com", &server.url("")] {
        let mut request = format!("ws://{}/graphql", server.address)
            .into_client_request()
            .unwrap();
        let cookie = format!(
            "session={}; Authorization=Bearer {}",
            vera.token, vera.token
        );
        for (name, value) in [
            ("sec-websocket-protocol", "graphql-transport-ws"),
            ("origin", origin),
            ("cookie", &cookie),
        ] {
            let value = HeaderValue::from_str(value).unwrap();
            request.headers_mut().insert(name, value);
        }
        let (stream, _response) = connect_async(request).await.unwrap();
        let mut socket = Socket(stream);
        socket.send(json!({ "type": "connection_init" })).await;
        assert_eq!(socket.receive().await, Err(4403), "{origin}");
    }
}
