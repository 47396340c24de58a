//! Resolving: the one way by which a value leaves.

use credence::crypto::local_token::{LocalGrant, LocalIssuer};
use credence::types::scope::Role;
use serde_json::{Value, json};

use crate::support::database::{bytes, database};
use crate::support::server::consumer;
use crate::support::{Server, secret};

#[tokio::test]
async fn a_resolve_hands_out_the_value_with_its_version() {
    let server = Server::start().await;
    let id = server.editor("alice").create("RESOLVED").await;
    let answer = server.runtime().resolve(&id).await;
    let expected = json!({
        "credential": { "id": id, "name": "RESOLVED" },
        "value": secret("RESOLVED"),
        "valueVersion": 1,
        "notModified": false,
        "userErrors": [],
    });
    assert_eq!(*answer.field(), expected);
}

#[tokio::test]
async fn a_consumer_that_holds_the_present_version_gets_no_value() {
    let server = Server::start().await;
    let id = server.editor("alice").create("held").await;
    let runtime = server.runtime();
    let resolve = |version: Value| {
        let input = json!({ "credentialId": id, "consumer": consumer(), "ifVersionNot": version });
        runtime.mutate("resolveCredential", input)
    };
    let held = resolve(json!(1)).await;
    assert_eq!(held.field()["value"], Value::Null);
    assert_eq!(
        (&held.field()["notModified"], &held.field()["valueVersion"]),
        (&json!(true), &json!(1))
    );
    for version in [json!(0), json!(2), json!(null)] {
        let other = resolve(version).await;
        assert_eq!(other.field()["value"], secret("held"));
        assert_eq!(other.field()["notModified"], false);
    }
}

#[tokio::test]
async fn a_consumer_must_be_named() {
    let server = Server::start().await;
    let id = server.editor("alice").create("named").await;
    let runtime = server.runtime();
    let cases = [
        (
            json!({ "kind": "WORKFLOW", "externalId": "" }),
            "BLANK consumer.externalId",
        ),
        (
            json!({ "kind": "WORKFLOW", "externalId": "  " }),
            "BLANK consumer.externalId",
        ),
        (
            json!({ "kind": "WORKFLOW", "externalId": "x".repeat(256) }),
            "TOO_LONG consumer.externalId",
        ),
        (
            json!({ "kind": "WORKFLOW", "externalId": "a\nb" }),
            "INVALID consumer.externalId",
        ),
        (
            json!({ "kind": "WORKFLOW", "externalId": "a", "name": "x".repeat(256) }),
            "TOO_LONG consumer.name",
        ),
        (
            json!({ "kind": "WORKFLOW", "externalId": "a", "name": "a\u{202e}b" }),
            "INVALID consumer.name",
        ),
    ];
    for (consumer, expected) in cases {
        let answer = runtime
            .mutate(
                "resolveCredential",
                json!({ "credentialId": id, "consumer": consumer }),
            )
            .await;
        assert_eq!(answer.user_errors(), [expected]);
        assert_eq!(answer.field()["value"], Value::Null);
    }
    for consumer in [
        json!({ "kind": "HTTP_MCP_SERVER", "externalId": "x".repeat(255), "name": "y".repeat(255) }),
        json!({ "kind": "INTEGRATION", "externalId": "a", "name": "" }),
        json!({ "kind": "WORKFLOW", "externalId": "a", "name": null }),
    ] {
        let answer = runtime
            .mutate(
                "resolveCredential",
                json!({ "credentialId": id, "consumer": consumer }),
            )
            .await;
        assert_eq!(answer.field()["value"], secret("named"));
    }
    let stdio = json!({ "kind": "STDIO_MCP_SERVER", "externalId": "a" });
    let answer = runtime
        .mutate(
            "resolveCredential",
            json!({ "credentialId": id, "consumer": stdio }),
        )
        .await;
    assert_eq!(answer.codes(), ["BAD_USER_INPUT"]);
}

#[tokio::test]
async fn who_may_not_resolve_gets_nothing_and_is_in_the_log() {
    let server = Server::start().await;
    let ada = server.admin("ada");
    let id = ada.create("guarded").await;
    let answer = ada.resolve(&id).await;
    assert_eq!(answer.codes(), ["FORBIDDEN"]);
    assert_eq!(answer.body["data"], json!({ "resolveCredential": null }));
    let events = ada.ask("{ auditEvents(first: 1) { nodes { action actorSubject credentialId consumer { externalId } } } }").await;
    let expected = json!({ "nodes": [{
        "action": "CREDENTIAL_RESOLVE_REFUSED", "actorSubject": "ada", "credentialId": id,
        "consumer": { "externalId": "support.yaml#primary_model" }
    }] });
    assert_eq!(*events.field(), expected);
}

#[tokio::test]
async fn a_value_that_was_tampered_with_is_unreadable_and_the_refusal_is_in_the_log() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    let (first, second) = (alice.create("first").await, alice.create("second").await);
    alice.create("untouched").await;
    let directory = server.stop().await;
    {
        use diesel::connection::SimpleConnection;
        let mut connection = database(&directory.path().join("data")).connect().unwrap();
        // Each value now lies in the other's row.
        let swap = "CREATE TEMP TABLE swapped AS SELECT name, sealed_value FROM credentials WHERE name <> 'untouched';
                    UPDATE credentials SET sealed_value = (SELECT s.sealed_value FROM swapped s WHERE s.name <> credentials.name)
                    WHERE name <> 'untouched';";
        connection.batch_execute(swap).unwrap();
    }
    let server = Server::start_in(directory).await;
    for id in [&first, &second] {
        let answer = server.runtime().resolve(id).await;
        assert_eq!(answer.codes(), ["CREDENTIAL_UNREADABLE"]);
        assert_eq!(answer.body["data"], json!({ "resolveCredential": null }));
    }
    let ada = server.admin("ada");
    let events = ada
        .ask("{ auditEvents(first: 2) { nodes { action credentialName } } }")
        .await;
    let refused =
        |name: &str| json!({ "action": "CREDENTIAL_RESOLVE_REFUSED", "credentialName": name });
    assert_eq!(
        *events.field(),
        json!({ "nodes": [refused("second"), refused("first")] })
    );
    // A rename would have to seal the value anew: it is refused, and a new value mends the row.
    let rename = ada
        .mutate(
            "updateCredential",
            json!({ "credentialId": first, "name": "renamed" }),
        )
        .await;
    assert_eq!(rename.codes(), ["CREDENTIAL_UNREADABLE"]);
    let mend = ada
        .mutate(
            "updateCredential",
            json!({ "credentialId": first, "value": secret("mended") }),
        )
        .await;
    assert_eq!(mend.user_errors(), Vec::<String>::new());
    assert_eq!(
        server.runtime().resolve(&first).await.field()["value"],
        secret("mended")
    );
}

/// A value is bound to all that its row says of it: whatever is changed there, it does not open any more.
#[tokio::test]
async fn a_row_of_which_anything_bound_was_changed_is_unreadable() {
    let server = Server::start().await;
    let (alice, other) = (server.editor("alice"), server.editor("other").id().await);
    let columns = [
        "id",
        "owner_id",
        "name_key",
        "value_version",
        "data_key_id",
        "sealed_value",
    ];
    let mut ids = Vec::new();
    for column in columns {
        ids.push(alice.create(column).await);
    }
    let untouched = alice.create("untouched").await;
    let directory = server.stop().await;
    {
        use diesel::connection::SimpleConnection;
        let mut connection = database(&directory.path().join("data")).connect().unwrap();
        let hex = |id: &str| id.replace('-', "");
        let changes = [
            (
                "id",
                format!("id = {}", bytes(&hex(&ids[0]).replacen('0', "1", 1))),
            ),
            ("owner_id", format!("owner_id = {}", bytes(&hex(&other)))),
            ("name_key", "name_key = 'other'".to_owned()),
            ("value_version", "value_version = 2".to_owned()),
            ("data_key_id", "data_key_id = 2".to_owned()),
            (
                "sealed_value",
                format!("sealed_value = {}", bytes(&"07".repeat(100))),
            ),
        ];
        for (name, change) in changes {
            connection
                .batch_execute(&format!(
                    "UPDATE credentials SET {change} WHERE name = '{name}'"
                ))
                .unwrap();
        }
    }
    ids[0] = ids[0].replacen('0', "1", 1);
    let server = Server::start_in(directory).await;
    for (column, id) in columns.into_iter().zip(&ids) {
        let answer = server.runtime().resolve(id).await;
        assert_eq!(
            answer.codes(),
            ["CREDENTIAL_UNREADABLE"],
            "{column}: {}",
            answer.body
        );
    }
    assert_eq!(
        server.runtime().resolve(&untouched).await.field()["value"],
        secret("untouched")
    );
}

#[tokio::test]
async fn a_token_with_credential_ids_resolves_only_these() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    let (allowed, other) = (alice.create("allowed").await, alice.create("other").await);
    let token = server.limited_token(&json!([allowed]));
    let limited = server.bearer(&token);
    assert_eq!(
        limited.resolve(&allowed).await.field()["value"],
        secret("allowed")
    );
    assert_eq!(limited.resolve(&other).await.codes(), ["FORBIDDEN"]);
    let none = server
        .bearer(&server.limited_token(&json!([])))
        .resolve(&allowed)
        .await;
    assert_eq!(none.codes(), ["FORBIDDEN"]);
    let malformed = server.limited_token(&json!(["x"]));
    assert_eq!(
        server.bearer(&malformed).resolve(&allowed).await.status,
        401
    );
}

#[tokio::test]
async fn a_local_token_is_good_in_its_own_data_directory_only() {
    let (server, other) = (Server::start().await, Server::start().await);
    let key = std::fs::read(other.data_directory().join("signing.key")).unwrap();
    let grant = LocalGrant {
        subject: "runtime",
        scopes: Role::Runtime.scopes(),
        lifetime_seconds: 60,
    };
    let issuer = other.issuer();
    let local = LocalIssuer {
        secret: &key,
        issuer,
        audience: "credence",
    };
    let token = local.issue(&grant, other.clock.now()).unwrap();
    assert_eq!(
        other.bearer(&token).ask("{ viewer { id } }").await.status,
        200
    );
    assert_eq!(
        server.bearer(&token).ask("{ viewer { id } }").await.status,
        401
    );
}
