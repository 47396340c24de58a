//! The keys that tokens are verified with: which there may be, and how a token names its own.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use credence::data_directory::write_secret_file;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::token::{
    HS256, SECRET, assert_accepted, assert_configuration, assert_refused, claims, key_path, pem,
    server_with, server_with_pem, server_with_secret, sign,
};
use crate::support::{Server, text};

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
        text(&key_path("rsa.pub.pem")),
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
    let (server, _keys) = server_with("--jwks-file", text(&key_path("jwks.json")), &[])
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
            server_with("--jwt-key-file", text(&key_path(file)), &[]).await,
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
        assert_configuration(server_with("--jwks-file", text(&path), &[]).await, what);
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
