//! Documents that ask for too much, and documents that must be understood.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::Server;

/// Fragments that each spread the next one several times.
fn fragment_bomb(levels: usize, spreads: usize) -> String {
    let mut document = String::from("{ ...f0 }");
    for level in 0..levels {
        let next = format!("...f{} ", level + 1).repeat(spreads);
        document.push_str(&format!(" fragment f{level} on Query {{ {next} }}"));
    }
    document.push_str(&format!(
        " fragment f{levels} on Query {{ viewer {{ id }} }}"
    ));
    document
}

fn hostile() -> Vec<(&'static str, String)> {
    let nested = |open: &str, close: &str, count: usize| {
        format!("{}{}", open.repeat(count), close.repeat(count))
    };
    vec![
        ("26 levels of doubled fragments", fragment_bomb(26, 2)),
        ("6 levels of 20 fragments", fragment_bomb(6, 20)),
        ("30 levels of 60 fragments", fragment_bomb(30, 60)),
        ("fragments in a circle", "{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }".to_owned()),
        ("a fragment in itself", "{ ...a } fragment a on Query { viewer { id } ...a }".to_owned()),
        ("10,000 aliases", format!("{{ {} }}", (0..10_000).map(|n| format!("a{n}: __typename ")).collect::<String>())),
        ("31 aliases", format!("{{ viewer {{ {} }} }}", (0..31).map(|n| format!("a{n}: id ")).collect::<String>())),
        ("200,000 fields", format!("{{ {} }}", "__typename ".repeat(200_000 / 5))),
        ("21 root fields", format!("{{ {} }}", (0..21).map(|n| format!("a{n}: viewer {{ id }} ")).collect::<String>())),
        ("1,001 selections", format!("{{ viewer {{ {} }} }}", "id ".repeat(1_000))),
        ("2,000 nested inline fragments", format!("{{ {} }}", nested("... { ", " }", 2_000).replacen("{  }", "{ viewer { id } }", 1))),
        ("2,000 nested selections", format!("{{ {} }}", nested("a { ", " }", 2_000))),
        ("21 levels of fields", format!("{{ viewer {{ {} }} }}", nested("credentials { nodes { owner { ", " } } }", 7).replacen("{  }", "{ id }", 1))),
        ("20,000 directives", format!("{{ viewer {} {{ id }} }}", "@include(if: true) ".repeat(20_000 / 5))),
        ("9 directives at one place", format!("{{ viewer {} {{ id }} }}", "@include(if: true) ".repeat(9))),
        ("50,000 variables", format!("query({}) {{ viewer {{ id }} }}", (0..5_000).map(|n| format!("$v{n}: Int ")).collect::<String>())),
        ("65 variables", format!("query({}) {{ viewer {{ id }} }}", (0..65).map(|n| format!("$v{n}: Int ")).collect::<String>())),
        ("20,000 nested lists", format!("{{ nodes(ids: {}) {{ id }} }}", nested("[", "]", 20_000))),
        ("9 nested lists", format!("{{ nodes(ids: {}) {{ id }} }}", nested("[", "]", 9))),
        ("101 items in a list", format!("{{ nodes(ids: [{}]) {{ id }} }}", "\"a\" ".repeat(101))),
        ("2,000 nested objects", format!("{{ credentials(orderBy: {}) {{ totalCount }} }}", nested("{a: ", "}", 2_000))),
        ("10,000 operations", (0..10_000).map(|n| format!("query q{n} {{ viewer {{ id }} }} ")).collect::<String>()),
        ("9 operations", (0..9).map(|n| format!("query q{n} {{ viewer {{ id }} }} ")).collect::<String>()),
        ("33 fragments", format!("{{ viewer {{ id }} }} {}", (0..33).map(|n| format!("fragment f{n} on User {{ id }} ")).collect::<String>())),
        ("a field name of 64 KiB", format!("{{ {} }}", "a".repeat(65_536))),
        ("an alias of 64 KiB", format!("{{ {}: nothing }}", "a".repeat(65_536))),
        ("introspection in a circle", "{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }".to_owned()),
        ("400 KiB of comments and no document", format!("#{}\n", "c".repeat(400_000))),
        ("400 KiB of commas", ",".repeat(400_000)),
        ("400 KiB of braces", "{".repeat(400_000)),
        ("200 KiB of quotes", "\"".repeat(200_000)),
        ("2,001 tokens", format!("{{ viewer {{ {} }} }}", "id ".repeat(1_997))),
        ("a subscription", "subscription { viewer { id } }".to_owned()),
        ("a type definition", "type Query { a: Int }".to_owned()),
        ("no document", " \n,# nothing\n".to_owned()),
        ("a null byte", "{ viewer\0 { id } }".to_owned()),
    ]
}

/// The bound is for the answer as a whole, in an unoptimised build on a machine that does other things: ten times what the
/// release is measured by.
const TIME_LIMIT: Duration = Duration::from_millis(500);

#[tokio::test]
async fn hostile_documents_are_refused_soon() {
    let server = Server::start().await;
    let vera = server.viewer("vera");
    vera.id().await;
    for (what, document) in hostile() {
        let started = Instant::now();
        let answer = vera.ask(&document).await;
        let took = started.elapsed();
        assert_eq!(answer.status, 200, "{what}");
        let codes = answer.codes();
        assert!(
            !codes.is_empty() && codes.len() <= 10,
            "{what}: {}",
            answer.body
        );
        assert!(
            codes
                .iter()
                .all(|code| ["GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED"].contains(code)),
            "{what}: {}",
            answer.body
        );
        assert_eq!(answer.body.get("data"), None, "{what}");
        assert!(took < TIME_LIMIT, "{what} took {took:?}");
    }
}

#[tokio::test]
async fn documents_at_the_limits_are_answered() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    alice.create("one").await;
    let within = [
        format!("{{ viewer {{ {} }} }}", (0..30).map(|n| format!("a{n}: id ")).collect::<String>()),
        format!("{{ {} }}", (0..20).map(|n| format!("a{n}: viewer {{ id }} ")).collect::<String>()),
        format!("{{ viewer {{ {} }} }}", "id ".repeat(999)),
        format!("{{ viewer {} {{ id }} }}", "@include(if: true)"),
        format!("{{ nodes(ids: [{}]) {{ id }} }}", "\"a\" ".repeat(100)),
        (0..1).map(|n| format!("query q{n} {{ viewer {{ id }} }} ")).collect::<String>(),
        format!("#{}\n{{ viewer {{ id }} }}", "c".repeat(400_000)),
        "{ viewer { ...a ...b } } fragment a on User { ...c } fragment b on User { ...c } fragment c on User { id name }".to_owned(),
        "\u{feff}{ viewer { id } }".to_owned(),
    ];
    for document in within {
        let answer = alice.ask(&document).await;
        let shown: String = document.chars().take(60).collect();
        assert!(answer.codes().is_empty(), "{shown}: {}", answer.body);
    }
}

/// The query that `GraphiQL`, code generators and other tools send first.
#[tokio::test]
async fn the_standard_introspection_query_is_answered() {
    let server = Server::start().await;
    let answer = server
        .viewer("vera")
        .ask(include_str!("introspection.graphql"))
        .await;
    let types = answer.field()["types"].as_array().unwrap();
    assert!(types.iter().any(|kind| kind["name"] == "Credential"));
    let date_time = types
        .iter()
        .find(|kind| kind["name"] == "DateTime")
        .unwrap();
    assert_eq!(
        date_time["specifiedByURL"],
        "https://scalars.graphql.org/andimarek/date-time.html"
    );
}

#[tokio::test]
async fn a_problem_is_told_with_its_place() {
    let server = Server::start().await;
    let vera = server.viewer("vera");
    let answer = vera.ask("{\n  viewer {\n    nothing\n  }\n}").await;
    let expected = json!({ "errors": [{
        "message": "There is no such field on this type.",
        "locations": [{ "line": 3, "column": 5 }],
        "extensions": { "code": "GRAPHQL_VALIDATION_FAILED" },
    }] });
    assert_eq!(answer.body, expected);
    let answer = vera.ask("{\n  viewer { id }\n  ) }").await;
    assert_eq!(
        answer.body["errors"][0]["locations"],
        json!([{ "line": 3, "column": 3 }])
    );
}

#[tokio::test]
async fn a_document_that_is_known_is_answered_as_before_and_with_other_variables() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    let (first, second) = (alice.create("first").await, alice.create("second").await);
    let query = "query($id: ID!) { credential(id: $id) { name } }";
    for (id, name) in [(&first, "first"), (&second, "second"), (&first, "first")] {
        assert_eq!(
            *alice.ask_with(query, json!({ "id": id })).await.field(),
            json!({ "name": name })
        );
    }
}
