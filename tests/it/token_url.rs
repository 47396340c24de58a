//! The keys of an issuer at a URL: when they are asked for, and what happens to tokens, sessions and streams when they are others.

use std::process::Stdio;

use credence::types::clock::Clock;
use credence::types::scope::Scope;
use futures_util::future::join_all;
use serde_json::json;
use tempfile::TempDir;

use crate::support::browser::{Browser, FOLLOW, WHO};
use crate::support::certificate::Authority;
use crate::support::key_server::{KeyServer, signed_with, take_over};
use crate::support::keys::new_key;
use crate::support::process::{ServerProcess, run};
use crate::support::stream::EventStream;
use crate::support::token::{
    ISSUER, assert_accepted, assert_refused, claims, claims_with, server_with, sign_hs256,
};
use crate::support::{Server, database, text};

/// A server of the keys at a URL, and tokens of two keys that are good for an hour.
async fn server_of(keys: &KeyServer) -> (Server, TempDir, String, String) {
    let (server, directory) = server_with("--jwks-url", &keys.url, &[]).await.unwrap();
    let (one, other) = (token(&server, "ed25519"), token(&server, "p256"));
    (server, directory, one, other)
}

fn token(server: &Server, key: &str) -> String {
    signed_with(key, &claims(server).to_string())
}

#[tokio::test]
async fn the_keys_are_asked_for_at_the_start_and_every_ten_minutes() {
    let keys = KeyServer::start(&["ed25519"]).await;
    let (server, _directory, one, _other) = server_of(&keys).await;
    // Who comes before the answer waits for it.
    assert_accepted(&server, &one, "the first").await;
    assert_eq!(keys.asked(), 1);
    server.clock.shift_seconds(590);
    assert_accepted(&server, &one, "within ten minutes").await;
    assert_eq!(keys.asked(), 1);
    server.clock.shift_seconds(11);
    assert_accepted(&server, &one, "after ten minutes").await;
    keys.was_asked(2).await;
    // Nobody has to come for it.
    server.clock.shift_seconds(601);
    keys.was_asked(3).await;
}

/// What is on this machine is asked without the proxy of the environment, whoever vouches for other servers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_on_this_machine_are_asked_for_without_a_proxy() {
    let keys = KeyServer::start(&["ed25519"]).await;
    let authority = Authority::new();
    let ca_file = authority.path("ca.pem");
    for authorities in [&[][..], &["--ca-file", &ca_file]] {
        let directory = TempDir::new().unwrap();
        let (master_key, _id) = new_key(directory.path(), "master.key");
        let place = database::place(&directory.path().join("data"));
        let fixed = [
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--jwks-url",
            &keys.url,
            "--jwt-issuer",
            ISSUER,
            "--master-key-file",
            text(&master_key),
        ];
        let mut command = place.command(&[&fixed, authorities].concat());
        for variable in ["http_proxy", "HTTP_PROXY", "ALL_PROXY"] {
            command.env(variable, "http://127.0.0.1:9");
        }
        let server = ServerProcess::spawn(command, Stdio::null());
        // It is ready as soon as it has keys.
        let address = server.address.clone();
        let health = move || run(&["health", "--listen", &address, "--wait", "10s"]);
        let output = tokio::task::spawn_blocking(health).await.unwrap();
        assert!(output.status.success(), "{authorities:?}");
    }
}

#[tokio::test]
async fn a_token_of_a_new_key_is_accepted_at_once_and_the_issuer_is_asked_twice_a_minute_at_most() {
    let keys = KeyServer::start(&["ed25519"]).await;
    let (server, _directory, one, other) = server_of(&keys).await;
    assert_accepted(&server, &one, "of the first key").await;
    keys.publish(&["ed25519", "p256"]);
    assert_accepted(&server, &other, "of the new key").await;
    assert_accepted(&server, &one, "of the first key").await;
    assert_eq!(keys.asked(), 2);
    let forged: Vec<String> = (0..20)
        .map(|number| {
            let header = json!({ "alg": "EdDSA", "kid": format!("none-{number}") });
            sign_hs256(&header.to_string(), &claims(&server).to_string())
        })
        .collect();
    for asked in 2..5 {
        for _ in 0..2 {
            let refused = forged
                .iter()
                .map(|token| assert_refused(&server, token, "unknown"));
            join_all(refused).await;
            assert_eq!(keys.asked(), asked);
        }
        server.clock.shift_seconds(31);
    }
}

#[tokio::test]
async fn tokens_of_a_key_that_is_withdrawn_are_refused() {
    let keys = KeyServer::start(&["ed25519", "p256"]).await;
    let (server, _directory, one, other) = server_of(&keys).await;
    assert_accepted(&server, &one, "of the first key").await;
    keys.publish(&["p256"]);
    take_over(&server).await;
    assert_refused(&server, &one, "of the key that was withdrawn").await;
    assert_accepted(&server, &other, "of the one that is left").await;
}

#[tokio::test]
async fn a_session_ends_with_the_key_of_its_token_and_not_with_others() {
    let keys = KeyServer::start(&["ed25519"]).await;
    let (server, _directory, one, other) = server_of(&keys).await;
    let of_one = Browser::signed_in(&server, &one).await;
    keys.publish(&["ed25519", "p256"]);
    let of_other = Browser::signed_in(&server, &other).await;
    assert_eq!(of_one.ask(WHO).await.status, 200);
    keys.publish(&["p256"]);
    take_over(&server).await;
    assert_eq!(of_one.ask(WHO).await.status, 401);
    assert_eq!(of_other.ask(WHO).await.status, 200);
}

/// Behind a load balancer, the next request comes to an instance that has not heard of the new key yet.
#[tokio::test]
async fn a_session_of_a_key_that_another_instance_heard_of_first_counts() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let (master_key, _id) = new_key(directory.path(), "master.key");
    let keys = KeyServer::start(&["ed25519", "p256"]).await;
    let clock = Clock::system();
    let arguments = ["--jwt-issuer", ISSUER, "--jwks-url", &keys.url];
    let arguments = [
        &arguments,
        ["--master-key-file", text(&master_key)].as_slice(),
    ]
    .concat();
    let start = || Server::instance(&data, clock.clone(), &arguments);
    let first = start().await.unwrap();
    let browser = Browser::signed_in(&first, &token(&first, "p256")).await;
    let cookie = browser.cookie;
    first.end().await;

    keys.publish(&["ed25519"]);
    let second = start().await.unwrap();
    assert_accepted(&second, &token(&second, "ed25519"), "before").await;
    let asked = keys.asked();
    keys.publish(&["ed25519", "p256"]);
    let value = cookie.split_once('=').unwrap().1;
    let browser = Browser {
        server: &second,
        cookie: format!("credence-session-{}={value}", second.address.port()),
    };
    assert_eq!(browser.ask(WHO).await.status, 200);
    assert_eq!(keys.asked(), asked + 1);
}

#[tokio::test]
async fn a_stream_ends_when_the_key_of_its_token_is_withdrawn() {
    let keys = KeyServer::start(&["ed25519", "p256"]).await;
    let (server, _directory, one, _other) = server_of(&keys).await;
    let writer = json!({ "sub": "walter", "scope": Scope::CredentialsWrite.as_str() });
    let writer = signed_with("p256", &claims_with(&server, writer));
    let writer = server.bearer(&writer);
    let mut followed = EventStream::open(&server.bearer(&one), FOLLOW, json!({})).await;
    writer.create("before").await;
    let (_, change) = followed.next().await.unwrap();
    assert_eq!(
        change["data"]["credentialChanged"]["action"],
        "CREDENTIAL_CREATED"
    );
    keys.publish(&["p256"]);
    take_over(&server).await;
    writer.create("after").await;
    let (_, refused) = followed.next().await.unwrap();
    assert_eq!(
        refused["errors"][0]["extensions"]["code"],
        "UNAUTHENTICATED"
    );
}
