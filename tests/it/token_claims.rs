//! The claims that give rights, by the names that are configured, and the programs that tokens were given to.

use std::path::Path;

use credence::data_directory::write_secret_file;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::browser::Browser;
use crate::support::process::{run, stderr};
use crate::support::token::{
    HS256, SECRET, assert_accepted, assert_refused, claims_with, server_with, sign_hs256,
};
use crate::support::{Server, secret, text};

/// A server that takes tokens of the tests' secret, with these options.
async fn server_of(options: &[&str]) -> (Server, TempDir) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("secret");
    write_secret_file(&path, SECRET).unwrap();
    server_with("--jwt-key-file", text(&path), options)
        .await
        .unwrap()
}

fn token(server: &Server, changes: Value) -> String {
    sign_hs256(HS256, &claims_with(server, changes))
}

/// What a token allows, as its session says.
async fn scopes(server: &Server, changes: Value) -> Value {
    let token = token(server, changes);
    let browser = Browser::signed_in(server, &token).await;
    browser.session().await["scopes"].clone()
}

#[tokio::test]
async fn scopes_are_the_words_of_a_text_or_a_list() {
    let (server, _directory) = server_of(&[]).await;
    let (read, write) = ("credentials:read", "credentials:write");
    for (scope, expected) in [
        (
            json!("credentials:read credentials:write"),
            json!([read, write]),
        ),
        (json!([read, write]), json!([read, write])),
        (json!([write, "openid", write]), json!([write])),
        // What stands in a list is one word.
        (json!(["credentials:read credentials:write"]), json!([])),
        (json!("openid  credentials:read"), json!([read])),
        (json!("credentials:read\tcredentials:write"), json!([])),
        (json!(["credentials", ":read", "*", ""]), json!([])),
        (json!([]), json!([])),
        (json!(""), json!([])),
    ] {
        let changes = json!({ "scope": scope });
        assert_eq!(scopes(&server, changes).await, expected, "{scope}");
    }
    let without = claims_with(&server, json!({ "scope": null }));
    let null = without.replacen('{', r#"{"scope":null,"#, 1);
    for claims in [without, null] {
        let browser = Browser::signed_in(&server, &sign_hs256(HS256, &claims)).await;
        assert_eq!(browser.session().await["scopes"], json!([]));
    }
}

#[tokio::test]
async fn the_claims_of_scopes_and_roles_have_the_names_that_are_configured() {
    let name = "https://example.com/roles";
    let options = ["--jwt-scope-claim", "scp", "--jwt-role-claim", name];
    let (server, _directory) = server_of(&options).await;
    let editor = json!(["credentials:read", "credentials:write"]);
    let resolve = "credentials:resolve";
    for (changes, expected) in [
        // The usual name counts no longer.
        (json!({}), json!([])),
        (
            json!({ "scp": ["credentials:read"] }),
            json!(["credentials:read"]),
        ),
        (json!({ "scp": "audit:read" }), json!(["audit:read"])),
        (json!({ "scope": null, name: "editor" }), editor.clone()),
        (
            json!({ name: ["viewer", "editor", "owner"] }),
            editor.clone(),
        ),
        (
            json!({ name: "viewer runtime" }),
            json!(["credentials:read", resolve]),
        ),
        (
            json!({ "scp": resolve, name: "viewer" }),
            json!(["credentials:read", resolve]),
        ),
        (
            json!({ name: ["Admin", "admin ", "viewer editor"] }),
            json!([]),
        ),
        (json!({ "roles": "admin" }), json!([])),
    ] {
        assert_eq!(
            scopes(&server, changes.clone()).await,
            expected,
            "{changes}"
        );
    }
    for changes in [
        json!({ "scp": 1 }),
        json!({ name: { "admin": true } }),
        json!({ name: [["admin"]] }),
    ] {
        assert_refused(
            &server,
            &token(&server, changes.clone()),
            &changes.to_string(),
        )
        .await;
    }
    let twice = claims_with(&server, json!({ name: "viewer" }));
    let twice = twice.replacen('{', &format!(r#"{{"{name}":"admin","#), 1);
    assert_refused(&server, &sign_hs256(HS256, &twice), "a role claim twice").await;
}

#[tokio::test]
async fn one_claim_may_have_scopes_and_roles() {
    let options = ["--jwt-role-claim", "scope"];
    let (server, _directory) = server_of(&options).await;
    let changes = json!({ "scope": "viewer audit:read" });
    let expected = json!(["credentials:read", "audit:read"]);
    assert_eq!(scopes(&server, changes).await, expected);
}

#[tokio::test]
async fn a_shorter_age_and_the_type_of_access_tokens_are_asked_for_when_that_is_configured() {
    let options = ["--jwt-max-age", "1h", "--require-at-jwt"];
    let (server, _directory) = server_of(&options).await;
    let now = server.clock.now().seconds();
    let of = |typ: &str, seconds: i64| {
        let claims = claims_with(&server, json!({ "iat": now, "exp": now + seconds }));
        sign_hs256(&json!({ "alg": "HS256", "typ": typ }).to_string(), &claims)
    };
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt"] {
        assert_accepted(&server, &of(typ, 3_600), typ).await;
    }
    assert_refused(&server, &of("at+jwt", 3_601), "more than an hour").await;
    assert_refused(&server, &of("JWT", 3_600), "another type").await;
}

const CLIENTS: [&str; 4] = [
    "--resolve-client",
    "runtime,scheduler",
    "--resolve-client",
    "third",
];

#[tokio::test]
async fn only_tokens_of_the_programs_that_are_named_resolve() {
    let (server, _directory) = server_of(&CLIENTS).await;
    let editor = token(
        &server,
        json!({ "scope": "credentials:read credentials:write" }),
    );
    let id = server.bearer(&editor).create("guarded").await;
    let runtime = |changes: Value| {
        let mut all = json!({ "sub": "workflows", "scope": "credentials:resolve" });
        all.as_object_mut()
            .unwrap()
            .extend(changes.as_object().unwrap().clone());
        token(&server, all)
    };
    for changes in [
        json!({ "client_id": "runtime" }),
        json!({ "azp": "scheduler" }),
        json!({ "client_id": "third", "azp": "another" }),
        json!({ "client_id": "another", "azp": "runtime" }),
    ] {
        let answer = server.bearer(&runtime(changes.clone())).resolve(&id).await;
        assert_eq!(answer.field()["value"], secret("guarded"), "{changes}");
    }
    for changes in [
        json!({}),
        json!({ "client_id": "another" }),
        json!({ "client_id": "Runtime" }),
        json!({ "client_id": "runtime " }),
        json!({ "client_id": "runtime,scheduler" }),
        json!({ "client_id": "" }),
        json!({ "aud": ["credence", "runtime"] }),
        json!({ "sub": "runtime" }),
    ] {
        let runtime = server.bearer(&runtime(changes.clone()));
        let answer = runtime.resolve(&id).await;
        assert_eq!(answer.codes(), ["FORBIDDEN"], "{changes}");
        let told = answer.body["errors"][0]["message"].as_str().unwrap();
        assert!(told.contains("--resolve-client"), "{told}");
        // All else that the scope allows is allowed.
        let query = "query($id: ID!) { credential(id: $id) { name } }";
        let answer = runtime.ask_with(query, json!({ "id": id })).await;
        assert_eq!(answer.field()["name"], "guarded");
    }
    // A person's token of that program has no right to resolve all the same.
    let person = runtime(json!({ "scope": "credentials:read", "client_id": "runtime" }));
    let answer = server.bearer(&person).resolve(&id).await;
    let told = answer.body["errors"][0]["message"].as_str().unwrap();
    assert!(told.contains("the scope credentials:resolve"), "{told}");
    let auditor = token(&server, json!({ "scope": "audit:read" }));
    let query = "{ auditEvents(first: 100, filter: {actions: [CREDENTIAL_RESOLVE_REFUSED]}) { nodes { reason } } }";
    let answer = server.bearer(&auditor).ask(query).await;
    let nodes = answer.field()["nodes"].as_array().unwrap();
    let of = |reason: &str| nodes.iter().filter(|node| node["reason"] == reason).count();
    assert_eq!((of("CLIENT_NOT_NAMED"), of("NEEDS_SCOPE")), (8, 1));
}

#[tokio::test]
async fn no_session_resolves_when_programs_are_named() {
    for (options, code) in [(&CLIENTS[..0], None), (&CLIENTS[..], Some("FORBIDDEN"))] {
        let (server, _directory) = server_of(options).await;
        let scope = "credentials:read credentials:write credentials:resolve";
        let token = token(&server, json!({ "scope": scope, "client_id": "runtime" }));
        let id = server.bearer(&token).create("guarded").await;
        let browser = Browser::signed_in(&server, &token).await;
        let answer = browser
            .ask(&format!(
                r#"mutation {{ resolveCredential(input: {{credentialId: "{id}", consumer: {{kind: WORKFLOW, externalId: "w"}}}}) {{ notModified }} }}"#
            ))
            .await;
        assert_eq!(answer.codes().first().copied(), code, "{}", answer.body);
    }
}

#[test]
fn what_is_said_of_an_issuers_tokens_needs_its_keys() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    for option in [
        &["--jwt-scope-claim", "scp"][..],
        &["--jwt-role-claim", "roles"],
        &["--jwt-max-age", "1h"],
        &["--require-at-jwt"],
        &["--resolve-client", "runtime"],
    ] {
        let told = refused(&data, option, 78);
        assert!(
            told.contains(option[0]) && told.contains("--jwks-url"),
            "{told}"
        );
        assert!(!data.join("signing.key").exists());
    }
    for option in [
        ["--jwt-scope-claim", ""],
        ["--jwt-role-claim", ""],
        ["--resolve-client", ""],
        ["--jwt-max-age", "25h"],
        ["--jwt-max-age", "59s"],
        ["--jwt-max-age", "long"],
    ] {
        let told = refused(&data, &option, 64);
        assert!(told.contains(option[0]), "{told}");
    }
}

fn refused(data: &Path, options: &[&str], code: i32) -> String {
    let output = run(&[&["serve", "--data-dir", text(data)], options].concat());
    assert_eq!(
        output.status.code(),
        Some(code),
        "{options:?}: {}",
        stderr(&output)
    );
    stderr(&output)
}
