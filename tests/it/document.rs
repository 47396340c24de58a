//! Documents that ask for too much, and documents that must be understood.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::hostile::hostile;
use crate::support::{Answer, Server};

/// The bound is for the answer as a whole, in an unoptimised build on a machine that does other things: ten times what the
/// release is measured by.
const TIME_LIMIT: Duration = Duration::from_millis(500);

#[tokio::test]
async fn hostile_documents_are_refused_soon() {
    let server = Server::start().await;
    let vera = server.viewer("vera");
    vera.id().await;
    for (what, code, document) in hostile() {
        let started = Instant::now();
        let answer = vera.ask(&document).await;
        let took = started.elapsed();
        assert_eq!(answer.status, 200, "{what}");
        assert_eq!(answer.codes(), [code], "{what}: {}", answer.body);
        assert_eq!(answer.body.get("data"), None, "{what}");
        assert!(took < TIME_LIMIT, "{what} took {took:?}");
    }
}

#[tokio::test]
async fn documents_that_look_odd_are_answered() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    alice.create("one").await;
    let within = [
        format!("#{}\n{{ viewer {{ id }} }}", "c".repeat(60_000)),
        // A value may be as long as a value is.
        format!("{{ credentialByName(name: {:?}) {{ id }} }}", "n".repeat(400_000)),
        "{ viewer { ...a ...b } } fragment a on User { ...c } fragment b on User { ...c } fragment c on User { id name }".to_owned(),
        "\u{feff}{ viewer { id } }".to_owned(),
    ];
    for document in within {
        let answer = alice.ask(&document).await;
        let shown: String = document.chars().take(60).collect();
        assert!(answer.codes().is_empty(), "{shown}: {}", answer.body);
    }
}

/// `count` of something, each with its number.
fn each(count: usize, one: impl Fn(usize) -> String) -> String {
    (0..count).map(one).collect()
}

/// Fields in each other, so many levels of them.
fn deep(levels: usize) -> String {
    let chain = ["credentials(first: 1)", "nodes", "owner"];
    let between = levels - 2;
    let leaf = if between % 3 == 1 { "totalCount" } else { "id" };
    let open = each(between, |level| format!("{} {{ ", chain[level % 3]));
    format!("{{ viewer {{ {open} {leaf} {} }} }}", "}".repeat(between))
}

/// A limit: how many there may be of something, whether as many as that are answered, and a document with a number of it.
type Limit = (usize, &'static str, bool, fn(usize) -> String);

const LIMITS: [Limit; 14] = [
    (2_000, "tokens", true, |n| {
        let ids = "id ".repeat(n - 1_007);
        format!(
            "query q {{ viewer {{ {} }} }} query r {{ viewer {{ {ids} }} }}",
            "id ".repeat(993)
        )
    }),
    (65_536, "bytes", true, |n| {
        format!("#{}\n{{ viewer {{ id }} }}", "c".repeat(n - 19))
    }),
    (1_000, "selections", true, |n| {
        format!("{{ viewer {{ {} }} }}", "id ".repeat(n - 1))
    }),
    (20, "levels of fields", true, deep),
    (60, "levels of selections", true, |n| {
        format!(
            "{{ {} viewer {{ id }} {} }}",
            "... { ".repeat(n - 2),
            "}".repeat(n - 2)
        )
    }),
    (20, "root fields", true, |n| {
        format!("{{ {} }}", each(n, |n| format!("a{n}: viewer {{ id }} ")))
    }),
    (30, "aliases", true, |n| {
        format!("{{ viewer {{ {} }} }}", each(n, |n| format!("a{n}: id ")))
    }),
    (50, "directives", true, |n| {
        format!("{{ viewer {{ {} }} }}", "id @include(if: true) ".repeat(n))
    }),
    // A second one of the same name is refused anyway.
    (8, "directives", false, |n| {
        format!("{{ viewer {} {{ id }} }}", "@include(if: true) ".repeat(n))
    }),
    (64, "variables", true, |n| {
        format!(
            "query q({}) {{ nodes(ids: [{}]) {{ id }} }}",
            each(n, |n| format!("$v{n}: ID = \"a\" ")),
            each(n, |n| format!("$v{n} "))
        )
    }),
    (100, "items", true, |n| {
        format!("{{ nodes(ids: [{}]) {{ id }} }}", "\"a\" ".repeat(n))
    }),
    // There is no list of lists.
    (8, "lists", false, |n| {
        format!(
            "{{ nodes(ids: {}{}) {{ id }} }}",
            "[".repeat(n),
            "]".repeat(n)
        )
    }),
    (8, "operations", true, |n| {
        format!(
            "query q {{ viewer {{ id }} }} {}",
            each(n - 1, |n| format!("query q{n} {{ viewer {{ id }} }} "))
        )
    }),
    (32, "fragments", true, |n| {
        format!(
            "{{ viewer {{ {} }} }} {}",
            each(n, |n| format!("...f{n} ")),
            each(n, |n| format!("fragment f{n} on User {{ id }} "))
        )
    }),
];

#[tokio::test]
async fn each_limit_of_a_document_holds_at_its_edge_and_has_its_own_error() {
    let server = Server::start().await;
    let vera = server.viewer("vera");
    for (limit, what, is_answered, document) in LIMITS {
        let ask = |count: usize| {
            let document = document(count);
            let named = document.starts_with("query q");
            let body =
                json!({ "query": document, "operationName": if named { Some("q") } else { None } });
            vera.send(body.to_string())
        };
        let told = |answer: &Answer| {
            let message = answer.body["errors"][0]["message"]
                .as_str()
                .unwrap_or_default();
            message.contains(what) && message.contains(&format!("at most {limit} "))
        };
        let within = ask(limit).await;
        assert!(!told(&within), "{limit} {what}: {}", within.body);
        if is_answered {
            assert!(within.codes().is_empty(), "{limit} {what}: {}", within.body);
        }
        let above = ask(limit + 1).await;
        assert!(told(&above), "{} {what}: {}", limit + 1, above.body);
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

/// What a parser passes over could be what somebody meant: a document is taken whole, or not at all.
#[tokio::test]
async fn nothing_of_a_document_is_passed_over() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    for document in [
        "{ users(first null) { totalCount } }",
        "{ node(only id: \"1\") { id } }",
        "{ node(id: \"1\" only) { id } }",
        "{ viewer @skip(if: false true) { id } }",
        "{ credentials(orderBy: {field: NAME CREATED_AT, direction: ASC}) { totalCount } }",
        "mutation { createCredential(input: {name: \"x\" value: \"one\" two}) { userErrors { code } } }",
        "{ credentialByName(name: \"\nx\") { id } }",
        "{ credentialByName(name: \"\rx\") { id } }",
        "\"text\" { viewer { id } }",
    ] {
        assert_eq!(
            alice.ask(document).await.codes(),
            ["GRAPHQL_PARSE_FAILED"],
            "{document}"
        );
    }
    for document in [
        "{ credentials(orderBy: {field: NAME, direction: ASC, field: NAME}) { totalCount } }",
        "mutation { createCredential(input: {name: \"x\", value: \"one\", value: \"two\"}) { userErrors { code } } }",
        "query($id: ID) { nodes(ids: [$id]) { id } }",
        "query($d: OrderDirection) { credentials(orderBy: {field: NAME, direction: $d}) { totalCount } }",
        "query($d: CredentialOrderField!) { credentials(orderBy: {field: NAME, direction: $d}) { totalCount } }",
        "{ auditEvents(filter: {since: \"yesterday\"}) { nodes { id } } }",
        "{ auditEvents(filter: {since: 5}) { nodes { id } } }",
    ] {
        assert_eq!(
            alice.ask(document).await.codes(),
            ["GRAPHQL_VALIDATION_FAILED"],
            "{document}"
        );
    }
    assert_eq!(
        alice.ask("{ credentials { totalCount } }").await.field()["totalCount"],
        0
    );
    for document in [
        "\"what it does\" query A(\"which\" $n: Int = 1, \"text, with a comma\" $q: String = \"x\" \"and\" $a: String) { credentials(first: $n, query: $q, after: $a) { totalCount } }",
        "{ a,: viewer,,, { id, } }",
        "{ credentials(first: 1, query: \"a, b\") { totalCount } }",
        "{ node(id: 1111111111111111111111111111111111111111) { id } }",
        "{ __type(name: \"User\") { isOneOf fields(includeDeprecated: null) { name } } }",
        "query { viewer { id } }",
        "# comment, with a comma\nquery A { viewer { id } } fragment f on User { id } query B { viewer { ...f } }",
    ] {
        let body = json!({ "query": document, "operationName": if document.contains("query A") { json!("A") } else { json!(null) } });
        let answer = alice.send(body.to_string()).await;
        assert!(answer.codes().is_empty(), "{document}: {}", answer.body);
    }
    let zero = alice.ask("{ credentials(first: -0) { totalCount } }").await;
    assert_eq!(zero.codes(), ["BAD_USER_INPUT"]);
}

#[tokio::test]
async fn a_null_variable_counts_only_where_something_depends_on_it() {
    let server = Server::start().await;
    let vera = server.viewer("vera");
    let skipped = vera
        .ask_with(
            "query($order: CredentialOrder, $skip: Boolean!, $keep: Boolean = false) {
                a: credentials(orderBy: $order) @skip(if: $skip) { totalCount }
                b: credentials(orderBy: $order) @include(if: $keep) { totalCount }
                ... @include(if: false) { c: credentials(orderBy: $order) { totalCount } }
                viewer { name }
            }",
            json!({ "order": null, "skip": true }),
        )
        .await;
    assert_eq!(*skipped.data(), json!({ "viewer": { "name": "vera" } }));
    for directive in ["include", "skip"] {
        let query =
            format!("query($if: Boolean = true) {{ viewer @{directive}(if: $if) {{ name }} }}");
        let refused = vera.ask_with(&query, json!({ "if": null })).await;
        assert_eq!(refused.codes(), ["BAD_USER_INPUT"], "{directive}");
    }
    let below = vera
        .ask_with(
            "query($if: Boolean = true) { viewer { id name @include(if: $if) } credentials { totalCount } }",
            json!({ "if": null }),
        )
        .await;
    assert_eq!(below.codes(), ["BAD_USER_INPUT"]);
    assert_eq!(below.body["data"]["viewer"], json!(null));
}

#[tokio::test]
async fn an_answer_tells_ten_errors_at_most() {
    let server = Server::start().await;
    let fields: String = (0..20)
        .map(|number| format!("a{number}: credentials(orderBy: $order) {{ totalCount }} "))
        .collect();
    let query = format!("query($order: CredentialOrder) {{ {fields} }}");
    let answer = server
        .viewer("vera")
        .ask_with(&query, json!({ "order": null }))
        .await;
    assert_eq!(answer.codes().len(), 10);
}
