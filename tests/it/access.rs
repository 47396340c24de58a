//! Who may do what: every field of the roots, for every kind of caller.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{Answer, Person, Server, secret};

const CALLERS: [&str; 7] = [
    "no token",
    "expired",
    "viewer",
    "editor who owns",
    "editor who does not",
    "admin",
    "runtime",
];

/// What each field answers each of the callers. `null` is what the field answers when there is nothing to see.
const TABLE: [(&str, [&str; 7]); 19] = [
    (
        "auditEvents",
        [
            "401",
            "401",
            "FORBIDDEN",
            "FORBIDDEN",
            "FORBIDDEN",
            "ok",
            "FORBIDDEN",
        ],
    ),
    ("credential", ["401", "401", "ok", "ok", "ok", "ok", "ok"]),
    (
        "credentialByName",
        ["401", "401", "ok", "ok", "ok", "ok", "ok"],
    ),
    (
        "credentialStatuses",
        ["401", "401", "ok", "ok", "ok", "ok", "ok"],
    ),
    (
        "credentials",
        ["401", "401", "ok", "ok", "ok", "ok", "FORBIDDEN"],
    ),
    (
        "danglingReferences",
        ["401", "401", "ok", "ok", "ok", "ok", "FORBIDDEN"],
    ),
    ("node", ["401", "401", "ok", "ok", "ok", "ok", "ok"]),
    ("nodes", ["401", "401", "ok", "ok", "ok", "ok", "ok"]),
    (
        "node of an audit event",
        ["401", "401", "null", "null", "null", "ok", "null"],
    ),
    (
        "users",
        [
            "401",
            "401",
            "FORBIDDEN",
            "FORBIDDEN",
            "FORBIDDEN",
            "ok",
            "FORBIDDEN",
        ],
    ),
    ("viewer", ["401", "401", "ok", "ok", "ok", "ok", "ok"]),
    (
        "viewerCanCreateCredential",
        ["401", "401", "false", "true", "true", "true", "false"],
    ),
    (
        "createCredential",
        ["401", "401", "FORBIDDEN", "ok", "ok", "ok", "FORBIDDEN"],
    ),
    (
        "declareReferences",
        [
            "401",
            "401",
            "FORBIDDEN",
            "FORBIDDEN",
            "FORBIDDEN",
            "FORBIDDEN",
            "ok",
        ],
    ),
    (
        "deleteCredential",
        [
            "401",
            "401",
            "FORBIDDEN",
            "ok",
            "FORBIDDEN",
            "ok",
            "FORBIDDEN",
        ],
    ),
    (
        "deleteUser",
        [
            "401",
            "401",
            "FORBIDDEN",
            "FORBIDDEN",
            "FORBIDDEN",
            "ok",
            "FORBIDDEN",
        ],
    ),
    (
        "resolveCredential",
        [
            "401",
            "401",
            "FORBIDDEN",
            "FORBIDDEN",
            "FORBIDDEN",
            "FORBIDDEN",
            "ok",
        ],
    ),
    (
        "transferCredential",
        [
            "401",
            "401",
            "FORBIDDEN",
            "FORBIDDEN",
            "FORBIDDEN",
            "ok",
            "FORBIDDEN",
        ],
    ),
    (
        "updateCredential",
        [
            "401",
            "401",
            "FORBIDDEN",
            "ok",
            "FORBIDDEN",
            "ok",
            "FORBIDDEN",
        ],
    ),
];

#[tokio::test]
async fn every_field_answers_every_caller_as_the_table_says() {
    let server = Server::start().await;
    let mut wrong = Vec::new();
    for (field, expected) in TABLE {
        for (caller, expected) in CALLERS.into_iter().zip(expected) {
            let answer = call(&server, field, caller).await;
            let outcome = outcome(&answer);
            if outcome != expected {
                wrong.push(format!(
                    "{field} for {caller}: {outcome}, not {expected}: {}",
                    answer.body
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn every_field_of_the_roots_has_a_row_in_the_table() {
    let server = Server::start().await;
    let query = "{ __schema { queryType { fields { name } } mutationType { fields { name } } } }";
    let answer = server.viewer("walker").ask(query).await;
    let roots = answer.field();
    let fields =
        ["queryType", "mutationType"].map(|root| roots[root]["fields"].as_array().unwrap().clone());
    let names: BTreeSet<String> = fields
        .concat()
        .iter()
        .map(|field| field["name"].as_str().unwrap().to_owned())
        .collect();
    let rows: BTreeSet<String> = TABLE
        .iter()
        .map(|(field, _)| (*field).to_owned())
        .filter(|field| !field.contains(' '))
        .collect();
    assert_eq!(names, rows);
}

fn outcome(answer: &Answer) -> String {
    if answer.status == 401 {
        assert_eq!(answer.codes(), ["UNAUTHENTICATED"]);
        assert!(
            answer.headers["www-authenticate"]
                .to_str()
                .unwrap()
                .starts_with("Bearer")
        );
        return "401".to_owned();
    }
    assert_eq!(answer.status, 200);
    if let Some(code) = answer.codes().first() {
        return (*code).to_owned();
    }
    let field = answer.field();
    if let Some(told) = field.as_bool() {
        return told.to_string();
    }
    let is_empty = |value: &Value| value.is_null() || value["state"] == "UNKNOWN";
    if is_empty(field)
        || field
            .as_array()
            .is_some_and(|items| items.iter().all(is_empty))
    {
        return "null".to_owned();
    }
    match field["userErrors"].as_array() {
        Some(errors) if !errors.is_empty() => format!("user errors {errors:?}"),
        _ => "ok".to_owned(),
    }
}

async fn call(server: &Server, field: &str, caller: &str) -> Answer {
    let owner = server.editor("olive");
    let name = format!("{field} for {caller}").replace(' ', "-");
    let id = owner.create(&name).await;
    let person = match caller {
        "no token" => server.stranger(),
        "expired" => {
            let person = server.admin("olive");
            server.clock.shift_seconds(3_600 + 31);
            person
        }
        "viewer" => server.viewer("vera"),
        "editor who owns" => owner.clone(),
        "editor who does not" => server.editor("otto"),
        "admin" => server.admin("ada"),
        _ => server.runtime(),
    };
    ask(&person, field, &id, &name).await
}

async fn ask(person: &Person<'_>, field: &str, id: &str, name: &str) -> Answer {
    let server = person.server;
    match field {
        "auditEvents" => person.ask("{ auditEvents { nodes { id } } }").await,
        "credential" => {
            person
                .ask(&format!(r#"{{ credential(id: "{id}") {{ id }} }}"#))
                .await
        }
        "credentialByName" => {
            person
                .ask(&format!(
                    r#"{{ credentialByName(name: "{name}") {{ id }} }}"#
                ))
                .await
        }
        "credentialStatuses" => {
            person
                .ask(&format!(
                    r#"{{ credentialStatuses(ids: ["{id}"]) {{ state }} }}"#
                ))
                .await
        }
        "credentials" => person.ask("{ credentials { nodes { id } } }").await,
        "danglingReferences" => person.ask("{ danglingReferences { nodes { id } } }").await,
        "declareReferences" => {
            let consumer = json!({ "kind": "WORKFLOW", "externalId": name });
            let input = json!({ "consumer": consumer, "credentialIds": [id] });
            person.mutate("declareReferences", input).await
        }
        // A runtime and a viewer each see the credential as a node, and themselves.
        "node" => {
            person
                .ask(&format!(r#"{{ node(id: "{id}") {{ id }} }}"#))
                .await
        }
        "nodes" => {
            person
                .ask(&format!(r#"{{ nodes(ids: ["{id}"]) {{ id }} }}"#))
                .await
        }
        "node of an audit event" => {
            let events = server
                .admin("ada")
                .ask("{ auditEvents(first: 1) { nodes { id } } }")
                .await;
            let event = events.field()["nodes"][0]["id"]
                .as_str()
                .unwrap()
                .to_owned();
            person
                .ask(&format!(r#"{{ node(id: "{event}") {{ id }} }}"#))
                .await
        }
        "users" => person.ask("{ users { nodes { id } } }").await,
        "viewer" => person.ask("{ viewer { id } }").await,
        "viewerCanCreateCredential" => person.ask("{ viewerCanCreateCredential }").await,
        "createCredential" => {
            let input = json!({ "name": format!("{name}-new"), "value": secret("new") });
            person.mutate("createCredential", input).await
        }
        "deleteUser" => {
            let victim = server.viewer(&format!("victim of {name}")).id().await;
            person
                .mutate("deleteUser", json!({ "userId": victim }))
                .await
        }
        "resolveCredential" => person.resolve(id).await,
        "transferCredential" => {
            let heir = server.viewer("heir").id().await;
            let input = json!({ "credentialId": id, "newOwnerId": heir });
            person.mutate("transferCredential", input).await
        }
        "updateCredential" => {
            let input = json!({ "credentialId": id, "value": secret("rotated") });
            person.mutate("updateCredential", input).await
        }
        "deleteCredential" => {
            person
                .mutate("deleteCredential", json!({ "credentialId": id }))
                .await
        }
        other => panic!("{other} has no request here"),
    }
}
