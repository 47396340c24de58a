//! The layers, and their one direction: http → graphql → domain → store and crypto → types. Beside them, the client → types.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Each layer, and the layers that its files may name.
const LAYERS: [(&str, &[&str]); 9] = [
    ("types", &[]),
    ("client", &["types"]),
    ("crypto", &["types"]),
    // What all of them count, and what is told of each operation.
    ("metrics", &["types"]),
    ("traces", &["types", "metrics"]),
    ("store", &["types", "metrics"]),
    ("domain", &["types", "crypto", "store", "metrics"]),
    ("graphql", &["types", "domain", "metrics", "traces"]),
    ("http", &["types", "domain", "graphql", "metrics", "traces"]),
];

/// What the upper layers may use of the lower ones beside their own neighbours: bytes in, bytes out.
const EXCEPTIONS: [(&str, &str); 1] = [("src/graphql/document.rs", "crypto::digest")];

fn source_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(source_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn name(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned()
}

/// What lies above the layers and puts them together; none of them names it.
const ABOVE: [&str; 18] = [
    "anchor_file",
    "app",
    "command",
    "config",
    "data_directory",
    "failure",
    "hardening",
    "issuer",
    "keyring_start",
    "lib",
    "listening",
    "local_mode",
    "main",
    "master_key_source",
    "provider",
    "telemetry",
    "tls_files",
    "upkeep",
];

#[test]
fn every_file_and_folder_is_a_layer_or_lies_above_them() {
    let known: BTreeSet<&str> = LAYERS
        .iter()
        .map(|(layer, _)| *layer)
        .chain(ABOVE)
        .collect();
    assert_eq!(modules(), known.into_iter().map(str::to_owned).collect());
}

/// What stands in `src`: its folders, and its files without their ending.
fn modules() -> BTreeSet<String> {
    let entries = std::fs::read_dir(root().join("src")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect()
}

#[test]
fn no_layer_names_one_that_lies_above_it() {
    let mut wrong = Vec::new();
    for (layer, below) in LAYERS {
        for path in source_files(&root().join("src").join(layer)) {
            let source = std::fs::read_to_string(&path).unwrap();
            // Several at once would not be seen below.
            if source.contains("crate::{") {
                wrong.push(format!("{} names several with crate::{{", name(&path)));
            }
            let others = LAYERS.iter().map(|(other, _)| *other).chain(ABOVE);
            for other in others.filter(|other| *other != layer && !below.contains(other)) {
                let named = source
                    .match_indices(&format!("crate::{other}"))
                    .filter(|(at, found)| {
                        let behind = source[at + found.len()..].chars().next();
                        !behind.is_some_and(|c| c == '_' || c.is_ascii_alphanumeric())
                    })
                    .any(|(at, _)| {
                        let rest = &source[at + "crate::".len()..];
                        !EXCEPTIONS
                            .iter()
                            .any(|(file, used)| *file == name(&path) && rest.starts_with(used))
                    });
                if named {
                    wrong.push(format!("{} names {other}", name(&path)));
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// A noun's SQL is in `store`, the hazardous half of orion in one file, and the words of a library's errors nowhere.
#[test]
fn what_has_one_place_stands_nowhere_else() {
    let mut wrong = Vec::new();
    for path in source_files(&root().join("src")) {
        let source = std::fs::read_to_string(&path).unwrap();
        let name = name(&path);
        let rules: [(&str, &dyn Fn(&str) -> bool); 9] = [
            ("orion::", &|name| name == "src/crypto/seal.rs"),
            ("governor", &|name| name == "src/domain/limit.rs"),
            ("diesel", &|name| name.starts_with("src/store/")),
            ("jsonwebtoken", &|name| {
                name.starts_with("src/crypto/") && name.contains("token")
            }),
            ("prometheus_client", &|name| {
                name.starts_with("src/metrics/")
            }),
            ("opentelemetry", &|name| name.starts_with("src/traces/")),
            ("poem::", &|name| name.starts_with("src/http/")),
            ("async_graphql", &|name| {
                // Requests are read into its values.
                let readers = [
                    "src/http/json.rs",
                    "src/http/parameters.rs",
                    "src/http/socket_message.rs",
                ];
                name.starts_with("src/graphql/") || readers.contains(&name)
            }),
            (".expose()", &|name| {
                [
                    "src/crypto/keyring.rs",
                    "src/graphql/resolve.rs",
                    "src/domain/credential_change.rs",
                    // The other side: a header, and the environment of a command.
                    "src/client/bearer.rs",
                    "src/command/run.rs",
                ]
                .contains(&name)
            }),
        ];
        for (text, may) in rules {
            let used = source
                .lines()
                .any(|line| line.contains(text) && !line.trim_start().starts_with("//"));
            if used && !may(&name) {
                wrong.push(format!("{name} has {text}"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// A server has no use for its own client: only the commands have.
#[test]
fn nothing_but_the_commands_uses_the_client() {
    let src = root().join("src");
    let users: Vec<String> = source_files(&src)
        .into_iter()
        .filter(|path| {
            let source = std::fs::read_to_string(path).unwrap();
            source.contains("crate::client") || source.contains("credence::client")
        })
        .map(|path| name(&path))
        .filter(|name| !name.starts_with("src/client/") && !name.starts_with("src/command/"))
        .collect();
    assert_eq!(users, Vec::<String>::new());
}

/// A runtime that uses the client builds no database, no server and no C library of theirs.
#[test]
fn the_client_can_be_had_without_the_server() {
    let mut tree = Command::new(env!("CARGO"));
    tree.args([
        "tree",
        "--offline",
        "--locked",
        "--edges",
        "normal",
        "--prefix",
        "none",
    ]);
    tree.args(["--no-default-features", "--features", "client"]);
    let output = tree.current_dir(root()).output().unwrap();
    let packages = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && packages.contains("reqwest "));
    let named = |package: &&str| {
        packages
            .lines()
            .any(|line| line.starts_with(&format!("{package} ")))
    };
    let unwanted = [
        "async-graphql",
        "apollo-compiler",
        "clap",
        "diesel",
        "jsonwebtoken",
        "libsqlite3-sys",
        "oauth2",
        "openssl-sys",
        "opentelemetry",
        "orion",
        "poem",
        "pq-sys",
        "prometheus-client",
        "rust-embed",
        "saphyr-parser",
    ];
    let found: Vec<&str> = unwanted.into_iter().filter(named).collect();
    assert_eq!(found, Vec::<&str>::new());
}

#[test]
fn no_file_has_more_than_400_lines() {
    let long: Vec<String> = source_files(&root().join("src"))
        .into_iter()
        .filter(|path| std::fs::read_to_string(path).unwrap().lines().count() > 400)
        .map(|path| name(&path))
        .collect();
    assert_eq!(long, Vec::<String>::new());
}

/// Each dependency has a comment of its own above it.
#[test]
fn every_dependency_says_what_it_is_for() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let mut inside = false;
    let mut explained = false;
    let mut bare = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.contains("dependencies");
            explained = line.contains("dependencies.");
        } else if line.starts_with('#') {
            explained = true;
        } else if inside && line.starts_with(|first: char| first.is_ascii_lowercase()) {
            if !explained {
                bare.push(line.to_owned());
            }
            explained = false;
        }
    }
    assert_eq!(bare, Vec::<String>::new());
}
