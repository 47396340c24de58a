//! Credentials: created, found, renamed, rotated, transferred, deleted.

use credence::types::scope::{Scope, ScopeSet};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::busy::processors;
use crate::support::server::consumer;
use crate::support::{Answer, Person, Server, secret};

async fn value_of(runtime: &Person<'_>, id: &str) -> String {
    let answer = runtime.resolve(id).await;
    answer.field()["value"].as_str().unwrap().to_owned()
}

fn credential(answer: &Answer) -> Value {
    assert_eq!(answer.user_errors(), Vec::<String>::new());
    answer.field()["credential"].clone()
}

#[tokio::test]
async fn a_created_credential_belongs_to_its_creator_and_resolves_to_its_value() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    let input = json!({ "name": "OPENAI_PROD_API_KEY", "value": secret("openai") });
    let created = credential(&alice.mutate("createCredential", input).await);
    assert_eq!(created["name"], "OPENAI_PROD_API_KEY");
    assert_eq!(created["valueVersion"], 1);
    assert_eq!(created["owner"]["subject"], "alice");
    assert_eq!(created["createdAt"], created["updatedAt"]);
    assert_eq!(created["createdAt"], created["valueUpdatedAt"]);
    let id = created["id"].as_str().unwrap();
    assert_eq!(id.len(), 36);
    assert_eq!(id, id.to_lowercase());
    assert_eq!(value_of(&server.runtime(), id).await, secret("openai"));
}

#[tokio::test]
async fn a_credential_is_found_by_its_id_in_either_case_and_by_its_name_in_any() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    let id = alice.create("MCP_CRM_TOKEN").await;
    for spelling in [id.clone(), id.to_uppercase()] {
        let answer = alice
            .ask(&format!(
                r#"{{ credential(id: "{spelling}") {{ id name }} }}"#
            ))
            .await;
        assert_eq!(
            *answer.field(),
            json!({ "id": id, "name": "MCP_CRM_TOKEN" })
        );
        let answer = alice
            .ask(&format!(
                r#"{{ node(id: "{spelling}") {{ __typename id }} }}"#
            ))
            .await;
        assert_eq!(
            *answer.field(),
            json!({ "__typename": "Credential", "id": id })
        );
    }
    for name in ["MCP_CRM_TOKEN", "mcp_crm_token", "  Mcp_Crm_Token "] {
        let answer = alice
            .ask_with(
                "query($n: String!) { credentialByName(name: $n) { id } }",
                json!({ "n": name }),
            )
            .await;
        assert_eq!(*answer.field(), json!({ "id": id }), "{name}");
    }
}

#[tokio::test]
async fn a_rename_needs_no_value_and_keeps_it() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    let id = alice.create("before").await;
    server.clock.shift_seconds(60);
    let renamed = credential(
        &alice
            .mutate(
                "updateCredential",
                json!({ "credentialId": id, "name": "after" }),
            )
            .await,
    );
    assert_eq!(renamed["id"], *id);
    assert_eq!(renamed["name"], "after");
    assert_eq!(renamed["valueVersion"], 1);
    assert!(renamed["updatedAt"].as_str() > renamed["createdAt"].as_str());
    assert_eq!(renamed["valueUpdatedAt"], renamed["createdAt"]);
    assert_eq!(value_of(&server.runtime(), &id).await, secret("before"));
}

#[tokio::test]
async fn a_rename_to_another_case_of_the_same_name_is_one() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    let id = alice.create("openai").await;
    let renamed = credential(
        &alice
            .mutate(
                "updateCredential",
                json!({ "credentialId": id, "name": "OpenAI" }),
            )
            .await,
    );
    assert_eq!(renamed["name"], "OpenAI");
    assert_eq!(value_of(&server.runtime(), &id).await, secret("openai"));
}

#[tokio::test]
async fn a_rotation_keeps_the_id_and_makes_a_new_version_even_of_an_equal_value() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    let id = alice.create("rotated").await;
    for version in [2, 3] {
        server.clock.shift_seconds(1);
        let input = json!({ "credentialId": id, "value": secret("next") });
        let rotated = credential(&alice.mutate("updateCredential", input).await);
        assert_eq!(rotated["id"], *id);
        assert_eq!(rotated["valueVersion"], version);
        assert_eq!(rotated["valueUpdatedAt"], rotated["updatedAt"]);
        assert_eq!(value_of(&server.runtime(), &id).await, secret("next"));
    }
}

#[tokio::test]
async fn an_update_that_changes_nothing_leaves_no_trace() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    let id = alice.create("same").await;
    server.clock.shift_seconds(60);
    for input in [
        json!({ "credentialId": id }),
        json!({ "credentialId": id, "name": null, "value": null }),
        json!({ "credentialId": id, "name": " same " }),
    ] {
        let same = credential(&alice.mutate("updateCredential", input).await);
        assert_eq!(same["updatedAt"], same["createdAt"]);
        assert_eq!(same["valueVersion"], 1);
    }
    let events = server
        .admin("ada")
        .ask("{ auditEvents { nodes { action } } }")
        .await;
    assert_eq!(
        *events.field(),
        json!({ "nodes": [{ "action": "CREDENTIAL_CREATED" }] })
    );
}

#[tokio::test]
async fn of_two_edits_of_one_version_the_second_is_told_of_the_conflict() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    let id = alice.create("edited").await;
    let edit = |value: &str| json!({ "credentialId": id, "value": secret(value), "expectedValueVersion": 1 });
    credential(&alice.mutate("updateCredential", edit("first")).await);
    let second = alice.mutate("updateCredential", edit("second")).await;
    assert_eq!(
        second.user_errors(),
        ["VERSION_CONFLICT expectedValueVersion"]
    );
    assert_eq!(second.field()["credential"], Value::Null);
    assert_eq!(value_of(&server.runtime(), &id).await, secret("first"));
}

#[tokio::test]
async fn a_deleted_credential_is_gone_its_name_is_free_and_its_id_says_what_it_was() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    let id = alice.create("SUPPORT_KEY").await;
    let deleted = alice
        .mutate("deleteCredential", json!({ "credentialId": id }))
        .await;
    assert_eq!(deleted.field()["deletedCredentialId"], *id);

    let gone = alice
        .ask(&format!(r#"{{ credential(id: "{id}") {{ id }} }}"#))
        .await;
    assert_eq!(*gone.field(), Value::Null);
    let next = alice.create("support_key").await;
    assert_ne!(next, id);

    let resolve = server.runtime().resolve(&id).await;
    assert_eq!(resolve.user_errors(), ["DELETED credentialId"]);
    let message = resolve.field()["userErrors"][0]["message"]
        .as_str()
        .unwrap();
    assert!(
        message.contains("SUPPORT_KEY") && message.contains("202"),
        "{message}"
    );
    for (mutation, input) in [
        (
            "updateCredential",
            json!({ "credentialId": id, "name": "again" }),
        ),
        ("deleteCredential", json!({ "credentialId": id })),
    ] {
        assert_eq!(
            alice.mutate(mutation, input).await.user_errors(),
            ["DELETED credentialId"]
        );
    }

    let query = "query($ids: [ID!]!) { credentialStatuses(ids: $ids) { credentialId state name deletedAt } }";
    let unknown = "00000000-0000-4000-8000-000000000000";
    let statuses = alice
        .ask_with(query, json!({ "ids": [id, next, unknown, "sk-123"] }))
        .await;
    let states: Vec<(&str, &str, bool)> = statuses
        .field()
        .as_array()
        .unwrap()
        .iter()
        .map(|status| {
            let name = status["name"].as_str().unwrap_or("-");
            (
                status["state"].as_str().unwrap(),
                name,
                status["deletedAt"].is_string(),
            )
        })
        .collect();
    assert_eq!(
        states,
        [
            ("DELETED", "SUPPORT_KEY", true),
            ("LIVE", "support_key", false),
            ("UNKNOWN", "-", false),
            ("UNKNOWN", "-", false)
        ]
    );
}

#[tokio::test]
async fn another_users_credential_is_seen_but_not_changed() {
    let server = Server::start().await;
    let id = server.editor("alice").create("hers").await;
    let otto = server.editor("otto");
    let seen = otto
        .ask(&format!(
            r#"{{ credential(id: "{id}") {{ name viewerCanUpdate viewerCanDelete owner {{ subject }} }} }}"#
        ))
        .await;
    let expected = json!({
        "name": "hers", "viewerCanUpdate": false, "viewerCanDelete": false, "owner": { "subject": "alice" }
    });
    assert_eq!(*seen.field(), expected);
    for (mutation, input) in [
        (
            "updateCredential",
            json!({ "credentialId": id, "name": "his" }),
        ),
        (
            "updateCredential",
            json!({ "credentialId": id, "value": secret("his") }),
        ),
        (
            "updateCredential",
            json!({ "credentialId": id, "name": "" }),
        ),
        ("deleteCredential", json!({ "credentialId": id })),
    ] {
        let answer = otto.mutate(mutation, input).await;
        assert_eq!(answer.codes(), ["FORBIDDEN"]);
        assert_eq!(answer.body["data"][mutation], Value::Null);
    }
    assert_eq!(value_of(&server.runtime(), &id).await, secret("hers"));
}

#[tokio::test]
async fn foreign_credentials_stay_as_they_are() {
    let _alone = processors().await;
    let server = Server::start().await;
    let (alice, mallory, runtime) = (
        server.editor("alice"),
        server.editor("mallory"),
        server.runtime(),
    );
    // Five clients at once: none waits for a read connection.
    let (alice, mallory, runtime) = (&alice, &mallory, &runtime);
    let attacked = (0..5).map(async |client| {
        let mut attacked = Vec::new();
        for number in 0..200 {
            let name = format!("key-{client}-{number}");
            let id = alice.create(&name).await;
            let input = json!({ "credentialId": id, "value": secret("stolen") });
            let stolen = mallory.mutate("updateCredential", input).await;
            assert_eq!(stolen.codes(), ["FORBIDDEN"]);
            let deleted = mallory
                .mutate("deleteCredential", json!({ "credentialId": id }))
                .await;
            assert_eq!(deleted.codes(), ["FORBIDDEN"]);
            attacked.push((name, id));
        }
        attacked
    });
    let kept = join_all(attacked).await.into_iter().map(async |attacked| {
        for (name, id) in attacked {
            assert_eq!(value_of(runtime, &id).await, secret(&name));
        }
    });
    join_all(kept).await;
}

#[tokio::test]
async fn who_manages_credentials_changes_anybodys_and_they_stay_the_owners() {
    let server = Server::start().await;
    let id = server.editor("alice").create("hers").await;
    let manager = server.scoped(
        "mia",
        [Scope::CredentialsManage].into_iter().collect::<ScopeSet>(),
    );
    let input = json!({ "credentialId": id, "name": "mended", "value": secret("mended") });
    let mended = credential(&manager.mutate("updateCredential", input).await);
    assert_eq!(mended["owner"]["subject"], "alice");
    assert_eq!(value_of(&server.runtime(), &id).await, secret("mended"));
    let deleted = manager
        .mutate("deleteCredential", json!({ "credentialId": id }))
        .await;
    assert_eq!(deleted.field()["deletedCredentialId"], *id);
}

#[tokio::test]
async fn a_transferred_credential_is_the_new_owners_and_keeps_its_value() {
    let server = Server::start().await;
    let (alice, bob, ada) = (
        server.editor("alice"),
        server.editor("bob"),
        server.admin("ada"),
    );
    let id = alice.create("shared").await;
    let bobs_id = bob.id().await;
    let input = json!({ "credentialId": id, "newOwnerId": bobs_id });
    let transferred = credential(&ada.mutate("transferCredential", input.clone()).await);
    assert_eq!(transferred["owner"]["subject"], "bob");
    assert_eq!(transferred["valueVersion"], 1);
    assert_eq!(value_of(&server.runtime(), &id).await, secret("shared"));
    // To whom it belongs already, nothing happens.
    credential(&ada.mutate("transferCredential", input).await);
    let events = ada.ask("{ auditEvents(filter: {actions: [CREDENTIAL_TRANSFERRED]}) { nodes { actorSubject } } }").await;
    assert_eq!(
        *events.field(),
        json!({ "nodes": [{ "actorSubject": "ada" }] })
    );

    let rename = json!({ "credentialId": id, "name": "mine" });
    assert_eq!(
        alice
            .mutate("updateCredential", rename.clone())
            .await
            .codes(),
        ["FORBIDDEN"]
    );
    credential(&bob.mutate("updateCredential", rename).await);

    for nobody in ["00000000-0000-4000-8000-000000000000", "bob", &id] {
        let input = json!({ "credentialId": id, "newOwnerId": nobody });
        assert_eq!(
            ada.mutate("transferCredential", input).await.user_errors(),
            ["NOT_FOUND newOwnerId"]
        );
    }
}

#[tokio::test]
async fn unknown_and_malformed_ids_are_null_in_queries_and_not_found_in_mutations() {
    let server = Server::start().await;
    let (ada, runtime) = (server.admin("ada"), server.runtime());
    let live = ada.create("live").await;
    let users = ada.id().await;
    let malformed = [
        "00000000-0000-4000-8000-000000000000".to_owned(),
        "00000000-0000-0000-0000-000000000000".to_owned(),
        format!("{{{live}}}"),
        format!("urn:uuid:{live}"),
        live.replace('-', ""),
        "sk-live-123".to_owned(),
        String::new(),
        "x".repeat(10_000),
        users,
        format!("{live} "),
    ];
    for id in malformed {
        let query = "query($id: ID!) { credential(id: $id) { id } }";
        assert_eq!(
            *ada.ask_with(query, json!({ "id": id })).await.field(),
            Value::Null,
            "{id}"
        );
        for mutation in ["updateCredential", "deleteCredential"] {
            let answer = ada.mutate(mutation, json!({ "credentialId": id })).await;
            assert_eq!(answer.user_errors(), ["NOT_FOUND credentialId"], "{id}");
        }
        let input = json!({ "credentialId": id, "consumer": consumer() });
        let answer = runtime.mutate("resolveCredential", input).await;
        assert_eq!(answer.user_errors(), ["NOT_FOUND credentialId"], "{id}");
    }
}

#[tokio::test]
async fn of_eight_who_create_one_name_at_once_one_succeeds_and_seven_are_told_that_it_is_taken() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    alice.id().await;
    for round in 0..5 {
        let input = |case: usize| {
            let name = format!("race-{round}");
            let name = if case.is_multiple_of(2) {
                name
            } else {
                name.to_uppercase()
            };
            json!({ "name": name, "value": secret("race") })
        };
        let attempts = (0..8).map(|case| alice.mutate("createCredential", input(case)));
        let answers = join_all(attempts).await;
        let taken = answers
            .iter()
            .filter(|answer| answer.user_errors() == ["TAKEN name"])
            .count();
        let created = answers
            .iter()
            .filter(|answer| answer.user_errors().is_empty())
            .count();
        assert_eq!((created, taken), (1, 7));
    }
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let server = Server::start().await;
    let id = server.editor("alice").create("durable").await;
    let server = server.restart().await;
    assert_eq!(value_of(&server.runtime(), &id).await, secret("durable"));
    let alice = server.editor("alice");
    credential(
        &alice
            .mutate(
                "updateCredential",
                json!({ "credentialId": id, "name": "kept" }),
            )
            .await,
    );
}
