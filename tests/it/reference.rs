//! References: what uses credentials, what may be deleted, and what dangles.

use std::process::Stdio;
use std::time::{Duration, Instant};

use credence::types::scope::ScopeSet;
use diesel::connection::SimpleConnection;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::support::client::{CREATE, RESOLVE, ask};
use crate::support::{Answer, Person, Server, database, secret};

const DECLARE: &str = "mutation($input: DeclareReferencesInput!) { declareReferences(input: $input) {
    references { id credentialId credential { name } declaredAt resolveCount consumer { kind externalId name } } userErrors { code field message }
} }";

const REFERENCES: &str = "query($id: ID!, $first: Int, $after: String) { credential(id: $id) {
    lastResolvedAt
    references(first: $first, after: $after) {
        totalCount
        nodes { id credentialId consumer { kind externalId name } declaredAt firstResolvedAt lastResolvedAt lastResolvedVersion resolveCount }
        edges { cursor } pageInfo { hasNextPage endCursor }
    }
} }";

const DANGLING: &str = "{ danglingReferences { totalCount nodes { credentialId credential { id } consumer { externalId } } } }";

fn named(kind: &str, external_id: &str, name: &str) -> Value {
    json!({ "kind": kind, "externalId": external_id, "name": name })
}

/// Declares what a workflow uses.
async fn declare(person: &Person<'_>, external_id: &str, ids: &[&str]) -> Answer {
    let consumer = named(
        "WORKFLOW",
        external_id,
        &format!("{external_id} for people"),
    );
    let input = json!({ "consumer": consumer, "credentialIds": ids });
    person.ask_with(DECLARE, json!({ "input": input })).await
}

async fn references(person: &Person<'_>, id: &str) -> Value {
    let answer = person.ask_with(REFERENCES, json!({ "id": id })).await;
    answer.field().clone()
}

/// The references of a credential, when its resolves are counted.
async fn counted(person: &Person<'_>, id: &str, count: i64) -> Value {
    let started = Instant::now();
    loop {
        let found = references(person, id).await;
        let nodes = found["references"]["nodes"].as_array().unwrap();
        let sum: i64 = nodes
            .iter()
            .map(|node| node["resolveCount"].as_i64().unwrap())
            .sum();
        assert!(sum <= count, "{found}");
        if sum == count {
            return found;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "{found}");
        sleep(Duration::from_millis(50)).await;
    }
}

fn errors(answer: &Answer) -> &Value {
    &answer.field()["userErrors"]
}

fn codes(answer: &Answer) -> Vec<&str> {
    let errors = errors(answer).as_array().unwrap().iter();
    errors
        .map(|error| error["code"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_declaration_replaces_the_full_set_of_one_consumer() {
    let server = Server::start().await;
    let (alice, runtime) = (server.editor("alice"), server.runtime());
    let (one, two, three) = (
        alice.create("one").await,
        alice.create("two").await,
        alice.create("three").await,
    );
    let first = declare(&runtime, "a.yaml", &[&one, &two, &one]).await;
    let declared = first.field()["references"].as_array().unwrap();
    assert_eq!(declared.len(), 2);
    let names: Vec<&Value> = declared
        .iter()
        .map(|node| &node["credential"]["name"])
        .collect();
    assert_eq!(names, ["one", "two"]);
    declare(&runtime, "b.yaml", &[&one]).await.data();
    let again = declare(&runtime, "a.yaml", &[&two, &one]).await;
    assert_eq!(again.field()["references"], first.field()["references"]);
    let changed = declare(&runtime, "a.yaml", &[&two, &three]).await;
    let kept = &changed.field()["references"][0];
    assert_eq!(kept, &declared[1]);
    assert_eq!(
        changed.field()["references"][1]["credentialId"],
        json!(three)
    );
    let of_one = references(&alice, &one).await;
    assert_eq!(of_one["references"]["totalCount"], 1);
    assert_eq!(
        of_one["references"]["nodes"][0]["consumer"]["externalId"],
        "b.yaml"
    );
    let none = declare(&runtime, "a.yaml", &[]).await;
    assert_eq!(none.field()["references"], json!([]));
    // What changed nothing is no event.
    let events = "{ auditEvents(filter: {actions: [REFERENCES_DECLARED]}) { nodes { consumer { externalId } credentialId } } }";
    let events = server.admin("ada").ask(events).await;
    let consumers: Vec<&Value> = events.field()["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| &event["consumer"]["externalId"])
        .collect();
    assert_eq!(consumers, ["a.yaml", "a.yaml", "b.yaml", "a.yaml"]);
}

#[tokio::test]
async fn an_id_that_never_existed_keeps_all_from_being_declared_and_a_deleted_one_dangles() {
    let server = Server::start().await;
    let (alice, runtime) = (server.editor("alice"), server.runtime());
    let (kept, gone) = (alice.create("kept").await, alice.create("gone").await);
    alice
        .mutate("deleteCredential", json!({ "credentialId": gone }))
        .await
        .data();
    let never = "00000000-0000-4000-8000-000000000000";
    let refused = declare(&runtime, "a.yaml", &[&kept, never, "sk-raw"]).await;
    assert_eq!(refused.field()["references"], Value::Null);
    let places: Vec<&Value> = errors(&refused)
        .as_array()
        .unwrap()
        .iter()
        .map(|error| &error["field"][2])
        .collect();
    assert_eq!(codes(&refused), ["NOT_FOUND", "NOT_FOUND"]);
    assert_eq!(places, ["2", "1"]);
    assert_eq!(
        references(&alice, &kept).await["references"]["totalCount"],
        0
    );
    let dangles = declare(&runtime, "a.yaml", &[&kept, &gone]).await;
    assert_eq!(dangles.field()["references"][1]["credential"], Value::Null);
    let dangling = alice.ask(DANGLING).await;
    assert_eq!(
        *dangling.field(),
        json!({ "totalCount": 1, "nodes": [{ "credentialId": gone, "credential": null, "consumer": { "externalId": "a.yaml" } }] })
    );
    let many: Vec<&str> = std::iter::repeat_n(kept.as_str(), 101).collect();
    let too_many = declare(&runtime, "a.yaml", &many).await;
    assert_eq!(codes(&too_many), ["INVALID"]);
    assert_eq!(
        errors(&too_many)[0]["field"],
        json!(["input", "credentialIds"])
    );
}

#[tokio::test]
async fn what_is_declared_is_deleted_by_force_only_and_then_dangles() {
    let server = Server::start().await;
    let (alice, runtime) = (server.editor("alice"), server.runtime());
    let id = alice.create("used").await;
    for number in 1..=7 {
        declare(&runtime, &format!("{number}.yaml"), &[&id])
            .await
            .data();
    }
    let refused = alice
        .mutate("deleteCredential", json!({ "credentialId": id }))
        .await;
    assert_eq!(codes(&refused), ["IN_USE"]);
    assert_eq!(
        errors(&refused)[0]["message"],
        "7 consumers declare that they use the credential used: 1.yaml for people (1.yaml), 2.yaml for people (2.yaml), \
         3.yaml for people (3.yaml), 4.yaml for people (4.yaml), 5.yaml for people (5.yaml) and 2 more. They would fail without it."
    );
    let by_force = json!({ "credentialId": id, "force": true });
    let deleted = alice.mutate("deleteCredential", by_force).await;
    assert_eq!(deleted.field()["deletedCredentialId"], json!(id));
    assert_eq!(alice.ask(DANGLING).await.field()["totalCount"], 7);
    let resolved = runtime.resolve(&id).await;
    assert_eq!(codes(&resolved), ["DELETED"]);
    assert!(
        errors(&resolved)[0]["message"]
            .as_str()
            .unwrap()
            .starts_with("The credential used was deleted at 20")
    );
    let update = json!({ "credentialId": id, "value": secret("new") });
    assert_eq!(
        codes(&alice.mutate("updateCredential", update).await),
        ["DELETED"]
    );
    // Withdrawn, it dangles no more.
    for number in 1..=7 {
        declare(&runtime, &format!("{number}.yaml"), &[])
            .await
            .data();
    }
    assert_eq!(alice.ask(DANGLING).await.field()["totalCount"], 0);
}

#[tokio::test]
async fn what_was_resolved_dangles_until_its_consumer_declares_something_else() {
    let server = Server::start().await;
    let (alice, runtime) = (server.editor("alice"), server.runtime());
    let (old, new) = (alice.create("old").await, alice.create("new").await);
    for external_id in ["a.yaml", "b.yaml"] {
        let consumer = named("WORKFLOW", external_id, "for people");
        let input = json!({ "credentialId": old, "consumer": consumer });
        runtime.mutate("resolveCredential", input).await.data();
    }
    counted(&alice, &old, 2).await;
    declare(&runtime, "a.yaml", &[&old]).await.data();
    let by_force = json!({ "credentialId": old, "force": true });
    alice.mutate("deleteCredential", by_force).await.data();
    assert_eq!(alice.ask(DANGLING).await.field()["totalCount"], 2);
    // Of what it declares still, nothing is forgotten.
    declare(&runtime, "a.yaml", &[&old, &new]).await.data();
    assert_eq!(alice.ask(DANGLING).await.field()["totalCount"], 2);
    let declared = declare(&runtime, "a.yaml", &[&new]).await;
    assert_eq!(
        declared.field()["references"].as_array().unwrap().len(),
        1,
        "{declared:?}"
    );
    // One that never declared anything may do so now.
    declare(&runtime, "b.yaml", &[]).await.data();
    assert_eq!(alice.ask(DANGLING).await.field()["totalCount"], 0);
}

#[tokio::test]
async fn a_token_that_is_limited_to_some_credentials_withdraws_none_of_the_others() {
    let server = Server::start().await;
    let (alice, runtime) = (server.editor("alice"), server.runtime());
    let (mine, other) = (alice.create("mine").await, alice.create("other").await);
    declare(&runtime, "a.yaml", &[&mine, &other]).await.data();
    let token = server.limited_token(&json!([mine]));
    let limited = server.bearer(&token);
    for ids in [&[][..], &[mine.as_str()][..]] {
        let refused = declare(&limited, "a.yaml", ids).await;
        assert_eq!(refused.codes(), ["FORBIDDEN"]);
    }
    let found = references(&alice, &other).await;
    assert!(found["references"]["nodes"][0]["declaredAt"].is_string());
    declare(&limited, "own.yaml", &[&mine]).await.data();
    declare(&limited, "own.yaml", &[]).await.data();
}

#[tokio::test]
async fn a_user_whose_credentials_are_in_use_is_kept_when_asked() {
    let server = Server::start().await;
    let (alice, ada, runtime) = (
        server.editor("alice"),
        server.admin("ada"),
        server.runtime(),
    );
    let (used, free) = (alice.create("used").await, alice.create("free").await);
    declare(&runtime, "a.yaml", &[&used]).await.data();
    let user_id = alice.id().await;
    let if_unused = json!({ "userId": user_id, "onlyIfUnused": true });
    let refused = ada.mutate("deleteUser", if_unused.clone()).await;
    assert_eq!(codes(&refused), ["IN_USE"]);
    assert_eq!(errors(&refused)[0]["field"], json!(["input", "userId"]));
    let found = ada
        .ask(&format!(r#"{{ credential(id: "{free}") {{ name }} }}"#))
        .await;
    assert_eq!(found.field()["name"], "free");
    // All that is used is told, up to ten.
    for number in 0..11 {
        let id = alice.create(&format!("more {number:02}")).await;
        declare(&runtime, &format!("{number}.yaml"), &[&id])
            .await
            .data();
    }
    let refused = ada.mutate("deleteUser", if_unused).await;
    assert_eq!(codes(&refused), ["IN_USE"; 11]);
    let message = |index: usize| &errors(&refused)[index]["message"];
    assert_eq!(
        message(8),
        "1 consumer declares that it uses the credential more 07: 7.yaml for people (7.yaml). It would fail without it."
    );
    assert_eq!(
        message(10),
        "Consumers declare that they use 2 more credentials of the user."
    );
    let transferred =
        json!({ "userId": user_id, "onlyIfUnused": true, "transferToId": ada.id().await });
    assert_eq!(codes(&ada.mutate("deleteUser", transferred).await), [""; 0]);
    let all = json!({ "userId": server.editor("bea").id().await });
    assert_eq!(codes(&ada.mutate("deleteUser", all).await), [""; 0]);
    assert_eq!(references(&ada, &used).await["references"]["totalCount"], 1);
}

#[tokio::test]
async fn resolves_are_counted_by_credential_and_consumer_and_not_by_use() {
    let server = Server::start().await;
    let (alice, runtime) = (server.editor("alice"), server.runtime());
    let id = alice.create("used").await;
    assert_eq!(references(&alice, &id).await["lastResolvedAt"], Value::Null);
    let resolve = |external_id: &'static str, held: Option<i64>| {
        let input = json!({
            "credentialId": id, "consumer": named("INTEGRATION", external_id, "Cron"), "ifVersionNot": held
        });
        runtime.mutate("resolveCredential", input)
    };
    for _ in 0..3 {
        resolve("cron", None).await.data();
    }
    let found = counted(&alice, &id, 3).await;
    assert_eq!(found["references"]["totalCount"], 1);
    let rotate = json!({ "credentialId": id, "value": secret("new") });
    alice.mutate("updateCredential", rotate).await.data();
    resolve("other", None).await.data();
    assert_eq!(resolve("other", Some(2)).await.field()["notModified"], true);
    // What is refused is no use.
    let viewer = server.viewer("vera");
    assert_eq!(viewer.resolve(&id).await.codes(), ["FORBIDDEN"]);
    let found = counted(&alice, &id, 5).await;
    let nodes = &found["references"]["nodes"];
    assert_eq!(
        (&nodes[0]["resolveCount"], &nodes[0]["lastResolvedVersion"]),
        (&json!(3), &json!(1))
    );
    assert_eq!(
        (&nodes[1]["resolveCount"], &nodes[1]["lastResolvedVersion"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(nodes[0]["declaredAt"], Value::Null);
    assert!(nodes[0]["firstResolvedAt"].as_str() <= nodes[0]["lastResolvedAt"].as_str());
    assert_eq!(found["lastResolvedAt"], nodes[1]["lastResolvedAt"]);
    // Declared and withdrawn, what was observed stays.
    let consumer = named("INTEGRATION", "cron", "Cron");
    for ids in [json!([id]), json!([])] {
        let input = json!({ "consumer": consumer, "credentialIds": ids });
        runtime
            .ask_with(DECLARE, json!({ "input": input }))
            .await
            .data();
    }
    assert_eq!(
        references(&alice, &id).await["references"]["nodes"][0],
        nodes[0]
    );
}

#[tokio::test]
async fn what_was_resolved_before_the_server_ended_is_counted_after_the_next_start_and_once() {
    let server = Server::start().await;
    let id = server.editor("alice").create("used").await;
    for _ in 0..30 {
        server.runtime().resolve(&id).await.data();
    }
    let server = server.restart().await;
    counted(&server.editor("alice"), &id, 30).await;
    server.runtime().resolve(&id).await.data();
    counted(&server.editor("alice"), &id, 31).await;
}

#[tokio::test]
async fn a_consumer_that_resolved_more_than_a_thousand_credentials_declares_as_others_do() {
    let server = Server::start().await;
    let (alice, runtime) = (server.editor("alice"), server.runtime());
    let id = alice.create("used").await;
    let credential = database::bytes(&id.replace('-', ""));
    let rows: Vec<String> = (0..1_100)
        .map(|number| {
            let other = database::bytes(&format!("{number:032x}"));
            format!("({other}, {other}, NULL, 'WORKFLOW', 'big.yaml', 1, 1, 1, 1)")
        })
        .collect();
    let last = database::bytes(&"ff".repeat(16));
    let columns = "id, credential_id, present_credential_id, consumer_kind, consumer_external_id, first_resolved_at_us, last_resolved_at_us, last_resolved_version, resolve_count";
    database::database(&server.data_directory())
        .connect()
        .unwrap()
        .batch_execute(&format!(
            "INSERT INTO credential_references ({columns}) VALUES {}, ({last}, {credential}, {credential}, 'WORKFLOW', 'big.yaml', 1, 1, 1, 1)",
            rows.join(", ")
        ))
        .unwrap();
    assert_eq!(codes(&declare(&runtime, "big.yaml", &[&id]).await), [""; 0]);
    let delete = json!({ "credentialId": id });
    assert_eq!(
        codes(&alice.mutate("deleteCredential", delete.clone()).await),
        ["IN_USE"]
    );
    assert_eq!(codes(&declare(&runtime, "big.yaml", &[]).await), [""; 0]);
    assert_eq!(
        codes(&alice.mutate("deleteCredential", delete).await),
        [""; 0]
    );
}

#[tokio::test]
async fn a_clock_that_was_set_back_over_a_restart_neither_hides_a_resolve_nor_turns_the_log_around()
{
    let server = Server::start().await;
    let id = server.editor("alice").create("used").await;
    server.runtime().resolve(&id).await.data();
    counted(&server.editor("alice"), &id, 1).await;
    server.clock.shift_seconds(-600);
    let server = server.restart().await;
    server.runtime().resolve(&id).await.data();
    // Over PostgreSQL the count waits until the clock has caught up.
    if !database::is_postgres() {
        counted(&server.editor("alice"), &id, 2).await;
    }
    let log = server
        .admin("ada")
        .ask("{ auditEvents { nodes { action } } }")
        .await;
    let actions: Vec<&Value> = log.field()["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| &node["action"])
        .collect();
    assert_eq!(
        actions,
        [
            "CREDENTIAL_RESOLVED",
            "CREDENTIAL_RESOLVED",
            "CREDENTIAL_CREATED"
        ]
    );
}

#[tokio::test]
async fn who_may_only_declare_sees_no_list() {
    let server = Server::start().await;
    let id = server.editor("alice").create("used").await;
    let declarer = server.scoped("ci", ScopeSet::parse("references:declare"));
    assert_eq!(codes(&declare(&declarer, "a.yaml", &[&id]).await), [""; 0]);
    assert_eq!(declarer.ask(DANGLING).await.codes(), ["FORBIDDEN"]);
    let vera = server.viewer("vera");
    assert_eq!(
        declare(&vera, "a.yaml", &[&id]).await.codes(),
        ["FORBIDDEN"]
    );
}

#[tokio::test]
async fn references_are_paged_and_found_by_their_ids() {
    let server = Server::start().await;
    let (alice, runtime) = (server.editor("alice"), server.runtime());
    let id = alice.create("used").await;
    for number in 0..5 {
        declare(&runtime, &format!("{number}.yaml"), &[&id])
            .await
            .data();
    }
    let page = alice
        .ask_with(REFERENCES, json!({ "id": id, "first": 3 }))
        .await;
    let page = &page.field()["references"];
    assert_eq!(
        (&page["totalCount"], &page["pageInfo"]["hasNextPage"]),
        (&json!(5), &json!(true))
    );
    let after = &page["pageInfo"]["endCursor"];
    let rest = alice
        .ask_with(REFERENCES, json!({ "id": id, "after": after }))
        .await;
    let rest = &rest.field()["references"];
    assert_eq!(rest["nodes"].as_array().unwrap().len(), 2);
    assert_eq!(rest["nodes"][0]["consumer"]["externalId"], "3.yaml");
    let reference = rest["nodes"][0]["id"].as_str().unwrap();
    let node = format!(
        r#"{{ node(id: "{reference}") {{ id ... on CredentialReference {{ credentialId credential {{ name }} }} }} }}"#
    );
    assert_eq!(
        *alice.ask(&node).await.field(),
        json!({ "id": reference, "credentialId": id, "credential": { "name": "used" } })
    );
    let other = alice.create("other").await;
    let foreign = alice
        .ask_with(REFERENCES, json!({ "id": other, "after": after }))
        .await;
    assert_eq!(foreign.codes(), ["BAD_USER_INPUT"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_resolved_before_a_kill_is_counted_after_the_next_start_and_once() {
    let directory = TempDir::new().unwrap();
    let place = database::place(&directory.path().join("data"));
    let mut server = place.serve(Stdio::null(), &[]);
    let (admin, runtime) = (place.token("ada", "admin"), place.token("r", "runtime"));
    let create = json!({ "name": "used", "value": secret("v") });
    let created = ask(&server, &admin, CREATE, create).await;
    let id = &created["credential"]["id"];
    for _ in 0..30 {
        ask(&server, &runtime, RESOLVE, json!({ "id": id })).await;
    }
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    let server = place.serve(Stdio::null(), &[]);
    let query = "query($id: ID!) { credential(id: $id) { references { nodes { resolveCount } } } }";
    let started = Instant::now();
    loop {
        let found = ask(&server, &admin, query, json!({ "id": id })).await;
        let count = found["references"]["nodes"][0]["resolveCount"].as_i64();
        assert!(count <= Some(30), "{found}");
        if count == Some(30) {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "{found}");
        sleep(Duration::from_millis(50)).await;
    }
}
