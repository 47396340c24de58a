//! Users: seen first with a token, removed with all they own, or with an heir.

use serde_json::{Value, json};

use crate::support::{Answer, Person, Server};

async fn delete_user(admin: &Person<'_>, id: &str) -> Answer {
    admin.mutate("deleteUser", json!({ "userId": id })).await
}

#[tokio::test]
async fn a_user_exists_from_their_first_request_on_and_stays_the_same() {
    let server = Server::start().await;
    let ada = server.admin("ada");
    let query = "{ users { nodes { id subject name createdAt } } }";
    assert_eq!(
        ada.ask(query).await.field()["nodes"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let id = server.viewer("vera").id().await;
    server.clock.shift_seconds(60);
    assert_eq!(server.editor("vera").id().await, id);
    let users = ada.ask(query).await;
    let users = users.field()["nodes"].as_array().unwrap();
    assert_eq!(users.len(), 2);
    assert_eq!(users[1]["id"], *id);
    assert_eq!(users[1]["name"], "vera");
}

#[tokio::test]
async fn subjects_are_compared_byte_for_byte() {
    let server = Server::start().await;
    let mut ids = Vec::new();
    for subject in ["alice", "Alice", "alice ", "ali\u{301}ce", "al\u{ed}ce"] {
        ids.push(server.viewer(subject).id().await);
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 5);
}

#[tokio::test]
async fn eight_first_requests_at_once_make_one_user() {
    let server = Server::start().await;
    for round in 0..10 {
        let vera = server.viewer(&format!("vera-{round}"));
        let ids = futures_util::future::join_all((0..8).map(|_| vera.id())).await;
        assert!(ids.iter().all(|id| *id == ids[0]));
    }
}

#[tokio::test]
async fn a_removed_user_takes_their_credentials_along() {
    let server = Server::start().await;
    let (alice, bob, ada) = (
        server.editor("alice"),
        server.editor("bob"),
        server.admin("ada"),
    );
    let (first, second) = (alice.create("first").await, alice.create("second").await);
    let kept = bob.create("kept").await;
    let id = alice.id().await;
    let removed = delete_user(&ada, &id).await;
    assert_eq!(removed.field()["deletedUserId"], *id);
    assert_eq!(
        removed.field()["deletedCredentialIds"],
        json!([first, second])
    );

    let listed = ada.ask("{ credentials { nodes { id } } }").await;
    assert_eq!(*listed.field(), json!({ "nodes": [{ "id": kept }] }));
    assert_eq!(
        server.runtime().resolve(&first).await.user_errors(),
        ["DELETED credentialId"]
    );
    bob.create("FIRST").await;
    let events = ada
        .ask("{ auditEvents(filter: {actorSubject: \"ada\"}) { nodes { action credentialName } } }")
        .await;
    let expected = json!({ "nodes": [
        { "action": "USER_DELETED", "credentialName": null },
        { "action": "CREDENTIAL_DELETED", "credentialName": "second" },
        { "action": "CREDENTIAL_DELETED", "credentialName": "first" },
    ] });
    assert_eq!(*events.field(), expected);
    assert_eq!(
        delete_user(&ada, &id).await.user_errors(),
        ["NOT_FOUND userId"]
    );
}

#[tokio::test]
async fn a_removed_users_credentials_go_to_an_heir_when_one_is_named() {
    let server = Server::start().await;
    let (alice, ada) = (server.editor("alice"), server.admin("ada"));
    let credential = alice.create("inherited").await;
    let id = alice.id().await;
    let heir = server.viewer("heir").id().await;
    for (transfer_to, expected) in [
        (
            "00000000-0000-4000-8000-000000000000",
            "NOT_FOUND transferToId",
        ),
        ("nobody", "NOT_FOUND transferToId"),
        (id.as_str(), "INVALID transferToId"),
    ] {
        let answer = ada
            .mutate(
                "deleteUser",
                json!({ "userId": id, "transferToId": transfer_to }),
            )
            .await;
        assert_eq!(answer.user_errors(), [expected]);
    }
    let removed = ada
        .mutate("deleteUser", json!({ "userId": id, "transferToId": heir }))
        .await;
    assert_eq!(removed.field()["deletedCredentialIds"], json!([]));
    let inherited = ada
        .ask(&format!(
            r#"{{ credential(id: "{credential}") {{ owner {{ subject }} }} }}"#
        ))
        .await;
    assert_eq!(
        *inherited.field(),
        json!({ "owner": { "subject": "heir" } })
    );
    let resolved = server.runtime().resolve(&credential).await;
    assert_eq!(
        resolved.field()["value"],
        crate::support::secret("inherited")
    );
}

#[tokio::test]
async fn a_removed_users_old_tokens_are_refused_at_once_and_later_ones_make_a_new_user() {
    let server = Server::start().await;
    let (alice, ada) = (server.editor("alice"), server.admin("ada"));
    let id = alice.id().await;
    let also_old = server.admin("alice");
    delete_user(&ada, &id).await.data();
    for _ in 0..1_000 {
        let answer = alice.ask("{ viewer { id } }").await;
        assert_eq!(
            (answer.status.as_u16(), answer.codes()),
            (401, vec!["UNAUTHENTICATED"])
        );
    }
    assert_eq!(also_old.ask("{ viewer { id } }").await.status, 401);
    server.clock.shift_seconds(1);
    let again = server.editor("alice").id().await;
    assert_ne!(again, id);
    assert_eq!(alice.ask("{ viewer { id } }").await.status, 401);
    // Removed a second time: the newer tokens are refused then, too.
    let newer = server.editor("alice");
    delete_user(&ada, &again).await.data();
    assert_eq!(newer.ask("{ viewer { id } }").await.status, 401);
}

#[tokio::test]
async fn a_removal_holds_after_a_restart() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    let token = alice.token.clone();
    let id = alice.id().await;
    delete_user(&server.admin("ada"), &id).await.data();
    let server = server.restart().await;
    assert_eq!(
        server.bearer(&token).ask("{ viewer { id } }").await.status,
        401
    );
}

#[tokio::test]
async fn creating_and_removing_at_once_leaves_no_orphan_behind() {
    let server = Server::start().await;
    let ada = server.admin("ada");
    for round in 0..100 {
        server.clock.shift_seconds(1);
        let victim = server.editor(&format!("victim-{round}"));
        let id = victim.id().await;
        let name =
            |number: usize| json!({ "name": format!("orphan-{round}-{number}"), "value": "v" });
        let creations = (0..10).map(|number| victim.mutate("createCredential", name(number)));
        let (creations, removal) = futures_util::future::join(
            futures_util::future::join_all(creations),
            delete_user(&ada, &id),
        )
        .await;
        removal.data();
        for creation in creations {
            let refused = creation.status == 401 || creation.codes() == ["UNAUTHENTICATED"];
            assert!(
                refused || creation.user_errors().is_empty(),
                "{}",
                creation.body
            );
        }
    }
    let left = ada
        .ask(r#"{ credentials(query: "orphan") { totalCount } }"#)
        .await;
    assert_eq!(left.field()["totalCount"], 0);
}

#[tokio::test]
async fn an_administrator_may_remove_themselves() {
    let server = Server::start().await;
    let ada = server.admin("ada");
    let id = ada.id().await;
    assert_eq!(delete_user(&ada, &id).await.field()["deletedUserId"], *id);
    assert_eq!(ada.ask("{ viewer { id } }").await.status, 401);
}

#[tokio::test]
async fn what_is_no_user_is_not_found() {
    let server = Server::start().await;
    let ada = server.admin("ada");
    let credential = ada.create("no user").await;
    for id in [
        "00000000-0000-4000-8000-000000000000",
        "ada",
        "",
        &credential,
    ] {
        assert_eq!(
            delete_user(&ada, id).await.user_errors(),
            ["NOT_FOUND userId"],
            "{id}"
        );
    }
}

#[tokio::test]
async fn a_users_credentials_are_listed_below_them() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    alice.create("b").await;
    alice.create("a").await;
    server.editor("bob").create("c").await;
    let query = "{ viewer { credentials(first: 1) { totalCount nodes { name } pageInfo { hasNextPage } } } }";
    let expected = json!({ "credentials": { "totalCount": 2, "nodes": [{ "name": "a" }], "pageInfo": { "hasNextPage": true } } });
    assert_eq!(*alice.ask(query).await.field(), expected);
    let expected = json!({ "credentials": { "totalCount": 0, "nodes": [], "pageInfo": { "hasNextPage": false } } });
    assert_eq!(*server.viewer("vera").ask(query).await.field(), expected);
}

#[tokio::test]
async fn a_user_without_an_email_claim_has_none() {
    let server = Server::start().await;
    assert_eq!(
        server
            .viewer("vera")
            .ask("{ viewer { email } }")
            .await
            .field()["email"],
        Value::Null
    );
}

/// Two of a name are told apart by their IDs.
#[tokio::test]
async fn users_are_paged_from_both_ends() {
    let server = Server::start().await;
    let ada = server.admin("ada");
    for subject in ["Eve", "bob", "EVE", "eve", "carol"] {
        server.viewer(subject).id().await;
    }
    let expected = ["ada", "bob", "carol", "Eve", "EVE", "eve"];
    let query = "query($first: Int, $after: String, $last: Int, $before: String) {
        users(first: $first, after: $after, last: $last, before: $before) {
            nodes { subject } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
        }
    }";
    for size in [1, 2, 4] {
        let (mut forwards, mut backwards) = (Vec::new(), Vec::new());
        for (walked, count, cursor, more, next) in [
            (&mut forwards, "first", "after", "hasNextPage", "endCursor"),
            (
                &mut backwards,
                "last",
                "before",
                "hasPreviousPage",
                "startCursor",
            ),
        ] {
            let mut place = Value::Null;
            loop {
                let answer = ada
                    .ask_with(query, json!({ count: size, cursor: place }))
                    .await;
                let page = answer.field();
                let subjects = page["nodes"].as_array().unwrap().iter();
                walked.push(
                    subjects
                        .map(|node| node["subject"].clone())
                        .collect::<Vec<_>>(),
                );
                place = page["pageInfo"][next].clone();
                if page["pageInfo"][more] == false {
                    break;
                }
            }
        }
        backwards.reverse();
        assert_eq!(forwards.concat(), expected, "{size}");
        assert_eq!(backwards.concat(), expected, "{size}");
    }
}

/// What the scope does not allow at the root it does not allow below a user either.
#[tokio::test]
async fn a_users_credentials_are_listed_to_who_may_list_credentials() {
    let server = Server::start().await;
    let id = server.editor("alice").create("alices").await;
    let query =
        "query($id: ID!) { credential(id: $id) { owner { name credentials { nodes { name } } } } }";
    let refused = server.runtime().ask_with(query, json!({ "id": id })).await;
    assert_eq!(refused.codes(), ["FORBIDDEN"]);
    let seen = server
        .viewer("vera")
        .ask_with(query, json!({ "id": id }))
        .await;
    assert_eq!(
        seen.field()["owner"]["credentials"]["nodes"],
        json!([{ "name": "alices" }])
    );
}
