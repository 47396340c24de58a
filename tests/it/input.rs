//! What names and values may be: the tables of bad input, each with its exact answer.

use std::ops::Range;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::busy::processors;
use crate::support::{Answer, MARKER, Server, secret};

/// Names, and the code that each is answered with; `ok` for those that are taken as they are.
#[tokio::test]
async fn names_are_what_can_be_seen_and_told_apart() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    let long = |count: usize, text: &str| text.repeat(count);
    let cases: Vec<(String, &str)> = vec![
        (String::new(), "BLANK"),
        ("   ".to_owned(), "BLANK"),
        ("\t\n".to_owned(), "BLANK"),
        ("\u{3000}".to_owned(), "BLANK"),
        ("n".to_owned(), "ok"),
        (long(128, "a"), "ok"),
        (long(128, "\u{1F511}"), "ok"),
        // 128 characters once composed.
        (long(128, "e\u{301}"), "ok"),
        (long(129, "b"), "TOO_LONG"),
        (long(129, "\u{1F511}"), "TOO_LONG"),
        // Composition excludes this one: it becomes two characters.
        (long(65, "\u{958}"), "TOO_LONG"),
        (long(300_000, "c"), "TOO_LONG"),
        ("a\tb".to_owned(), "INVALID"),
        ("a\rb".to_owned(), "INVALID"),
        ("a\nb".to_owned(), "INVALID"),
        ("a\0b".to_owned(), "INVALID"),
        ("a\u{1b}[31mb".to_owned(), "INVALID"),
        ("a\u{7f}b".to_owned(), "INVALID"),
        ("a\u{85}b".to_owned(), "INVALID"),
        ("a\u{9b}b".to_owned(), "INVALID"),
        ("a\u{2028}b".to_owned(), "INVALID"),
        ("a\u{2029}b".to_owned(), "INVALID"),
        ("a\u{feff}b".to_owned(), "INVALID"),
        ("a\u{200b}b".to_owned(), "INVALID"),
        ("a\u{200c}b".to_owned(), "INVALID"),
        ("a\u{200d}b".to_owned(), "INVALID"),
        ("a\u{ad}b".to_owned(), "INVALID"),
        ("a\u{202a}b".to_owned(), "INVALID"),
        ("a\u{202b}b".to_owned(), "INVALID"),
        ("a\u{202c}b".to_owned(), "INVALID"),
        ("a\u{202d}b".to_owned(), "INVALID"),
        ("a\u{202e}b".to_owned(), "INVALID"),
        ("a\u{2066}b".to_owned(), "INVALID"),
        ("a\u{2067}b".to_owned(), "INVALID"),
        ("a\u{2068}b".to_owned(), "INVALID"),
        ("a\u{2069}b".to_owned(), "INVALID"),
        ("a\u{e0041}b".to_owned(), "INVALID"),
        ("a\u{fe0f}b".to_owned(), "INVALID"),
        ("a\u{3164}b".to_owned(), "INVALID"),
        ("a\u{e000}b".to_owned(), "INVALID"),
        ("a\u{378}b".to_owned(), "INVALID"),
        ("a\u{ffff}b".to_owned(), "INVALID"),
        ("a\u{fdd0}b".to_owned(), "INVALID"),
        ("日本語の鍵".to_owned(), "ok"),
        ("مفتاح".to_owned(), "ok"),
        ("κλειδί".to_owned(), "ok"),
        ("🔑 prod".to_owned(), "ok"),
        ("'; drop table credentials; --".to_owned(), "ok"),
        ("%".to_owned(), "ok"),
        ("_".to_owned(), "ok"),
        ("\\".to_owned(), "ok"),
        ("%%".to_owned(), "ok"),
        ("\\%".to_owned(), "ok"),
        ("100%_\\".to_owned(), "ok"),
        ("[a-z]".to_owned(), "ok"),
        ("*".to_owned(), "ok"),
        ("?".to_owned(), "ok"),
        ("<script>alert(1)</script>".to_owned(), "ok"),
        ("=cmd|'/c calc'!A1".to_owned(), "ok"),
        ("${jndi:ldap://x}".to_owned(), "ok"),
        ("{{7*7}}".to_owned(), "ok"),
        ("__typename".to_owned(), "ok"),
        ("null".to_owned(), "ok"),
        ("undefined".to_owned(), "ok"),
        ("constructor".to_owned(), "ok"),
    ];
    for (name, expected) in cases {
        let input = json!({ "name": name, "value": secret("value") });
        let answer = alice.mutate("createCredential", input).await;
        let shown: String = name.chars().take(20).collect();
        if expected == "ok" {
            assert_eq!(answer.user_errors(), Vec::<String>::new(), "{shown:?}");
            let id = answer.field()["credential"]["id"]
                .as_str()
                .unwrap()
                .to_owned();
            let found = alice
                .ask_with(
                    "query($n: String!) { credentialByName(name: $n) { id name } }",
                    json!({ "n": name }),
                )
                .await;
            let kept = name.replace("e\u{301}", "\u{e9}");
            let expected = json!({ "id": id, "name": kept });
            assert_eq!(*found.field(), expected, "{shown:?}");
        } else {
            assert_eq!(
                answer.user_errors(),
                [format!("{expected} name")],
                "{shown:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_name_is_trimmed_and_composed() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    let input = json!({ "name": " \u{a0}cafe\u{301} key\t", "value": secret("value") });
    let answer = alice.mutate("createCredential", input).await;
    assert_eq!(answer.field()["credential"]["name"], "caf\u{e9} key");
}

/// Pairs of names, and whether the second is another one beside the first.
#[tokio::test]
async fn names_that_fold_to_one_are_one() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    let pairs = [
        ("OpenAI", "OPENAI", "TAKEN"),
        ("caf\u{e9}", "cafe\u{301}", "TAKEN"),
        ("ﬁle", "file", "TAKEN"),
        ("Ｆｕｌｌ", "full", "TAKEN"),
        ("\u{212a}elvin", "kelvin", "TAKEN"),
        ("straße", "STRASSE", "TAKEN"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος", "TAKEN"),
        ("²", "2", "TAKEN"),
        // Case folding keeps the dotless i and the dotted capital I apart from i (Unicode, CaseFolding.txt, status C and F).
        ("dotless ı", "dotless i", "ok"),
        ("dotted İ", "dotted I", "ok"),
        ("Ａ b", "A  b", "ok"),
        ("l1", "I1", "ok"),
    ];
    for (first, second, expected) in pairs {
        alice.create(first).await;
        let input = json!({ "name": second, "value": secret("value") });
        let errors = alice.mutate("createCredential", input).await.user_errors();
        let expected = if expected == "ok" {
            vec![]
        } else {
            vec![format!("{expected} name")]
        };
        assert_eq!(errors, expected, "{first} and {second}");
    }
}

/// Values, and the code that each is answered with.
#[tokio::test]
async fn values_are_one_byte_to_64_kib_and_no_mask() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    let cases: [(String, &str); 14] = [
        (String::new(), "BLANK"),
        ("x".to_owned(), "ok"),
        (" ".to_owned(), "ok"),
        ("v".repeat(65_536), "ok"),
        ("v".repeat(65_537), "TOO_LONG"),
        ("\u{1F511}".repeat(16_384), "ok"),
        (format!("{}é", "v".repeat(65_535)), "TOO_LONG"),
        ("v".repeat(300_000), "TOO_LONG"),
        ("***".to_owned(), "MASKED"),
        ("*".to_owned(), "MASKED"),
        ("••••••••".to_owned(), "MASKED"),
        ("●●*•".to_owned(), "MASKED"),
        ("***x".to_owned(), "ok"),
        (" ***".to_owned(), "ok"),
    ];
    let id = alice.create("updated").await;
    for (number, (value, expected)) in cases.into_iter().enumerate() {
        let expected: Vec<String> = match expected {
            "ok" => vec![],
            code => vec![format!("{code} value")],
        };
        let create = json!({ "name": format!("value-{number}"), "value": value });
        assert_eq!(
            alice.mutate("createCredential", create).await.user_errors(),
            expected,
            "{number}"
        );
        let update = json!({ "credentialId": id, "value": value });
        assert_eq!(
            alice.mutate("updateCredential", update).await.user_errors(),
            expected,
            "{number}"
        );
    }
}

#[tokio::test]
async fn what_is_far_too_long_is_not_even_read() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    for (name, value) in [(10_000_000, 1), (1, 1_000_000), (1, 5_000_000)] {
        let input = json!({ "name": "n".repeat(name), "value": "v".repeat(value) });
        let answer = alice.mutate("createCredential", input).await;
        assert_eq!(
            (answer.status.as_u16(), answer.codes()),
            (413, vec!["BAD_REQUEST"])
        );
    }
}

#[tokio::test]
async fn the_largest_value_fits_in_a_body_however_json_escapes_it() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    let escaped = "\\u0041".repeat(65_536);
    let body = format!(
        r#"{{"query":"mutation($i: CreateCredentialInput!) {{ createCredential(input: $i) {{ credential {{ id }} userErrors {{ code }} }} }}","variables":{{"i":{{"name":"escaped","value":"{escaped}"}}}}}}"#
    );
    let answer = alice.send(body).await;
    let id = answer.field()["credential"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let resolved = server.runtime().resolve(&id).await;
    assert_eq!(resolved.field()["value"], "A".repeat(65_536));
}

#[tokio::test]
async fn values_come_back_byte_for_byte() {
    let server = Server::start().await;
    let (alice, runtime) = (server.editor("alice"), server.runtime());
    let id = alice.create("exact").await;
    let all_controls: String = (0..0x20).map(char::from).collect();
    let pem = "-----BEGIN PRIVATE KEY-----\nMIIB\r\n  indented\n-----END PRIVATE KEY-----\n\n";
    let values = vec![
        "trailing newline\n".to_owned(),
        "  spaces around  ".to_owned(),
        "nul \0 inside".to_owned(),
        pem.to_owned(),
        all_controls,
        "\u{feff}byte order mark".to_owned(),
        "e\u{301} is not composed".to_owned(),
        "🔑 \u{10ffff} \u{ffff}".to_owned(),
        "\"quotes\" \\ and {\"json\": true}".to_owned(),
        "\u{7f}\u{85}\u{2028}\u{2029}".to_owned(),
    ];
    for value in values {
        let update = json!({ "credentialId": id, "value": value });
        assert_eq!(
            alice.mutate("updateCredential", update).await.user_errors(),
            Vec::<String>::new()
        );
        assert_eq!(runtime.resolve(&id).await.field()["value"], value);
    }
}

/// Ten thousand of them, of five clients at once: their changes are committed together, and none waits for a read connection.
#[tokio::test]
async fn random_values_come_back_byte_for_byte() {
    const CLIENTS: u32 = 5;
    const ROUNDS: u32 = 100;
    let _alone = processors().await;
    let server = Server::start().await;
    let clients = (0..CLIENTS).map(|client| {
        let seeds = client * ROUNDS * AT_ONCE..(client + 1) * ROUNDS * AT_ONCE;
        come_back(&server, client, seeds)
    });
    join_all(clients).await;
}

/// How many values one request of a client changes, or resolves.
const AT_ONCE: u32 = 20;

/// Gives a client's credentials the values of these seeds, and resolves them.
async fn come_back(server: &Server, client: u32, seeds: Range<u32>) {
    let (alice, runtime) = (server.editor("alice"), server.runtime());
    let mut ids = Vec::new();
    for number in 0..AT_ONCE {
        ids.push(alice.create(&format!("random-{client}-{number}")).await);
    }
    let fields = |field: &dyn Fn(usize, &String) -> String| {
        let fields = ids.iter().enumerate().map(|(number, id)| field(number, id));
        fields.collect::<String>()
    };
    let parameters = fields(&|n, _| format!("$v{n}: String! "));
    let updates = fields(&|n, id| {
        format!(
            r#"r{n}: updateCredential(input: {{credentialId: "{id}", value: $v{n}}}) {{ userErrors {{ code }} }} "#
        )
    });
    let resolves = fields(&|n, id| {
        format!(
            r#"r{n}: resolveCredential(input: {{credentialId: "{id}", consumer: {{kind: WORKFLOW, externalId: "w"}}}}) {{ value }} "#
        )
    });
    let (update, resolve) = (
        format!("mutation({parameters}) {{ {updates} }}"),
        format!("mutation {{ {resolves} }}"),
    );
    for first in seeds.step_by(ids.len()) {
        let values: Vec<String> = (first..first + AT_ONCE).map(random_text).collect();
        let variables: Value = values
            .iter()
            .enumerate()
            .map(|(number, value)| (format!("v{number}"), json!(value)))
            .collect();
        let updated = alice.ask_with(&update, variables).await;
        let payloads = updated.data().as_object().unwrap();
        assert!(
            payloads
                .values()
                .all(|payload| payload["userErrors"] == json!([]))
        );
        let resolved = runtime.ask(&resolve).await;
        for (number, value) in values.iter().enumerate() {
            assert_eq!(resolved.data()[format!("r{number}")]["value"], *value);
        }
    }
}

/// A text of any characters, always the same for one seed.
fn random_text(seed: u32) -> String {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut text = String::from("r");
    for _ in 0..=(seed % 97) {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let wide = if state.is_multiple_of(3) {
            state % 0x11_0000
        } else {
            state % 0x80
        };
        text.extend(char::from_u32(wide));
    }
    text
}

#[tokio::test]
async fn a_value_written_as_a_literal_comes_back_byte_for_byte() {
    let server = Server::start().await;
    let (alice, runtime) = (server.editor("alice"), server.runtime());
    let literals = [
        (r#""plain""#, "plain"),
        (
            r#""tab\tquote\"backslash\\slash\/ \u0041\n""#,
            "tab\tquote\"backslash\\slash/ A\n",
        ),
        (r#""\ud83d\udd11 pair""#, "🔑 pair"),
        (r#""🔑 itself""#, "🔑 itself"),
        (r#""\u{1F511} braced""#, "🔑 braced"),
        (
            "\"\"\"\n    block\n      indented\n    \"\"\"",
            "block\n  indented",
        ),
        ("\"\"\"triple \\\"\"\" inside\"\"\"", "triple \"\"\" inside"),
        (r#""\b\f\r""#, "\u{8}\u{c}\r"),
    ];
    for (number, (literal, expected)) in literals.into_iter().enumerate() {
        let query = format!(
            r#"mutation {{ createCredential(input: {{name: "literal-{number}", value: {literal}}}) {{ credential {{ id }} userErrors {{ code }} }} }}"#
        );
        let answer = alice.ask(&query).await;
        let id = answer.field()["credential"]["id"]
            .as_str()
            .unwrap()
            .to_owned();
        assert_eq!(
            runtime.resolve(&id).await.field()["value"],
            expected,
            "{literal}"
        );
    }
}

#[tokio::test]
async fn a_name_that_shows_the_value_it_comes_with_is_refused() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    let value = "sk-12345678";
    for name in ["sk-12345678", "key sk-12345678 of prod"] {
        let answer = alice
            .mutate("createCredential", json!({ "name": name, "value": value }))
            .await;
        assert_eq!(answer.user_errors(), ["INVALID name"]);
    }
    // Shorter ones occur by chance, and a name alone is not compared with what is stored: the answer would tell.
    let answer = alice
        .mutate(
            "createCredential",
            json!({ "name": "abc1234", "value": "abc1234" }),
        )
        .await;
    assert_eq!(answer.user_errors(), Vec::<String>::new());
    let answer = alice
        .mutate(
            "createCredential",
            json!({ "name": "later", "value": value }),
        )
        .await;
    let id = answer.field()["credential"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let rename = alice
        .mutate(
            "updateCredential",
            json!({ "credentialId": id, "name": value }),
        )
        .await;
    assert_eq!(rename.user_errors(), Vec::<String>::new());
    let both = json!({ "credentialId": id, "name": "key-sk-87654321", "value": "sk-87654321" });
    assert_eq!(
        alice.mutate("updateCredential", both).await.user_errors(),
        ["INVALID name"]
    );
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_at_once() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    let answer = alice
        .mutate("createCredential", json!({ "name": " ", "value": "****" }))
        .await;
    assert_eq!(answer.user_errors(), ["BLANK name", "MASKED value"]);
    let id = alice.create("fine").await;
    let update = json!({ "credentialId": id, "name": "a\nb", "value": "" });
    assert_eq!(
        alice.mutate("updateCredential", update).await.user_errors(),
        ["INVALID name", "BLANK value"]
    );
}

/// What stands in place of a value is never repeated, whatever it is: `Answer` looks every answer through for the marker.
#[tokio::test]
async fn no_error_repeats_what_was_sent_in_place_of_a_value() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    let query = "mutation($input: CreateCredentialInput!) { createCredential(input: $input) { userErrors { code } } }";
    let variables = [
        json!({ "input": { "name": "n", "value": [secret("list")] } }),
        json!({ "input": { "name": "n", "value": { "nested": secret("object") } } }),
        json!({ "input": { "name": "n", "value": { secret("key"): 1 } } }),
        json!({ "input": { "name": "n", "value": 12_345 } }),
        json!({ "input": { "name": "n", "value": true } }),
        json!({ "input": { "name": "n", "value": null } }),
        json!({ "input": { "name": "n" } }),
        json!({ "input": { "name": "n", "value": "v", secret("extra"): 1 } }),
        json!({ "input": secret("whole input") }),
        json!({ "input": [secret("in a list")] }),
        json!({ "input": null, "value": secret("beside") }),
    ];
    for variables in variables {
        let answer = alice.ask_with(query, variables.clone()).await;
        assert_eq!(answer.codes(), ["BAD_USER_INPUT"], "{variables}");
        assert_eq!(answer.body.get("data"), None);
        assert_repeats_nothing(&answer);
    }
    let create = |value: &str| {
        format!(
            "mutation {{ createCredential(input: {{name: \"n\", value: {value}}}) {{ userErrors {{ code }} }} }}"
        )
    };
    let documents = [
        (create(MARKER), "GRAPHQL_VALIDATION_FAILED"),
        (
            create(&format!("[\"{MARKER}\"]")),
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            create(&format!("{{a: \"{MARKER}\"}}")),
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            create(&format!("{{{MARKER}: 1}}")),
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (create(&format!("${MARKER}")), "GRAPHQL_VALIDATION_FAILED"),
        (create("12345"), "GRAPHQL_VALIDATION_FAILED"),
        (create("true"), "GRAPHQL_VALIDATION_FAILED"),
        (create("null"), "GRAPHQL_VALIDATION_FAILED"),
        (
            create(&format!("\"{MARKER}\\uD800\"")),
            "GRAPHQL_PARSE_FAILED",
        ),
        (create(&format!("\"{MARKER}")), "GRAPHQL_PARSE_FAILED"),
        (create(&format!("\"{MARKER}\\q\"")), "GRAPHQL_PARSE_FAILED"),
        (create(&format!("\"\"\"{MARKER}")), "GRAPHQL_PARSE_FAILED"),
        (create(&format!("'{MARKER}'")), "GRAPHQL_PARSE_FAILED"),
        (
            create(&format!("\"{MARKER}\" \"{MARKER}\"")),
            "GRAPHQL_PARSE_FAILED",
        ),
        (format!("{{ {MARKER} }}"), "GRAPHQL_VALIDATION_FAILED"),
        (
            format!("{{ viewer(a: \"{MARKER}\") {{ id }} }}"),
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            format!("{{ viewer @{MARKER} {{ id }} }}"),
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (format!("{{ ...{MARKER} }}"), "GRAPHQL_VALIDATION_FAILED"),
        (
            format!("query($v: {MARKER}) {{ viewer {{ id }} }}"),
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (MARKER.to_owned(), "GRAPHQL_PARSE_FAILED"),
    ];
    for (document, code) in documents {
        let answer = alice.ask(&document).await;
        assert!(
            answer.codes().iter().all(|found| *found == code),
            "{document}: {}",
            answer.body
        );
        assert!(!answer.codes().is_empty());
        assert_eq!(answer.body.get("data"), None);
        assert_repeats_nothing(&answer);
    }
}

/// Neither a number nor a word that stood in place of a value is in a message.
fn assert_repeats_nothing(answer: &Answer) {
    for error in answer.body["errors"].as_array().unwrap() {
        let message = error["message"].as_str().unwrap();
        let is_between = |c: char| !c.is_ascii_alphanumeric();
        let words: Vec<&str> = message.split(is_between).collect();
        for repeated in ["12345", "12", "true"] {
            assert!(!words.contains(&repeated), "{message}");
        }
    }
}
