//! What a session ends with, and where a cookie does not count.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;

use credence::types::clock::Clock;
use credence::types::scope::Role;
use jsonwebtoken::{Algorithm, EncodingKey};
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, COOKIE, HOST};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::browser::{Browser, WHO, code};
use crate::support::provider::{Provider, client};
use crate::support::token::sign;
use crate::support::{Answer, Server, database};

const CREATE: &str =
    r#"mutation { createCredential(input: {name: "n", value: "v"}) { userErrors { code } } }"#;
const ISSUER: &str = "https://id.example.com";

/// The keys of an issuer in a file; those with these names of the ones that there are.
fn key_set(directory: &Path, names: &[&str]) -> String {
    let all: Value = serde_json::from_slice(include_bytes!("keys/jwks.json")).unwrap();
    let keys = all["keys"].as_array().unwrap().iter();
    let keys: Vec<&Value> = keys
        .filter(|key| names.contains(&key["kid"].as_str().unwrap()))
        .collect();
    assert_eq!(keys.len(), names.len());
    let path = directory.join("keys.json");
    std::fs::write(&path, json!({ "keys": keys }).to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A token of that issuer.
fn token(clock: &Clock, issuer: &str) -> String {
    let now = clock.now().seconds();
    let claims = json!({
        "iss": issuer, "aud": "credence", "sub": "vera", "iat": now, "exp": now + 3_600, "scope": "credentials:read",
    });
    let key = EncodingKey::from_ed_pem(include_bytes!("keys/ed25519.pem")).unwrap();
    let header = r#"{"alg":"EdDSA","kid":"ed25519"}"#;
    sign(header, &claims.to_string(), &key, Algorithm::EdDSA)
}

/// A browser's cookie at a server that took the place of another one. The name has the port in it.
fn at<'a>(server: &'a Server, cookie: &str) -> Browser<'a> {
    let value = cookie.split_once('=').unwrap().1;
    Browser {
        server,
        cookie: format!("credence-session-{}={value}", server.address.port()),
    }
}

#[tokio::test]
async fn a_session_ends_when_what_it_was_made_of_is_no_longer_accepted() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let clock = Clock::system();
    let local = Server::instance(&data, clock.clone(), &[]).await.unwrap();
    let of_token = Browser::signed_in(&local, &local.viewer("vera").token).await;
    let of_token = of_token.cookie;
    let mut of_code = Browser::new(&local);
    let code = code(&local, "carl", Role::Viewer.scopes());
    of_code.sign_in(json!({ "code": code })).await;
    let of_code = of_code.cookie;
    local.end().await;

    let again = Server::instance(&data, clock.clone(), &[]).await.unwrap();
    assert_eq!(at(&again, &of_token).ask(WHO).await.status, 200);
    assert_eq!(at(&again, &of_code).ask(WHO).await.status, 200);
    again.end().await;

    // The server takes the tokens of an issuer from now on.
    let master_key = data.join("master.key");
    let master_key = master_key.to_str().unwrap();
    let issued = async |issuer: &str, names: &[&str]| {
        let keys = key_set(directory.path(), names);
        let arguments = [
            "--master-key-file",
            master_key,
            "--jwks-file",
            &keys,
            "--jwt-issuer",
            issuer,
        ];
        Server::instance(&data, clock.clone(), &arguments)
            .await
            .unwrap()
    };
    let one = issued(ISSUER, &["ed25519", "p256"]).await;
    assert_eq!(at(&one, &of_token).ask(WHO).await.status, 401);
    assert_eq!(at(&one, &of_code).ask(WHO).await.status, 401);
    let browser = Browser::signed_in(&one, &token(&clock, ISSUER)).await;
    let of_issuer = browser.cookie;
    one.end().await;

    for (issuer, names, status) in [
        // Other keys that come and go are none of its business.
        (ISSUER, ["ed25519", "p384"].as_slice(), 200),
        (ISSUER, &["p256", "p384"], 401),
        ("https://other.example.com", &["ed25519"], 401),
        (ISSUER, &["ed25519"], 200),
    ] {
        let server = issued(issuer, names).await;
        let answer = at(&server, &of_issuer).ask(WHO).await;
        assert_eq!(answer.status, status, "{issuer} {names:?}");
        server.end().await;
    }

    std::fs::remove_file(data.join("signing.key")).unwrap();
    let anew = Server::instance(&data, clock, &[]).await.unwrap();
    assert_eq!(at(&anew, &of_token).ask(WHO).await.status, 401);
    assert_eq!(at(&anew, &of_code).ask(WHO).await.status, 401);
    anew.end().await;
}

#[tokio::test]
async fn a_shorter_time_counts_for_sessions_that_there_are() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let clock = Clock::system();
    let long = ["--session-ttl", "8h"];
    let first = Server::instance(&data, clock.clone(), &long).await.unwrap();
    let mut browser = Browser::new(&first);
    let code = code(&first, "carl", Role::Viewer.scopes());
    browser.sign_in(json!({ "code": code })).await;
    let cookie = browser.cookie;
    first.end().await;
    let short = ["--session-ttl", "1h"];
    let second = Server::instance(&data, clock.clone(), &short)
        .await
        .unwrap();
    clock.shift_seconds(3_590);
    assert_eq!(at(&second, &cookie).ask(WHO).await.status, 200);
    clock.shift_seconds(20);
    assert_eq!(at(&second, &cookie).ask(WHO).await.status, 401);
    second.end().await;
}

#[tokio::test]
async fn what_is_under_way_when_somebody_signs_out_changes_nothing() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    let browser = Browser::signed_in(&server, &alice.token).await;
    let body = json!({ "query": CREATE }).to_string();
    let head = format!(
        "POST /graphql HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\nSec-Fetch-Site: same-origin\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\nExpect: 100-continue\r\n\r\n",
        server.address,
        browser.cookie,
        body.len()
    );
    let mut stream = TcpStream::connect(server.address).unwrap();
    let stream = tokio::task::spawn_blocking(move || {
        stream.write_all(head.as_bytes()).unwrap();
        // The server asks for the body when it knows who sends it.
        let mut told = [0; 25];
        stream.read_exact(&mut told).unwrap();
        assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
        stream
    });
    let mut stream = stream.await.unwrap();
    browser.sign_out().await;
    let answer = tokio::task::spawn_blocking(move || {
        stream.write_all(body.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    let answer = answer.await.unwrap();
    assert!(answer.contains("UNAUTHENTICATED"), "{answer}");
    let count = alice.ask("{ credentials { totalCount } }").await;
    assert_eq!(count.field()["totalCount"], 0);
}

#[tokio::test]
async fn of_more_than_20_sessions_of_one_user_the_oldest_goes() {
    let server = Server::start().await;
    let token = server.viewer("vera").token;
    let other = Browser::signed_in(&server, &server.viewer("other").token).await;
    let mut browsers = Vec::new();
    for _ in 0..21 {
        server.clock.shift_seconds(1);
        browsers.push(Browser::signed_in(&server, &token).await);
    }
    assert_eq!(browsers[0].ask(WHO).await.status, 401);
    assert_eq!(browsers[1].ask(WHO).await.status, 200);
    assert_eq!(browsers[20].ask(WHO).await.status, 200);
    assert_eq!(other.ask(WHO).await.status, 200);
}

#[tokio::test]
async fn another_servers_cookie_that_is_no_ascii_does_not_hide_ours() {
    let server = Server::start().await;
    let browser = Browser::signed_in(&server, &server.viewer("vera").token).await;
    let mut cookie = b"name=J\xf6rg; ".to_vec();
    cookie.extend_from_slice(browser.cookie.as_bytes());
    let request = server.client.get(server.url("/session"));
    let request = request
        .header(COOKIE, cookie.as_slice())
        .header("sec-fetch-site", "same-origin");
    let state = Answer::from(request.send().await.unwrap()).await.body;
    assert_eq!(state["subject"], "vera");
}

#[tokio::test]
async fn pages_of_other_origins_read_answers_of_the_api_and_the_picker_alone() {
    let allowed = "https://host.example";
    let server = Server::start_with(&["--cors-origin", allowed])
        .await
        .unwrap();
    for (path, is_readable) in [
        ("/graphql", true),
        ("/ui/credential-picker.js", true),
        ("/session", false),
        ("/credentials", false),
        ("/login", false),
        ("/login/oidc", false),
        ("/healthz", false),
        ("/none", false),
    ] {
        for method in [Method::GET, Method::OPTIONS] {
            let request = server.client.request(method, server.url(path));
            let headers = request.header("origin", allowed).send().await.unwrap();
            let headers = headers.headers();
            let found = headers.contains_key("access-control-allow-origin");
            assert_eq!(found, is_readable, "{path}");
        }
    }
}

#[tokio::test]
async fn a_server_of_others_whose_public_url_nobody_knows_gives_no_cookie_by_way_of_a_proxy() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let clock = Clock::system();
    Server::instance(&data, clock.clone(), &[])
        .await
        .unwrap()
        .end()
        .await;
    let keys = key_set(directory.path(), &["ed25519"]);
    let master_key = data.join("master.key");
    let mut arguments = vec![
        "--master-key-file",
        master_key.to_str().unwrap(),
        "--jwks-file",
        &keys,
        "--jwt-issuer",
        ISSUER,
    ];
    let provider = Provider::start().await;
    arguments.extend(provider.arguments());
    let sign_in = async |server: &Server, headers: &[(&str, &str)]| {
        let request = server.client.post(server.url("/session"));
        let mut request = request
            .header(CONTENT_TYPE, "application/json")
            .header("sec-fetch-site", "same-origin");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = json!({ "token": token(&clock, ISSUER) }).to_string();
        Answer::from(request.body(body).send().await.unwrap()).await
    };
    let server = Server::instance(&data, clock.clone(), &arguments)
        .await
        .unwrap();
    let localhost = format!("localhost:{}", server.address.port());
    for headers in [[].as_slice(), &[(HOST.as_str(), localhost.as_str())]] {
        assert_eq!(sign_in(&server, headers).await.status, 200, "{headers:?}");
    }
    for headers in [
        (HOST.as_str(), "credence.example.com"),
        (HOST.as_str(), "127.0.0.1:1"),
        ("origin", "https://credence.example.com"),
        ("x-forwarded-for", "192.0.2.1"),
        ("x-forwarded-proto", "https"),
        ("forwarded", "proto=https"),
    ] {
        let refused = sign_in(&server, &[headers]).await;
        assert_eq!(refused.status, 403, "{headers:?}");
        assert!(!refused.headers.contains_key("set-cookie"));
        assert!(
            refused.body.to_string().contains("--public-url"),
            "{headers:?}"
        );
    }
    let request = client().get(server.url("/login/oidc"));
    let direct = request.try_clone().unwrap().send().await.unwrap();
    assert_eq!(direct.status(), 303);
    let proxied = request.header(HOST, "credence.example.com");
    assert_eq!(proxied.send().await.unwrap().status(), 403);
    server.end().await;

    let log = directory.path().join("log");
    let to_log = Stdio::from(File::create(&log).unwrap());
    drop(database::place(&data).serve(to_log, &arguments));
    let said = std::fs::read_to_string(&log).unwrap();
    assert!(
        said.contains("WARN") && said.contains("by way of a proxy"),
        "{said}"
    );

    arguments.extend(["--public-url", "https://credence.example.com"]);
    let known = Server::instance(&data, clock.clone(), &arguments)
        .await
        .unwrap();
    let proxied = sign_in(
        &known,
        &[
            (HOST.as_str(), "credence.example.com"),
            ("x-forwarded-proto", "https"),
        ],
    )
    .await;
    let cookie = proxied.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("__Host-") && cookie.contains("; Secure"));
    known.end().await;
}
