//! Pages: Relay connections by keyset, both directions, three orders.

use serde_json::{Value, json};

use crate::support::{Answer, Person, Server};

const QUERY: &str = "query($after: String, $before: String, $first: Int, $last: Int, $orderBy: CredentialOrder, $query: String) {
    credentials(after: $after, before: $before, first: $first, last: $last, orderBy: $orderBy, query: $query) {
        edges { cursor node { name } }
        nodes { name }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
        totalCount
    }
}";

async fn page(person: &Person<'_>, variables: Value) -> Answer {
    person.ask_with(QUERY, variables).await
}

fn names(answer: &Answer) -> Vec<String> {
    let field = answer.field();
    let of = |list: &Value| -> Vec<String> {
        let items = list.as_array().unwrap().iter();
        items
            .map(|item| item["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let nodes = of(&field["nodes"]);
    let edges: Vec<Value> = field["edges"]
        .as_array()
        .unwrap()
        .iter()
        .map(|edge| edge["node"].clone())
        .collect();
    assert_eq!(of(&Value::Array(edges)), nodes);
    nodes
}

/// Seven credentials, a second apart, whose order by name is another one than that by time; the third one changed last.
async fn seven(server: &Server) -> Person<'_> {
    let alice = server.editor("alice");
    let mut third = String::new();
    for (number, name) in [
        "delta", "Bravo", "golf", "alpha", "Foxtrot", "echo", "CHARLIE",
    ]
    .into_iter()
    .enumerate()
    {
        let id = alice.create(name).await;
        if number == 2 {
            third = id;
        }
        server.clock.shift_seconds(1);
    }
    alice
        .mutate(
            "updateCredential",
            json!({ "credentialId": third, "name": "Golf" }),
        )
        .await
        .data();
    alice
}

const BY_NAME: [&str; 7] = [
    "alpha", "Bravo", "CHARLIE", "delta", "echo", "Foxtrot", "Golf",
];
const BY_CREATION: [&str; 7] = [
    "delta", "Bravo", "Golf", "alpha", "Foxtrot", "echo", "CHARLIE",
];
const BY_CHANGE: [&str; 7] = [
    "delta", "Bravo", "alpha", "Foxtrot", "echo", "CHARLIE", "Golf",
];

#[tokio::test]
async fn every_order_is_walked_whole_in_both_directions_and_from_both_ends() {
    let server = Server::start().await;
    let alice = seven(&server).await;
    for (field, ascending) in [
        ("NAME", BY_NAME),
        ("CREATED_AT", BY_CREATION),
        ("UPDATED_AT", BY_CHANGE),
    ] {
        for direction in ["ASC", "DESC"] {
            let mut expected: Vec<String> =
                ascending.iter().map(|name| (*name).to_owned()).collect();
            if direction == "DESC" {
                expected.reverse();
            }
            for size in [1, 2, 3, 7, 8] {
                let order = json!({ "field": field, "direction": direction });
                assert_eq!(
                    walk(&alice, &order, "first", size).await,
                    expected,
                    "{field} {direction} {size}"
                );
                assert_eq!(
                    walk(&alice, &order, "last", size).await,
                    expected,
                    "{field} {direction} {size}"
                );
            }
        }
    }
}

/// All names, page by page, from the beginning with `first` or from the end with `last`.
async fn walk(person: &Person<'_>, order: &Value, size_argument: &str, size: usize) -> Vec<String> {
    let (cursor_argument, edge_cursor, more) = match size_argument {
        "first" => ("after", "endCursor", "hasNextPage"),
        _ => ("before", "startCursor", "hasPreviousPage"),
    };
    let mut all = Vec::new();
    let mut cursor = Value::Null;
    loop {
        let answer = page(
            person,
            json!({ size_argument: size, cursor_argument: cursor, "orderBy": order }),
        )
        .await;
        let names = names(&answer);
        let info = &answer.field()["pageInfo"];
        assert_eq!(answer.field()["totalCount"], 7);
        assert_eq!(info["startCursor"], answer.field()["edges"][0]["cursor"]);
        all = if size_argument == "first" {
            [all, names].concat()
        } else {
            [names, all].concat()
        };
        if info[more] == json!(false) {
            return all;
        }
        cursor = info[edge_cursor].clone();
    }
}

#[tokio::test]
async fn a_page_says_what_lies_around_it() {
    let server = Server::start().await;
    let alice = seven(&server).await;
    let around = |answer: &Answer| {
        let info = answer.field()["pageInfo"].clone();
        (
            info["hasPreviousPage"].as_bool().unwrap(),
            info["hasNextPage"].as_bool().unwrap(),
        )
    };
    let first = page(&alice, json!({ "first": 3 })).await;
    assert_eq!(
        (names(&first), around(&first)),
        (
            vec!["alpha".into(), "Bravo".into(), "CHARLIE".into()],
            (false, true)
        )
    );
    let cursor = first.field()["pageInfo"]["endCursor"].clone();
    let next = page(&alice, json!({ "first": 4, "after": cursor })).await;
    assert_eq!(around(&next), (true, false));
    let between = page(&alice, json!({ "first": 9, "after": first.field()["pageInfo"]["startCursor"], "before": next.field()["pageInfo"]["startCursor"] })).await;
    assert_eq!(names(&between), ["Bravo", "CHARLIE"]);
    let empty = page(
        &alice,
        json!({ "after": next.field()["pageInfo"]["endCursor"] }),
    )
    .await;
    assert_eq!(names(&empty), Vec::<String>::new());
    assert_eq!(empty.field()["pageInfo"]["startCursor"], Value::Null);
    assert_eq!(empty.field()["pageInfo"]["endCursor"], Value::Null);
}

#[tokio::test]
async fn a_page_has_twenty_items_when_nothing_is_said_and_a_hundred_at_most() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    for number in 0..103 {
        alice.create(&format!("key-{number:03}")).await;
    }
    assert_eq!(names(&page(&alice, json!({})).await).len(), 20);
    let hundred = page(&alice, json!({ "first": 100 })).await;
    assert_eq!(names(&hundred).len(), 100);
    assert_eq!(hundred.field()["totalCount"], 103);
    assert_eq!(
        names(&page(&alice, json!({ "last": 100 })).await)
            .first()
            .unwrap(),
        "key-003"
    );
}

#[tokio::test]
async fn items_that_come_and_go_neither_repeat_nor_hide_others() {
    let server = Server::start().await;
    let alice = seven(&server).await;
    let first = page(&alice, json!({ "first": 3 })).await;
    let cursor = first.field()["pageInfo"]["endCursor"].clone();
    alice.create("aaa").await;
    let id = alice
        .ask(r#"{ credentialByName(name: "charlie") { id } }"#)
        .await
        .field()["id"]
        .clone();
    alice
        .mutate("deleteCredential", json!({ "credentialId": id }))
        .await
        .data();
    let next = page(&alice, json!({ "first": 2, "after": cursor })).await;
    assert_eq!(names(&next), ["delta", "echo"]);
}

#[tokio::test]
async fn bad_arguments_of_a_page_are_bad_user_input() {
    let server = Server::start().await;
    let alice = seven(&server).await;
    let cursor = |answer: &Answer| {
        answer.field()["pageInfo"]["endCursor"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let by_name = cursor(&page(&alice, json!({ "first": 2 })).await);
    let descending = cursor(
        &page(
            &alice,
            json!({ "first": 2, "orderBy": { "field": "NAME", "direction": "DESC" } }),
        )
        .await,
    );
    let by_time = cursor(
        &page(
            &alice,
            json!({ "first": 2, "orderBy": { "field": "CREATED_AT", "direction": "ASC" } }),
        )
        .await,
    );
    let searched = cursor(&page(&alice, json!({ "first": 2, "query": "a" })).await);
    let (mut forged, mut flipped) = (by_name.clone().into_bytes(), by_name.clone().into_bytes());
    forged.truncate(10);
    flipped[3] = if flipped[3] == b'A' { b'B' } else { b'A' };
    let cases = [
        json!({ "first": 0 }),
        json!({ "first": -1 }),
        json!({ "first": 101 }),
        json!({ "first": 2_147_483_647 }),
        json!({ "first": 2_147_483_648_i64 }),
        json!({ "first": 9_223_372_036_854_775_807_i64 }),
        json!({ "first": 9_223_372_036_854_775_808_u64 }),
        json!({ "first": 1.5 }),
        json!({ "first": "1" }),
        json!({ "last": 0 }),
        json!({ "last": -1 }),
        json!({ "last": 101 }),
        json!({ "first": 1, "last": 1 }),
        json!({ "after": "" }),
        json!({ "after": "x" }),
        json!({ "after": "bm90IGEgY3Vyc29y" }),
        json!({ "after": String::from_utf8(forged).unwrap() }),
        json!({ "after": String::from_utf8(flipped).unwrap() }),
        json!({ "after": format!("{by_name}A") }),
        json!({ "after": "A".repeat(20_000) }),
        json!({ "after": descending }),
        json!({ "after": by_time }),
        json!({ "after": searched }),
        json!({ "before": by_time }),
        json!({ "after": by_name, "query": "a" }),
        json!({ "after": by_name, "orderBy": { "field": "UPDATED_AT", "direction": "ASC" } }),
        json!({ "orderBy": null }),
        json!({ "orderBy": { "field": "VALUE", "direction": "ASC" } }),
        json!({ "orderBy": { "field": "NAME" } }),
        json!({ "query": "x".repeat(1_025) }),
    ];
    for variables in cases {
        let answer = page(&alice, variables.clone()).await;
        assert_eq!(
            answer.codes(),
            ["BAD_USER_INPUT"],
            "{variables}: {}",
            answer.body
        );
    }
    let literal = alice
        .ask("{ credentials(first: 2147483648) { nodes { id } } }")
        .await;
    assert_eq!(literal.codes(), ["GRAPHQL_VALIDATION_FAILED"]);
    // What JSON and some clients write for a whole number is one.
    assert_eq!(
        names(&page(&alice, json!({ "first": 1.0 })).await),
        ["alpha"]
    );
}

#[tokio::test]
async fn the_cursor_of_another_users_list_is_none_of_this_one() {
    let server = Server::start().await;
    let alice = seven(&server).await;
    let query = "query($after: String) { viewer { credentials(first: 1, after: $after) { pageInfo { endCursor } } } }";
    let answer = alice.ask_with(query, json!({})).await;
    let own = answer.field()["credentials"]["pageInfo"]["endCursor"].clone();
    assert_eq!(
        page(&alice, json!({ "after": own })).await.codes(),
        ["BAD_USER_INPUT"]
    );
    let bob = server.editor("bob");
    let answer = bob.ask_with(query, json!({ "after": own })).await;
    assert_eq!(answer.codes(), ["BAD_USER_INPUT"]);
}

#[tokio::test]
async fn at_most_a_hundred_ids_are_looked_up_at_once() {
    let server = Server::start().await;
    let ada = server.admin("ada");
    let id = ada.create("one").await;
    let me = ada.id().await;
    for (query, expected) in [
        (
            "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }",
            json!({ "__typename": "Credential", "id": id }),
        ),
        (
            "query($ids: [ID!]!) { credentialStatuses(ids: $ids) { state } }",
            json!({ "state": "LIVE" }),
        ),
    ] {
        let hundred = ada
            .ask_with(query, json!({ "ids": vec![id.clone(); 100] }))
            .await;
        assert_eq!(*hundred.field(), json!(vec![expected; 100]));
        let more = ada
            .ask_with(query, json!({ "ids": vec![id.clone(); 101] }))
            .await;
        assert_eq!(more.codes(), ["BAD_USER_INPUT"]);
    }
    let event = ada.ask("{ auditEvents { nodes { id } } }").await.field()["nodes"][0]["id"].clone();
    let mixed = ada
        .ask_with(
            "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }",
            json!({ "ids": [me, "nothing", id, event, "00000000-0000-4000-8000-000000000000"] }),
        )
        .await;
    let expected = json!([
        { "__typename": "User", "id": me },
        null,
        { "__typename": "Credential", "id": id },
        { "__typename": "AuditEvent", "id": event },
        null
    ]);
    assert_eq!(*mixed.field(), expected);
}
