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

/// What each is, and the document.
pub fn hostile() -> Vec<(&'static str, String)> {
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
        ("40,000 fields, as many as a body holds", format!("{{ {} }}", "__typename ".repeat(200_000 / 5))),
        ("21 root fields", format!("{{ {} }}", (0..21).map(|n| format!("a{n}: viewer {{ id }} ")).collect::<String>())),
        ("1,001 selections", format!("{{ viewer {{ {} }} }}", "id ".repeat(1_000))),
        ("2,000 nested inline fragments", format!("{{ {} }}", nested("... { ", " }", 2_000).replacen("{  }", "{ viewer { id } }", 1))),
        ("2,000 nested selections", format!("{{ {} }}", nested("a { ", " }", 2_000))),
        ("21 levels of fields", format!("{{ viewer {{ {} }} }}", nested("credentials { nodes { owner { ", " } } }", 7).replacen("{  }", "{ id }", 1))),
        ("4,000 directives", format!("{{ viewer {} {{ id }} }}", "@include(if: true) ".repeat(20_000 / 5))),
        ("20,000 directives, as many as a body holds", format!("{{ viewer {} {{ id }} }}", "@include(if: true) ".repeat(20_000))),
        ("9 directives at one place", format!("{{ viewer {} {{ id }} }}", "@include(if: true) ".repeat(9))),
        ("5,000 variables", format!("query({}) {{ viewer {{ id }} }}", (0..5_000).map(|n| format!("$v{n}: Int ")).collect::<String>())),
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
