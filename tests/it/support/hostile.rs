//! Documents that ask for too much, or are none: what `benches/hostile` measures too.

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

/// The code of what is no document, or has more than 2,000 tokens.
const NOT_PARSED: &str = "GRAPHQL_PARSE_FAILED";
/// The code of a document that asks for what there is not, or for too much.
const NOT_VALID: &str = "GRAPHQL_VALIDATION_FAILED";

/// What each is, the code that it is answered with, and the document.
pub fn hostile() -> Vec<(&'static str, &'static str, String)> {
    let nested = |open: &str, close: &str, count: usize| {
        format!("{}{}", open.repeat(count), close.repeat(count))
    };
    vec![
        ("26 levels of doubled fragments", NOT_VALID, fragment_bomb(26, 2)),
        ("6 levels of 20 fragments", NOT_VALID, fragment_bomb(6, 20)),
        ("30 levels of 60 fragments", NOT_PARSED, fragment_bomb(30, 60)),
        ("fragments in a circle", NOT_VALID, "{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }".to_owned()),
        ("a fragment in itself", NOT_VALID, "{ ...a } fragment a on Query { viewer { id } ...a }".to_owned()),
        ("10,000 aliases", NOT_PARSED, format!("{{ {} }}", (0..10_000).map(|n| format!("a{n}: __typename ")).collect::<String>())),
        ("31 aliases", NOT_VALID, format!("{{ viewer {{ {} }} }}", (0..31).map(|n| format!("a{n}: id ")).collect::<String>())),
        ("40,000 fields, as many as a body holds", NOT_PARSED, format!("{{ {} }}", "__typename ".repeat(200_000 / 5))),
        ("21 root fields", NOT_VALID, format!("{{ {} }}", (0..21).map(|n| format!("a{n}: viewer {{ id }} ")).collect::<String>())),
        ("1,001 selections", NOT_VALID, format!("{{ viewer {{ {} }} }}", "id ".repeat(1_000))),
        ("2,000 nested inline fragments", NOT_PARSED, format!("{{ {} }}", nested("... { ", " }", 2_000).replacen("{  }", "{ viewer { id } }", 1))),
        ("2,000 nested selections", NOT_PARSED, format!("{{ {} }}", nested("a { ", " }", 2_000))),
        ("21 levels of fields", NOT_VALID, format!("{{ viewer {{ {} }} }}", nested("credentials { nodes { owner { ", " } } }", 7).replacen("{  }", "{ id }", 1))),
        ("4,000 directives", NOT_PARSED, format!("{{ viewer {} {{ id }} }}", "@include(if: true) ".repeat(20_000 / 5))),
        ("20,000 directives, as many as a body holds", NOT_PARSED, format!("{{ viewer {} {{ id }} }}", "@include(if: true) ".repeat(20_000))),
        ("9 directives at one place", NOT_VALID, format!("{{ viewer {} {{ id }} }}", "@include(if: true) ".repeat(9))),
        ("5,000 variables", NOT_PARSED, format!("query({}) {{ viewer {{ id }} }}", (0..5_000).map(|n| format!("$v{n}: Int ")).collect::<String>())),
        ("65 variables", NOT_VALID, format!("query({}) {{ viewer {{ id }} }}", (0..65).map(|n| format!("$v{n}: Int ")).collect::<String>())),
        ("20,000 nested lists", NOT_PARSED, format!("{{ nodes(ids: {}) {{ id }} }}", nested("[", "]", 20_000))),
        ("9 nested lists", NOT_VALID, format!("{{ nodes(ids: {}) {{ id }} }}", nested("[", "]", 9))),
        ("101 items in a list", NOT_VALID, format!("{{ nodes(ids: [{}]) {{ id }} }}", "\"a\" ".repeat(101))),
        ("2,000 nested objects", NOT_PARSED, format!("{{ credentials(orderBy: {}) {{ totalCount }} }}", nested("{a: ", "}", 2_000))),
        ("10,000 operations", NOT_PARSED, (0..10_000).map(|n| format!("query q{n} {{ viewer {{ id }} }} ")).collect::<String>()),
        ("9 operations", NOT_VALID, (0..9).map(|n| format!("query q{n} {{ viewer {{ id }} }} ")).collect::<String>()),
        ("33 fragments", NOT_VALID, format!("{{ viewer {{ id }} }} {}", (0..33).map(|n| format!("fragment f{n} on User {{ id }} ")).collect::<String>())),
        ("a field name of 64 KiB", NOT_PARSED, format!("{{ {} }}", "a".repeat(65_536))),
        ("an alias of 64 KiB", NOT_PARSED, format!("{{ {}: nothing }}", "a".repeat(65_536))),
        ("introspection in a circle", NOT_VALID, "{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }".to_owned()),
        ("400 KiB of comments and no document", NOT_PARSED, format!("#{}\n", "c".repeat(400_000))),
        ("400 KiB of commas", NOT_PARSED, ",".repeat(400_000)),
        ("400 KiB of braces", NOT_PARSED, "{".repeat(400_000)),
        ("200 KiB of quotes", NOT_PARSED, "\"".repeat(200_000)),
        ("2,001 tokens", NOT_PARSED, format!("{{ viewer {{ {} }} }}", "id ".repeat(1_997))),
        ("a subscription", NOT_VALID, "subscription { viewer { id } }".to_owned()),
        ("a type definition", NOT_VALID, "type Query { a: Int }".to_owned()),
        ("no document", NOT_PARSED, " \n,# nothing\n".to_owned()),
        ("a null byte", NOT_PARSED, "{ viewer\0 { id } }".to_owned()),
    ]
}
