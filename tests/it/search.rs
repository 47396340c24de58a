//! Search by name: in any case, every character standing for itself.

use std::collections::BTreeSet;

use credence::types::text::fold;
use futures_util::future::join_all;
use serde_json::json;

use crate::support::busy::processors;
use crate::support::{Person, Server};

async fn found(person: &Person<'_>, text: &str) -> BTreeSet<String> {
    let query =
        "query($q: String) { credentials(first: 100, query: $q) { totalCount nodes { name } } }";
    let answer = person.ask_with(query, json!({ "q": text })).await;
    let nodes = answer.field()["nodes"].as_array().unwrap();
    assert_eq!(answer.field()["totalCount"], nodes.len());
    nodes
        .iter()
        .map(|node| node["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_search_finds_what_contains_the_text_and_nothing_else() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    let names = [
        "OPENAI_PROD_API_KEY",
        "openai staging",
        "MCP_CRM_TOKEN",
        "100%_sure",
        "100 percent",
        "back\\slash",
        "under_score",
        "under-score",
        "50%",
        "[a-z]*?",
        "\"quoted\"",
        "it's",
        "NOT AND OR NEAR",
        "straße",
        "ΣΊΣΥΦΟΣ",
        "日本語の鍵です",
        "🔑🔑🔑 keys",
        "ﬁnance",
        "aaa",
        "aaaaaa",
    ];
    // Among a hundred names, what two have is rare, and looked up in the index of n-grams.
    let others: Vec<String> = (names.len()..100)
        .map(|number| format!("{number:b}").replace('0', "v").replace('1', "z"))
        .collect();
    let names: Vec<&str> = names
        .into_iter()
        .chain(others.iter().map(String::as_str))
        .collect();
    for name in &names {
        alice.create(name).await;
    }
    let texts = [
        "",
        "o",
        "op",
        "ope",
        "OPENAI",
        "openai_",
        "%",
        "_",
        "%_",
        "\\",
        "\\%",
        "%%",
        "0%",
        "[a-z]",
        "*",
        "?",
        "\"",
        "\"q",
        "'",
        "''",
        "AND",
        "OR",
        "NOT AND",
        "NEAR",
        "STRASSE",
        "ss",
        "σίσυφος",
        "ΣΥΦ",
        "日本",
        "日本語",
        "本語の鍵",
        "🔑",
        "🔑🔑🔑",
        "fin",
        "ﬁ",
        "aaa",
        "aaaa",
        "aaaaaaa",
        " ",
        "e ",
        "x",
        "nothing has this",
        "\0",
        "open\0",
        "\0\0\0",
        "a\u{ffff}",
        "key*",
        "^open",
        "name_key:open",
        "zzvvz",
        "zvz",
        "-open",
        "(open)",
        "open*",
        "{a}",
        "\u{200b}",
    ];
    for text in texts {
        let expected: BTreeSet<String> = names
            .iter()
            .filter(|name| fold(name).contains(&fold(text)))
            .map(|&name| name.to_owned())
            .collect();
        assert_eq!(found(&alice, text).await, expected, "{text:?}");
    }
}

#[tokio::test]
async fn a_search_follows_renames_and_deletes() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    let id = alice.create("first name").await;
    alice.create("another").await;
    alice
        .mutate(
            "updateCredential",
            json!({ "credentialId": id, "name": "second name" }),
        )
        .await
        .data();
    assert_eq!(found(&alice, "first").await, BTreeSet::new());
    assert_eq!(
        found(&alice, "second").await,
        BTreeSet::from(["second name".to_owned()])
    );
    alice
        .mutate("deleteCredential", json!({ "credentialId": id }))
        .await
        .data();
    assert_eq!(found(&alice, "second").await, BTreeSet::new());
    // What searches know of the names is older than these.
    for name in ["qj", "ж", "qjqjqjqj"] {
        alice.create(name).await;
        let found = found(&alice, name).await;
        assert!(found.contains(name), "{name} is not found");
    }
}

/// A term that many names contain is served by walking the ordered index; the answer is the same.
#[tokio::test]
async fn a_search_for_a_common_text_pages_through_all_of_it() {
    let _alone = processors().await;
    let server = Server::start().await;
    let alice = server.editor("alice");
    let inputs: Vec<String> = (0..2_200)
        .map(|number| format!("SERVICE_{number:04}_API_KEY"))
        .collect();
    // Five clients at once: what they create is committed together, and none waits for a read connection.
    let alice = &alice;
    let created = inputs.chunks(440).map(async |part| {
        for chunk in part.chunks(20) {
            let fields: Vec<String> = chunk
                .iter()
                .enumerate()
                .map(|(place, name)| format!(r#"c{place}: createCredential(input: {{name: "{name}", value: "v"}}) {{ userErrors {{ code }} }}"#))
                .collect();
            alice
                .ask(&format!("mutation {{ {} }}", fields.join(" ")))
                .await
                .data();
        }
    });
    join_all(created).await;
    alice.create("rare_one").await;
    let query = "query($q: String, $after: String) {
        credentials(first: 100, query: $q, after: $after, orderBy: {field: NAME, direction: DESC}) {
            totalCount nodes { name } pageInfo { hasNextPage endCursor } } }";
    let mut all = Vec::new();
    let mut after = json!(null);
    loop {
        let answer = alice
            .ask_with(query, json!({ "q": "_api_key", "after": after }))
            .await;
        let connection = answer.field();
        assert_eq!(connection["totalCount"], 2_200);
        all.extend(
            connection["nodes"]
                .as_array()
                .unwrap()
                .iter()
                .map(|node| node["name"].as_str().unwrap().to_owned()),
        );
        if connection["pageInfo"]["hasNextPage"] == json!(false) {
            break;
        }
        after = connection["pageInfo"]["endCursor"].clone();
    }
    let mut expected = inputs.clone();
    expected.reverse();
    assert_eq!(all, expected);
    assert_eq!(
        found(alice, "rare_o").await,
        BTreeSet::from(["rare_one".to_owned()])
    );
    assert_eq!(
        found(alice, "_1234_api").await,
        BTreeSet::from(["SERVICE_1234_API_KEY".to_owned()])
    );
}

#[tokio::test]
async fn users_are_found_by_name_subject_and_email() {
    let server = Server::start().await;
    let ada = server.admin("ada");
    for subject in ["user%1", "user_2", "Straße"] {
        server.viewer(subject).id().await;
    }
    let query = "query($q: String) { users(query: $q) { totalCount nodes { subject name } } }";
    for (text, expected) in [
        ("USER", vec!["user%1", "user_2"]),
        ("%", vec!["user%1"]),
        ("_", vec!["user_2"]),
        ("strasse", vec!["Straße"]),
        ("", vec!["ada", "Straße", "user%1", "user_2"]),
    ] {
        let answer = ada.ask_with(query, json!({ "q": text })).await;
        let nodes = answer.field()["nodes"].as_array().unwrap();
        let subjects: Vec<&str> = nodes
            .iter()
            .map(|node| node["subject"].as_str().unwrap())
            .collect();
        assert_eq!(subjects, expected, "{text}");
        assert_eq!(answer.field()["totalCount"], expected.len());
    }
}
