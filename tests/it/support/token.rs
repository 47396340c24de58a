//! Tokens of a configured issuer, good ones and forged ones, and the servers that are shown them.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use credence::data_directory::write_secret_file;
use credence::failure::Failure;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::keys::new_key;
use super::{Answer, Server, text};

pub const ISSUER: &str = "https://issuer.example/";
pub const SECRET: &[u8] = b"a secret of the tests, 32 bytes or more of it";

/// The path of one of the keys of the tests.
pub fn key_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/keys")
        .join(name)
}

pub fn pem(name: &str) -> Vec<u8> {
    std::fs::read(key_path(name)).unwrap()
}

/// A server that takes the tokens of an issuer, whose keys are where an option says.
pub async fn server_with(
    option: &str,
    keys: &str,
    more: &[&str],
) -> Result<(Server, TempDir), Failure> {
    let directory = TempDir::new().unwrap();
    let (master_key, _id) = new_key(directory.path(), "master.key");
    let fixed = [
        "--master-key-file",
        text(&master_key),
        "--jwt-issuer",
        ISSUER,
        option,
        keys,
    ];
    let arguments: Vec<&str> = fixed.iter().chain(more).copied().collect();
    Ok((Server::start_with(&arguments).await?, directory))
}

pub async fn server_with_secret(secret: &[u8]) -> Result<(Server, TempDir), Failure> {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("secret");
    write_secret_file(&path, secret).unwrap();
    server_with("--jwt-key-file", text(&path), &[]).await
}

pub async fn server_with_pem(name: &str) -> (Server, TempDir) {
    server_with("--jwt-key-file", text(&key_path(name)), &[])
        .await
        .unwrap()
}

/// Claims that are good for an hour.
pub fn claims(server: &Server) -> Value {
    let now = server.clock.now().seconds();
    json!({ "iss": ISSUER, "aud": "credence", "sub": "alice", "iat": now, "exp": now + 3_600, "scope": "credentials:read" })
}

/// Claims with some of them changed; null takes one away.
pub fn claims_with(server: &Server, changes: Value) -> String {
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

pub async fn viewer(server: &Server, token: &str) -> Answer {
    server
        .bearer(token)
        .ask("{ viewer { subject name email } }")
        .await
}

pub async fn assert_accepted(server: &Server, token: &str, what: &str) {
    let answer = viewer(server, token).await;
    assert_eq!(answer.status, 200, "{what}");
    assert_eq!(answer.field()["subject"], "alice", "{what}");
}

pub async fn assert_refused(server: &Server, token: &str, what: &str) {
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

#[track_caller]
pub fn assert_configuration<T>(started: Result<T, Failure>, what: &str) {
    match started {
        Ok(_) => panic!("{what} was taken"),
        Err(failure) => assert_eq!(failure.kind.exit_code(), 78, "{what}: {failure}"),
    }
}
