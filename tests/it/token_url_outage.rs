//! The keys of an issuer at a URL that gives none, or bad ones.

use std::net::TcpListener;

use credence::types::clock::Clock;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::certificate::{make_certificates, put_tls_before};
use crate::support::key_server::{KeyServer, Says, key, key_set, signed_with};
use crate::support::keys::new_key;
use crate::support::log::Log;
use crate::support::process::{run, stderr};
use crate::support::token::{ISSUER, assert_accepted, assert_refused, claims, server_with, viewer};
use crate::support::{Server, text};

const HOUR: i64 = 3_600;

fn token(server: &Server, key: &str) -> String {
    signed_with(key, &claims(server).to_string())
}

async fn ready(server: &Server) -> StatusCode {
    let request = server.client.get(server.url("/readyz"));
    request.send().await.unwrap().status()
}

async fn assert_unavailable(server: &Server) {
    let answer = viewer(server, &token(server, "ed25519")).await;
    assert_eq!(
        (answer.status, answer.codes()),
        (StatusCode::SERVICE_UNAVAILABLE, vec!["UNAVAILABLE"])
    );
    let message = answer.body["errors"][0]["message"].as_str().unwrap();
    assert!(message.contains("issuer"), "{message}");
    assert_eq!(ready(server).await, 503);
}

#[tokio::test]
async fn the_last_keys_are_used_for_24_hours_and_then_no_token_is_accepted() {
    let log = Log::begin();
    let keys = KeyServer::start(&["ed25519"]).await;
    let (server, _directory) = server_with("--jwks-url", &keys.url, &[]).await.unwrap();
    assert_accepted(&server, &token(&server, "ed25519"), "at first").await;
    assert_eq!(ready(&server).await, 200);
    keys.say(Says::Status(500));
    for _ in 0..3 {
        server.clock.shift_seconds(7 * HOUR + 50 * 60);
        assert_accepted(&server, &token(&server, "ed25519"), "within 24 hours").await;
        assert_eq!(ready(&server).await, 200);
    }
    server.clock.shift_seconds(HOUR);
    assert_unavailable(&server).await;
    let told = log.take();
    assert!(
        told.contains("answers with another status than 200"),
        "{told}"
    );
    assert!(told.contains("24 hours old"), "{told}");

    keys.publish(&["ed25519"]);
    server.clock.shift_seconds(11);
    assert_accepted(&server, &token(&server, "ed25519"), "afterwards").await;
    assert_eq!(ready(&server).await, 200);
    assert!(log.take().contains("the issuer's keys can be had again"));
}

#[tokio::test]
async fn a_server_whose_issuer_cannot_be_reached_starts_and_is_not_ready() {
    let log = Log::begin();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/jwks", closed.local_addr().unwrap());
    drop(closed);
    let (server, _directory) = server_with("--jwks-url", &url, &[]).await.unwrap();
    assert_unavailable(&server).await;
    assert!(log.take().contains("it cannot be reached"));
    let alive = server.client.get(server.url("/healthz")).send().await;
    assert_eq!(alive.unwrap().status(), 200);

    let keys = KeyServer::start(&["ed25519"]).await;
    keys.say(Says::Status(503));
    let (server, _directory) = server_with("--jwks-url", &keys.url, &[]).await.unwrap();
    assert_unavailable(&server).await;
    keys.publish(&["ed25519"]);
    server.clock.shift_seconds(11);
    assert_accepted(&server, &token(&server, "ed25519"), "once there are keys").await;
    assert_eq!(ready(&server).await, 200);
}

/// What an issuer publishes that is not used, and what the log says of it. The key `p256` would be new.
fn bad_sets(elsewhere: &str) -> Vec<(Says, &'static str)> {
    let (ed25519, p256) = (key("ed25519"), key("p256"));
    let set = |keys: Value| Says::Text(json!({ "keys": keys }).to_string());
    let named = |number: usize| {
        let mut named = p256.clone();
        named["kid"] = json!(format!("p256-{number}"));
        named
    };
    let mut many: Vec<Value> = (0..50).map(named).collect();
    many.push(p256.clone());
    let mut weak = key("rsa");
    weak["e"] = json!("Aw");
    let mut private = p256.clone();
    private["d"] = json!("AAAA");
    let secret = json!({ "kty": "oct", "kid": "s", "k": "AAAA" });
    let long = format!(
        "{}{}",
        key_set(&["ed25519", "p256"]),
        " ".repeat(256 * 1024)
    );
    vec![
        (Says::Text("<html>".to_owned()), "no JSON Web Key Set"),
        (Says::Text(String::new()), "no JSON Web Key Set"),
        (set(json!([])), "no key that verifies"),
        (set(json!([p256, p256])), "two keys with one `kid`"),
        (set(json!([ed25519, p256, secret])), "a symmetric key"),
        (set(json!([ed25519, p256, private])), "a private key"),
        (set(json!([ed25519, p256, weak])), "a weak RSA key"),
        (set(json!(many)), "more than 50 keys"),
        (Says::Text(long), "more than 256 KiB"),
        (Says::Status(204), "another status than 200"),
        (Says::Status(404), "another status than 200"),
        (
            Says::Elsewhere(elsewhere.to_owned()),
            "redirects are not followed",
        ),
        (Says::Nothing, "within 5 seconds"),
    ]
}

#[tokio::test]
async fn a_set_that_cannot_be_used_changes_nothing_and_the_log_says_why() {
    let log = Log::begin();
    let keys = KeyServer::start(&["ed25519"]).await;
    let elsewhere = KeyServer::start(&["ed25519", "p256"]).await;
    let (server, _directory) = server_with("--jwks-url", &keys.url, &[]).await.unwrap();
    assert_accepted(&server, &token(&server, "ed25519"), "at first").await;
    for (says, reason) in bad_sets(&elsewhere.url) {
        keys.publish(&["ed25519"]);
        server.clock.shift_seconds(31);
        assert_refused(&server, &token(&server, "p256"), "before").await;
        log.take();
        let asked = keys.asked();
        keys.say(says);
        server.clock.shift_seconds(31);
        assert_refused(&server, &token(&server, "p256"), reason).await;
        assert!(keys.asked() > asked, "{reason}");
        let told = log.take();
        assert!(told.contains(reason), "{reason}: {told}");
        assert_accepted(&server, &token(&server, "ed25519"), reason).await;
    }
    assert_eq!(elsewhere.asked(), 0);
    keys.publish(&["ed25519", "p256"]);
    server.clock.shift_seconds(31);
    assert_accepted(&server, &token(&server, "p256"), "in a good set").await;
}

#[tokio::test]
async fn over_https_the_authorities_of_the_option_vouch_for_the_issuer() {
    let directory = TempDir::new().unwrap();
    make_certificates(directory.path(), "localhost");
    let keys = KeyServer::start(&["ed25519"]).await;
    let port = put_tls_before(keys.address(), directory.path()).await;
    let url = format!("https://localhost:{port}/jwks");
    let authority = directory.path().join("ca.pem");
    let trusting = ["--ca-file", text(&authority)];
    let (server, _directory) = server_with("--jwks-url", &url, &trusting).await.unwrap();
    assert_accepted(&server, &token(&server, "ed25519"), "vouched for").await;
    // The server's own certificate is another one's authority.
    let another = TempDir::new().unwrap();
    make_certificates(another.path(), "localhost");
    let authority = another.path().join("ca.pem");
    let trusting = ["--ca-file", text(&authority)];
    let (server, _directory) = server_with("--jwks-url", &url, &trusting).await.unwrap();
    assert_unavailable(&server).await;
}

#[tokio::test]
async fn a_file_without_authorities_is_named_before_anything_is_made() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let (master_key, _id) = new_key(directory.path(), "master.key");
    let empty = directory.path().join("empty.pem");
    std::fs::write(&empty, "\n").unwrap();
    for file in [empty, directory.path().join("missing.pem")] {
        let arguments = [
            "--master-key-file",
            text(&master_key),
            "--jwt-issuer",
            ISSUER,
            "--jwks-url",
            "https://id.example.com/jwks",
            "--ca-file",
            text(&file),
        ];
        let started = Server::instance(&data, Clock::system(), &arguments).await;
        let failure = started.err().unwrap();
        assert_eq!(failure.kind.exit_code(), 78);
        assert!(failure.to_string().contains(text(&file)), "{failure}");
        assert!(!data.join("credence.db").exists());
    }
}

#[test]
fn keys_are_asked_for_over_https_or_on_this_machine_and_of_one_place() {
    let directory = TempDir::new().unwrap();
    let data = text(directory.path());
    let serve = ["serve", "--data-dir", data, "--jwt-issuer", ISSUER];
    for url in [
        "http://id.example.com/jwks",
        "http://10.0.0.1/jwks",
        "http://localhost.example.com/jwks",
        "https://user:password@id.example.com/jwks",
        "https://id.example.com/jwks#keys",
        "https:///jwks",
        "ftp://127.0.0.1/jwks",
        "file:///etc/jwks.json",
        "id.example.com/jwks",
        "",
    ] {
        let output = run(&[&serve, ["--jwks-url", url].as_slice()].concat());
        assert_eq!(output.status.code(), Some(78), "{url}: {}", stderr(&output));
        assert!(
            stderr(&output).contains("--jwks-url"),
            "{}",
            stderr(&output)
        );
        assert!(!stderr(&output).contains("password"), "{}", stderr(&output));
    }
    for other in ["--jwks-file", "--jwt-key-file"] {
        let both = ["--jwks-url", "https://id.example.com/jwks", other, "keys"];
        let output = run(&[serve.as_slice(), &both].concat());
        assert_eq!(
            output.status.code(),
            Some(64),
            "{other}: {}",
            stderr(&output)
        );
    }
    let url = "https://id.example.com/jwks";
    let output = run(&["serve", "--data-dir", data, "--jwks-url", url]);
    assert_eq!(output.status.code(), Some(78), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("--jwt-issuer"),
        "{}",
        stderr(&output)
    );
}
