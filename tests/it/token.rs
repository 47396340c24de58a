//! Tokens of a configured issuer: what is accepted, and what is forged.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use credence::crypto::master_key::MasterKey;
use credence::data_directory::write_secret_file;
use credence::failure::Failure;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Answer, Server};

pub const ISSUER: &str = "https://issuer.example/";
pub const SECRET: &[u8] = b"a secret of the tests, 32 bytes or more of it";

/// The path of one of the keys of the tests.
fn key_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/keys")
        .join(name)
}

fn pem(name: &str) -> Vec<u8> {
    std::fs::read(key_path(name)).unwrap()
}

/// A server that takes the tokens of an issuer whose keys are in a file.
async fn server_with(
    option: &str,
    keys: &Path,
    more: &[&str],
) -> Result<(Server, TempDir), Failure> {
    let directory = TempDir::new().unwrap();
    let master_key = directory.path().join("master.key");
    write_secret_file(
        &master_key,
        MasterKey::generate().unwrap().to_text().as_bytes(),
    )
    .unwrap();
    let master_key = master_key.to_str().unwrap();
    let fixed = [
        "--master-key-file",
        master_key,
        "--jwt-issuer",
        ISSUER,
        option,
        keys.to_str().unwrap(),
    ];
    let arguments: Vec<&str> = fixed.iter().chain(more).copied().collect();
    Ok((Server::start_with(&arguments).await?, directory))
}

async fn server_with_secret(secret: &[u8]) -> Result<(Server, TempDir), Failure> {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("secret");
    write_secret_file(&path, secret).unwrap();
    server_with("--jwt-key-file", &path, &[]).await
}

async fn server_with_pem(name: &str) -> (Server, TempDir) {
    server_with("--jwt-key-file", &key_path(name), &[])
        .await
        .unwrap()
}

/// Claims that are good for an hour.
fn claims(server: &Server) -> Value {
    let now = server.clock.now().seconds();
    json!({ "iss": ISSUER, "aud": "credence", "sub": "alice", "iat": now, "exp": now + 3_600, "scope": "credentials:read" })
}

/// Claims with some of them changed; null takes one away.
fn claims_with(server: &Server, changes: Value) -> String {
    let mut claims = claims(server);
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(name),
            value => claims
                .as_object_mut()
                .unwrap()
                .insert(name.clone(), value.clone()),
        };
    }
    claims.to_string()
}

/// A token of this header and these claims, as texts, signed.
pub fn sign(header: &str, claims: &str, key: &EncodingKey, algorithm: Algorithm) -> String {
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims)
    );
    let signature = crypto::sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}

pub fn sign_hs256(header: &str, claims: &str) -> String {
    sign(
        header,
        claims,
        &EncodingKey::from_secret(SECRET),
        Algorithm::HS256,
    )
}

pub const HS256: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

async fn viewer(server: &Server, token: &str) -> Answer {
    server
        .bearer(token)
        .ask("{ viewer { subject name email } }")
        .await
}

async fn assert_accepted(server: &Server, token: &str, what: &str) {
    let answer = viewer(server, token).await;
    assert_eq!(answer.status, 200, "{what}");
    assert_eq!(answer.field()["subject"], "alice", "{what}");
}

async fn assert_refused(server: &Server, token: &str, what: &str) {
    let answer = viewer(server, token).await;
    assert_eq!(answer.status, 401, "{what}");
    let expected = json!({ "errors": [{
        "message": "A valid token is needed: Authorization: Bearer …", "extensions": { "code": "UNAUTHENTICATED" }
    }] });
    assert_eq!(answer.body, expected, "{what}");
    assert_eq!(
        answer.headers["www-authenticate"], "Bearer error=\"invalid_token\"",
        "{what}"
    );
}

#[tokio::test]
async fn good_tokens_of_every_kind_of_key_are_accepted() {
    let rsa = EncodingKey::from_rsa_pem(&pem("rsa.pem")).unwrap();
    let kinds = [
        ("rsa.pub.pem", "RS256", Algorithm::RS256, rsa.clone()),
        (
            "p256.pub.pem",
            "ES256",
            Algorithm::ES256,
            EncodingKey::from_ec_pem(&pem("p256.pem")).unwrap(),
        ),
        (
            "p384.pub.pem",
            "ES384",
            Algorithm::ES384,
            EncodingKey::from_ec_pem(&pem("p384.pem")).unwrap(),
        ),
        (
            "ed25519.pub.pem",
            "EdDSA",
            Algorithm::EdDSA,
            EncodingKey::from_ed_pem(&pem("ed25519.pem")).unwrap(),
        ),
    ];
    for (file, name, algorithm, key) in kinds {
        let (server, _keys) = server_with_pem(file).await;
        let token = sign(
            &json!({ "alg": name, "kid": "any" }).to_string(),
            &claims(&server).to_string(),
            &key,
            algorithm,
        );
        assert_accepted(&server, &token, name).await;
        let mut flipped = token.into_bytes();
        let last = flipped.len() - 10;
        flipped[last] = if flipped[last] == b'A' { b'B' } else { b'A' };
        assert_refused(&server, &String::from_utf8(flipped).unwrap(), name).await;
    }
    let (server, _keys) = server_with(
        "--jwt-key-file",
        &key_path("rsa.pub.pem"),
        &["--jwt-rsa-algorithm", "PS256"],
    )
    .await
    .unwrap();
    let claims = claims(&server).to_string();
    assert_accepted(
        &server,
        &sign(r#"{"alg":"PS256"}"#, &claims, &rsa, Algorithm::PS256),
        "PS256",
    )
    .await;
    assert_refused(
        &server,
        &sign(r#"{"alg":"RS256"}"#, &claims, &rsa, Algorithm::RS256),
        "RS256 for PS256",
    )
    .await;
}

#[tokio::test]
async fn the_keys_of_a_set_are_chosen_by_their_ids() {
    let (server, _keys) = server_with("--jwks-file", &key_path("jwks.json"), &[])
        .await
        .unwrap();
    let rsa = EncodingKey::from_rsa_pem(&pem("rsa.pem")).unwrap();
    let p256 = EncodingKey::from_ec_pem(&pem("p256.pem")).unwrap();
    let p384 = EncodingKey::from_ec_pem(&pem("p384.pem")).unwrap();
    let ed25519 = EncodingKey::from_ed_pem(&pem("ed25519.pem")).unwrap();
    let claims = claims(&server).to_string();
    let token = |alg: &str, kid: Value, key: &EncodingKey, algorithm: Algorithm| {
        sign(
            &json!({ "alg": alg, "kid": kid }).to_string(),
            &claims,
            key,
            algorithm,
        )
    };
    for (alg, kid, key, algorithm) in [
        ("RS256", "rsa", &rsa, Algorithm::RS256),
        ("ES256", "p256", &p256, Algorithm::ES256),
        ("ES384", "p384", &p384, Algorithm::ES384),
        ("EdDSA", "ed25519", &ed25519, Algorithm::EdDSA),
    ] {
        assert_accepted(&server, &token(alg, json!(kid), key, algorithm), kid).await;
    }
    for (what, alg, kid, key, algorithm) in [
        (
            "an unknown key",
            "RS256",
            json!("unknown"),
            &rsa,
            Algorithm::RS256,
        ),
        (
            "no key among several",
            "RS256",
            json!(null),
            &rsa,
            Algorithm::RS256,
        ),
        (
            "a key for another use",
            "RS256",
            json!("encrypts"),
            &rsa,
            Algorithm::RS256,
        ),
        (
            "the key of another algorithm",
            "RS256",
            json!("p256"),
            &rsa,
            Algorithm::RS256,
        ),
        (
            "the name of another algorithm",
            "ES384",
            json!("p256"),
            &p384,
            Algorithm::ES384,
        ),
        (
            "a path for a key",
            "RS256",
            json!("../../etc/passwd"),
            &rsa,
            Algorithm::RS256,
        ),
        (
            "a number for a key",
            "RS256",
            json!(1),
            &rsa,
            Algorithm::RS256,
        ),
    ] {
        assert_refused(&server, &token(alg, kid, key, algorithm), what).await;
    }
}

#[tokio::test]
async fn headers_that_are_forged_are_refused() {
    let (server, _keys) = server_with_secret(SECRET).await.unwrap();
    let claims = claims(&server).to_string();
    assert_accepted(&server, &sign_hs256(HS256, &claims), "HS256").await;
    for good in [
        r#"{"alg":"HS256"}"#,
        r#"{"alg":"HS256","typ":"at+jwt"}"#,
        r#"{"alg":"HS256","typ":"application/at+jwt"}"#,
    ] {
        assert_accepted(&server, &sign_hs256(good, &claims), good).await;
    }
    for header in [
        r#"{"alg":"none"}"#,
        r#"{"alg":"None"}"#,
        r#"{"alg":"NONE"}"#,
        r#"{"alg":"hs256"}"#,
        r#"{"alg":"HS384"}"#,
        r#"{"alg":"HS512"}"#,
        r#"{"alg":"RS256"}"#,
        r#"{"alg":"ES256"}"#,
        r#"{"alg":"EdDSA"}"#,
        r#"{"alg":""}"#,
        r#"{"alg":null}"#,
        r#"{"alg":["HS256"]}"#,
        r#"{"alg":1}"#,
        r#"{"typ":"JWT"}"#,
        r#"{"alg":"HS256","alg":"HS256"}"#,
        r#"{"alg":"HS256","typ":"JWE"}"#,
        r#"{"alg":"HS256","typ":"dpop+jwt"}"#,
        r#"{"alg":"HS256","typ":"logout+jwt"}"#,
        r#"{"alg":"HS256","typ":1}"#,
        r#"{"alg":"HS256","typ":"JWT","typ":"JWT"}"#,
        r#"{"alg":"HS256","crit":["exp"]}"#,
        r#"{"alg":"HS256","crit":[]}"#,
        r#"{"alg":"HS256","crit":null}"#,
        r#"{"alg":"HS256","crit":["b64"],"b64":false}"#,
        r#"{"alg":"HS256","b64":true}"#,
        r#"{"alg":"HS256","jku":"https://evil.example/keys"}"#,
        r#"{"alg":"HS256","jwk":{"kty":"oct","k":"AAAA"}}"#,
        r#"{"alg":"HS256","x5u":"https://evil.example/cert"}"#,
        r#"{"alg":"HS256","x5c":["AAAA"]}"#,
        r#"{"alg":"HS256","zip":"DEF"}"#,
        r#"{"alg":"HS256","enc":"A256GCM"}"#,
        r#"{"alg":"HS256","unknown":1,"unknown":2}"#,
        r#"{"alg":"HS256","kid":{}}"#,
        "[]",
        "null",
        "\"HS256\"",
        "{\"alg\":\"HS256\"",
        "",
    ] {
        assert_refused(&server, &sign_hs256(header, &claims), header).await;
    }
}

#[tokio::test]
async fn signatures_that_are_forged_are_refused() {
    let (server, _keys) = server_with_secret(SECRET).await.unwrap();
    let good = sign_hs256(HS256, &claims(&server).to_string());
    let parts: Vec<&str> = good.split('.').collect();
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    let other = sign_hs256(HS256, &claims_with(&server, json!({ "sub": "bob" })));
    let other_signature = other.rsplit('.').next().unwrap();
    let admin = URL_SAFE_NO_PAD.encode(claims_with(&server, json!({ "scope": "users:manage" })));
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
    let other_key = EncodingKey::from_secret(b"another secret of the tests, of 32 bytes and more");
    let longer = EncodingKey::from_secret(&[SECRET, b"x"].concat());
    for (what, token) in [
        ("no signature", format!("{header}.{payload}.")),
        ("no third part", format!("{header}.{payload}")),
        ("one part", header.to_owned()),
        ("dots", "..".to_owned()),
        ("a fourth part", format!("{good}.x")),
        (
            "the five parts of an encrypted token",
            format!("{good}.x.y"),
        ),
        ("none without a signature", format!("{none}.{payload}.")),
        (
            "none with a signature",
            format!("{none}.{payload}.{signature}"),
        ),
        (
            "the signature of another token",
            format!("{header}.{payload}.{other_signature}"),
        ),
        (
            "other claims under the signature",
            format!("{header}.{admin}.{signature}"),
        ),
        (
            "a signature that is cut",
            format!("{header}.{payload}.{}", &signature[..20]),
        ),
        ("a padded signature", format!("{good}=")),
        ("a space inside", format!("{header}. {payload}.{signature}")),
        (
            "a space behind the header",
            format!("{header} .{payload}.{signature}"),
        ),
        (
            "standard base64",
            good.replace('-', "+").replace('_', "/") + "+/",
        ),
        (
            "another secret",
            sign(
                HS256,
                &claims(&server).to_string(),
                &other_key,
                Algorithm::HS256,
            ),
        ),
        (
            "a longer secret",
            sign(
                HS256,
                &claims(&server).to_string(),
                &longer,
                Algorithm::HS256,
            ),
        ),
        ("no base64", format!("{header}.{{}}.{signature}")),
    ] {
        assert_refused(&server, &token, what).await;
    }
    // The public key as the secret of an HMAC: the confusion of algorithms.
    let (server, _keys) = server_with_pem("rsa.pub.pem").await;
    let confused = EncodingKey::from_secret(&pem("rsa.pub.pem"));
    assert_refused(
        &server,
        &sign(
            HS256,
            &claims(&server).to_string(),
            &confused,
            Algorithm::HS256,
        ),
        "confusion",
    )
    .await;
    let rsa = EncodingKey::from_rsa_pem(&pem("rsa.pem")).unwrap();
    let other_rsa = EncodingKey::from_rsa_pem(&pem("rsa-other.pem")).unwrap();
    let claims = claims(&server).to_string();
    assert_accepted(
        &server,
        &sign(r#"{"alg":"RS256"}"#, &claims, &rsa, Algorithm::RS256),
        "RS256",
    )
    .await;
    assert_refused(
        &server,
        &sign(r#"{"alg":"RS256"}"#, &claims, &other_rsa, Algorithm::RS256),
        "another key",
    )
    .await;
    assert_refused(
        &server,
        &sign(r#"{"alg":"PS256"}"#, &claims, &rsa, Algorithm::PS256),
        "PS256 for RS256",
    )
    .await;
    assert_refused(
        &server,
        &sign(r#"{"alg":"RS512"}"#, &claims, &rsa, Algorithm::RS512),
        "RS512 for RS256",
    )
    .await;
}

#[tokio::test]
async fn claims_that_are_forged_are_refused() {
    let (server, _keys) = server_with_secret(SECRET).await.unwrap();
    let now = server.clock.now().seconds();
    let refused = [
        json!({ "iss": null }),
        json!({ "aud": null }),
        json!({ "exp": null }),
        json!({ "iat": null }),
        json!({ "sub": null }),
        json!({ "iss": "https://evil.example/" }),
        json!({ "iss": "https://issuer.example" }),
        json!({ "iss": "HTTPS://ISSUER.EXAMPLE/" }),
        json!({ "iss": [ISSUER] }),
        json!({ "iss": [ISSUER, "https://evil.example/"] }),
        json!({ "iss": 1 }),
        json!({ "aud": "another" }),
        json!({ "aud": "credence " }),
        json!({ "aud": [] }),
        json!({ "aud": ["another", "third"] }),
        json!({ "aud": 1 }),
        json!({ "aud": {} }),
        json!({ "exp": now - 31 }),
        json!({ "exp": now - 3_600, "iat": now - 7_200 }),
        json!({ "exp": (now + 3_600).to_string() }),
        json!({ "exp": -1 }),
        json!({ "exp": 0 }),
        json!({ "exp": 253_402_300_799_i64 }),
        json!({ "exp": 1e300 }),
        json!({ "exp": true }),
        json!({ "exp": now + 86_401, "iat": now }),
        json!({ "iat": now - 86_400, "exp": now + 60 }),
        json!({ "iat": now + 40 }),
        json!({ "iat": now.to_string() }),
        json!({ "iat": -5 }),
        json!({ "nbf": now + 40 }),
        json!({ "nbf": "soon" }),
        json!({ "sub": "" }),
        json!({ "sub": "x".repeat(256) }),
        json!({ "sub": "a\nb" }),
        json!({ "sub": "a\u{0}b" }),
        json!({ "sub": 7 }),
        json!({ "sub": ["alice"] }),
        json!({ "scope": ["credentials:read"] }),
        json!({ "scope": 1 }),
        json!({ "name": 1 }),
        json!({ "email": {} }),
        json!({ "credential_ids": "all" }),
        json!({ "credential_ids": ["not-an-id"] }),
        json!({ "credential_ids": 1 }),
    ];
    for changes in refused {
        assert_refused(
            &server,
            &sign_hs256(HS256, &claims_with(&server, changes.clone())),
            &changes.to_string(),
        )
        .await;
    }
    let plain = claims(&server).to_string();
    for (what, text) in [
        (
            "a second subject",
            plain.replace(r#""sub":"alice""#, r#""sub":"bob","sub":"alice""#),
        ),
        (
            "a second issuer",
            plain.replace(r#""sub":"#, r#""iss":"https://issuer.example/","sub":"#),
        ),
        (
            "a second expiry",
            plain.replace(r#""sub":"#, r#""exp":9999999999,"sub":"#),
        ),
        (
            "a second scope",
            plain.replace(r#""sub":"#, r#""scope":"users:manage","sub":"#),
        ),
        ("a list", "[]".to_owned()),
        ("null", "null".to_owned()),
        ("no JSON", "sub=alice".to_owned()),
        ("nothing", String::new()),
    ] {
        assert_refused(&server, &sign_hs256(HS256, &text), what).await;
    }
}

#[tokio::test]
async fn claims_at_the_edge_of_what_is_good_are_accepted() {
    let (server, _keys) = server_with_secret(SECRET).await.unwrap();
    let now = server.clock.now().seconds();
    for changes in [
        json!({ "exp": now - 20 }),
        json!({ "iat": now + 20 }),
        json!({ "nbf": now + 20 }),
        json!({ "nbf": now - 1_000 }),
        json!({ "exp": now + 86_390, "iat": now }),
        json!({ "iat": f64::from(i32::try_from(now).unwrap()) + 0.5 }),
        json!({ "aud": ["another", "credence"] }),
        json!({ "scope": null }),
        json!({ "scope": "openid  unknown:scope credentials:read" }),
        json!({ "name": "", "email": "x".repeat(300) }),
        json!({ "credential_ids": [] }),
    ] {
        assert_accepted(
            &server,
            &sign_hs256(HS256, &claims_with(&server, changes.clone())),
            &changes.to_string(),
        )
        .await;
    }
    let longest = sign_hs256(
        HS256,
        &claims_with(&server, json!({ "sub": "x".repeat(255) })),
    );
    assert_eq!(viewer(&server, &longest).await.status, 200);
}

#[tokio::test]
async fn a_token_has_8_kib_at_most() {
    let (server, _keys) = server_with_secret(SECRET).await.unwrap();
    let padded = |padding: usize| {
        sign_hs256(
            HS256,
            &claims_with(&server, json!({ "padding": "x".repeat(padding) })),
        )
    };
    let overhead = padded(0).len();
    // Three bytes of claims are four characters of a token.
    let fitting = (8_192 - overhead) / 4 * 3 - 3;
    let fits = padded(fitting);
    assert!(fits.len() <= 8_192 && fits.len() > 8_180, "{}", fits.len());
    assert_accepted(&server, &fits, "8 KiB").await;
    let too_long = padded(fitting + 12);
    assert!(
        too_long.len() > 8_192 && too_long.len() < 8_210,
        "{}",
        too_long.len()
    );
    assert_refused(&server, &too_long, "more than 8 KiB").await;
}

#[tokio::test]
async fn scopes_are_words_and_no_prefixes() {
    let (server, _keys) = server_with_secret(SECRET).await.unwrap();
    for scope in [
        "",
        "credentials",
        "credentials:*",
        "*",
        "credentials:rea",
        "CREDENTIALS:READ",
        "credentials:read,openid",
        "credentials:readx",
    ] {
        let token = sign_hs256(HS256, &claims_with(&server, json!({ "scope": scope })));
        let answer = server
            .bearer(&token)
            .ask("{ credentials { nodes { id } } }")
            .await;
        assert_eq!(answer.codes(), ["FORBIDDEN"], "{scope}");
    }
}

#[tokio::test]
async fn the_profile_follows_the_latest_token_that_says_something_of_it() {
    let (server, _keys) = server_with_secret(SECRET).await.unwrap();
    let profile = |changes: Value| sign_hs256(HS256, &claims_with(&server, changes));
    let alice = json!({ "name": "Alice A.", "email": "alice@example.com" });
    let answer = viewer(&server, &profile(alice)).await;
    assert_eq!(
        *answer.field(),
        json!({ "subject": "alice", "name": "Alice A.", "email": "alice@example.com" })
    );
    let answer = viewer(&server, &profile(json!({}))).await;
    assert_eq!(
        *answer.field(),
        json!({ "subject": "alice", "name": "Alice A.", "email": "alice@example.com" })
    );
    let answer = viewer(&server, &profile(json!({ "name": "Alice B." }))).await;
    assert_eq!(
        *answer.field(),
        json!({ "subject": "alice", "name": "Alice B.", "email": "alice@example.com" })
    );

    let query = r#"{ users(query: "EXAMPLE.com") { nodes { name email } } }"#;
    let admin = sign_hs256(
        HS256,
        &claims_with(&server, json!({ "sub": "ada", "scope": "users:manage" })),
    );
    let seen = server.bearer(&admin).ask(query).await;
    assert_eq!(
        *seen.field(),
        json!({ "nodes": [{ "name": "Alice B.", "email": "alice@example.com" }] })
    );
    let node = "query($id: ID!) { node(id: $id) { ... on User { name email } } }";
    let id = viewer_id(&server, &profile(json!({}))).await;
    let bob = sign_hs256(HS256, &claims_with(&server, json!({ "sub": "bob" })));
    let seen = server
        .bearer(&bob)
        .ask_with(node, json!({ "id": id }))
        .await;
    assert_eq!(*seen.field(), json!({ "name": "Alice B.", "email": null }));
}

#[tokio::test]
async fn an_older_token_says_nothing_new_of_its_user() {
    let (server, _keys) = server_with_secret(SECRET).await.unwrap();
    let now = server.clock.now().seconds();
    let token = |name: &str, iat: i64| {
        sign_hs256(
            HS256,
            &claims_with(&server, json!({ "name": name, "iat": iat })),
        )
    };
    let (older, newer) = (token("Old", now - 1_000), token("New", now));
    for (token, expected) in [
        (&older, "Old"),
        (&newer, "New"),
        (&older, "New"),
        (&newer, "New"),
    ] {
        assert_eq!(viewer(&server, token).await.field()["name"], expected);
    }
}

async fn viewer_id(server: &Server, token: &str) -> String {
    server.bearer(token).id().await
}

#[tokio::test]
async fn a_token_stands_in_one_authorization_header_and_nowhere_else() {
    let (server, _keys) = server_with_secret(SECRET).await.unwrap();
    let token = sign_hs256(HS256, &claims(&server).to_string());
    let body = json!({ "query": "{ viewer { subject } }" }).to_string();
    let post = |url: String| {
        server
            .client
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .body(body.clone())
    };
    let url = server.url("/graphql");
    let status = |request: reqwest::RequestBuilder| async {
        Answer::from(request.send().await.unwrap())
            .await
            .status
            .as_u16()
    };

    let two = post(url.clone())
        .header(AUTHORIZATION, format!("Bearer {token}"))
        .header(AUTHORIZATION, format!("Bearer {token}"));
    assert_eq!(status(two).await, 400);
    for value in [
        format!("Basic {token}"),
        format!("bearer{token}"),
        token.clone(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        format!("Token {token}"),
        format!("Bearer {token}, Bearer {token}"),
    ] {
        assert_eq!(
            status(post(url.clone()).header(AUTHORIZATION, &value)).await,
            401,
            "{value}"
        );
    }
    assert_eq!(
        status(post(url.clone()).header(AUTHORIZATION, format!("bearer {token}"))).await,
        200
    );
    assert_eq!(
        status(post(format!("{url}?access_token={token}"))).await,
        401
    );
    assert_eq!(
        status(post(url.clone()).header("cookie", format!("token={token}"))).await,
        401
    );
    let missing = Answer::from(post(url).send().await.unwrap()).await;
    assert_eq!(missing.headers["www-authenticate"], "Bearer");
}

#[tokio::test]
async fn weak_and_wrong_keys_are_refused_when_the_server_starts() {
    for (what, secret) in [
        ("31 bytes", [7, 8].repeat(15)),
        ("one byte repeated", vec![7; 64]),
        ("nothing", vec![]),
    ] {
        assert_configuration(server_with_secret(&secret).await, what);
    }
    for file in [
        "rsa-1024.pub.pem",
        "rsa-exponent-3.pub.pem",
        "p521.pub.pem",
        "secp256k1.pub.pem",
        "x25519.pub.pem",
        "rsa.pem",
        "p256.pem",
        "ed25519.pem",
    ] {
        assert_configuration(
            server_with("--jwt-key-file", &key_path(file), &[]).await,
            file,
        );
    }
    let set: Value = serde_json::from_slice(&pem("jwks.json")).unwrap();
    let rsa = &set["keys"][0];
    let mut without_id = rsa.clone();
    without_id.as_object_mut().unwrap().remove("kid");
    let oct = json!({ "kty": "oct", "kid": "s", "k": URL_SAFE_NO_PAD.encode(SECRET) });
    let with = |change: Value| {
        let mut key = rsa.clone();
        key.as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        key
    };
    for (what, set) in [
        ("no JSON", "keys".to_owned()),
        ("no list", json!({ "keys": {} }).to_string()),
        ("no keys", json!({ "keys": [] }).to_string()),
        ("no key that verifies", json!({ "keys": [set["keys"][4]] }).to_string()),
        ("a symmetric key", json!({ "keys": [rsa, oct] }).to_string()),
        ("an ID twice", json!({ "keys": [rsa, rsa] }).to_string()),
        ("two keys without an ID", json!({ "keys": [without_id, without_id] }).to_string()),
        ("a missing member", json!({ "keys": [with(json!({ "n": null }))] }).to_string()),
        ("a weak exponent", json!({ "keys": [with(json!({ "e": "Aw" }))] }).to_string()),
        ("a short modulus", json!({ "keys": [with(json!({ "n": "AQAB" }))] }).to_string()),
        ("51 keys", json!({ "keys": (0..51).map(|id| with(json!({ "kid": id.to_string() }))).collect::<Vec<_>>() }).to_string()),
    ] {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("jwks.json");
        std::fs::write(&path, set).unwrap();
        assert_configuration(server_with("--jwks-file", &path, &[]).await, what);
    }
}

#[track_caller]
fn assert_configuration<T>(started: Result<T, Failure>, what: &str) {
    match started {
        Ok(_) => panic!("{what} was taken"),
        Err(failure) => assert_eq!(failure.kind.exit_code(), 78, "{what}: {failure}"),
    }
}

/// Whoever knows the public key could sign tokens with it, if it were taken for a secret.
#[tokio::test]
async fn a_public_key_in_another_form_is_never_taken_for_a_secret() {
    use base64::engine::general_purpose::STANDARD;
    let text = String::from_utf8(pem("rsa.pub.pem")).unwrap();
    let base64: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    let der = STANDARD.decode(base64).unwrap();
    let ssh = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA someone@example";
    for (what, content) in [
        ("DER", der),
        ("a key set", pem("jwks.json")),
        ("an SSH key", ssh.as_bytes().to_vec()),
    ] {
        assert_configuration(server_with_secret(&content).await, what);
    }
    // What stands before PEM does not make anything else of it.
    let file = format!("Bag Attributes\n    friendlyName: key\n{text}").into_bytes();
    let (server, _keys) = server_with_secret(&file).await.unwrap();
    let claims = claims(&server).to_string();
    let forged = sign(
        HS256,
        &claims,
        &EncodingKey::from_secret(&file),
        Algorithm::HS256,
    );
    assert_refused(&server, &forged, "a token signed with the public key").await;
    let rsa = EncodingKey::from_rsa_pem(&pem("rsa.pem")).unwrap();
    assert_accepted(
        &server,
        &sign(r#"{"alg":"RS256"}"#, &claims, &rsa, Algorithm::RS256),
        "RS256",
    )
    .await;
}

/// Random bytes may end like a line; a text that ends with a line does not mean it.
#[tokio::test]
async fn the_line_end_behind_a_secret_is_part_of_it_when_it_is_no_text() {
    let random: Vec<u8> = (0..31).map(|byte| byte * 8).chain([b'\n']).collect();
    let line = [SECRET, b"\n"].concat();
    for (file, secret) in [(&random, random.as_slice()), (&line, SECRET)] {
        let (server, _keys) = server_with_secret(file).await.unwrap();
        let claims = claims(&server).to_string();
        let token = sign(
            HS256,
            &claims,
            &EncodingKey::from_secret(secret),
            Algorithm::HS256,
        );
        assert_accepted(&server, &token, "HS256").await;
    }
    let directory = TempDir::new().unwrap();
    std::fs::create_dir(directory.path().join("data")).unwrap();
    write_secret_file(&directory.path().join("data/signing.key"), &random).unwrap();
    let server = Server::start_in(directory).await;
    assert_eq!(
        server.viewer("vera").ask("{ viewer { id } }").await.status,
        200
    );
}

#[tokio::test]
async fn a_removed_users_tokens_are_refused_up_to_the_leeway_of_the_issuers_clock() {
    let (server, _keys) = server_with_secret(SECRET).await.unwrap();
    let token = |server: &Server, changes: Value| sign_hs256(HS256, &claims_with(server, changes));
    let id = viewer_id(&server, &token(&server, json!({}))).await;
    let admin = server.bearer(&token(
        &server,
        json!({ "sub": "ada", "scope": "users:manage" }),
    ));
    admin
        .mutate("deleteUser", json!({ "userId": id }))
        .await
        .data();
    let now = server.clock.now().seconds();
    for issued_at in [now - 5, now, now + 20] {
        assert_refused(
            &server,
            &token(&server, json!({ "iat": issued_at })),
            "issued before the removal",
        )
        .await;
    }
    server.clock.shift_seconds(32);
    assert_accepted(&server, &token(&server, json!({})), "issued later").await;
    assert_refused(
        &server,
        &token(&server, json!({ "iat": now })),
        "issued before the removal",
    )
    .await;
}
