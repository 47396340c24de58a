//! Tokens and codes that are not good: so many of them may come from one peer, and then nobody looks at its next ones.

use std::fs::File;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use credence::crypto::digest::sha256;
use credence::types::scope::Role;
use reqwest::header::{CONTENT_TYPE, COOKIE, HeaderValue, RETRY_AFTER};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::browser::{Browser, WHO, code};
use crate::support::client::ask;
use crate::support::process::ServerProcess;
use crate::support::provider::{Attempt, Provider, client, location};
use crate::support::stream::Socket;
use crate::support::{Answer, Server};

/// How many may come in a minute.
const MAY: usize = 20;
const PEER: &str = "192.0.2.1";

/// Shows as much from an address as may come that is not good.
async fn use_up(server: &Server, address: &str) {
    for number in 0..MAY {
        let token = format!("bad.token.{number}");
        let answer = server.bearer(&token).at(address).ask(WHO).await;
        assert_eq!(answer.status, 401, "{number}");
    }
}

/// That an answer says it came too often, and how long to wait.
#[track_caller]
fn assert_too_often(answer: &Answer) {
    assert_eq!(answer.status, 429, "{}", answer.body);
    assert_eq!(answer.codes(), ["RATE_LIMITED"]);
    let wait = answer.body["errors"][0]["extensions"]["retryAfterMs"].as_u64();
    // One comes back every 3 seconds.
    let wait = wait.filter(|wait| (1..=3_000).contains(wait));
    let wait = wait.unwrap_or_else(|| panic!("{}", answer.body));
    let told = answer.headers[RETRY_AFTER].to_str().unwrap();
    assert_eq!(told, wait.div_ceil(1_000).to_string());
    assert_eq!(answer.headers["cache-control"], "no-store");
}

#[tokio::test]
async fn of_too_many_bad_tokens_the_next_one_is_not_looked_at_whatever_it_is() {
    let server = Server::start().await;
    use_up(&server, PEER).await;
    assert_too_often(&server.bearer("bad").at(PEER).ask(WHO).await);
    // It is good, but nobody has looked at it yet.
    let vera = server.viewer("vera");
    assert_too_often(&vera.at(PEER).ask(WHO).await);
    assert_eq!(vera.at("192.0.2.2").ask(WHO).await.status, 200);
    assert_eq!(vera.ask(WHO).await.status, 200);
    // Who shows nothing is told to.
    assert_eq!(server.stranger().at(PEER).ask(WHO).await.status, 401);
    server.clock.shift_seconds(3);
    assert_eq!(server.viewer("eve").at(PEER).ask(WHO).await.status, 200);
    assert_eq!(server.bearer("bad").at(PEER).ask(WHO).await.status, 401);
    assert_too_often(&server.viewer("vic").at(PEER).ask(WHO).await);
    server.clock.shift_seconds(60);
    use_up(&server, PEER).await;
    assert_too_often(&server.bearer("bad").at(PEER).ask(WHO).await);
}

#[tokio::test]
async fn a_token_that_was_good_counts_whatever_else_came_from_there() {
    let server = Server::start().await;
    let vera = server.viewer("vera").at(PEER);
    assert_eq!(vera.ask(WHO).await.status, 200);
    use_up(&server, PEER).await;
    for _ in 0..50 {
        assert_eq!(vera.ask(WHO).await.status, 200);
        assert_eq!(server.bearer("bad").at(PEER).ask(WHO).await.status, 429);
    }
    // Once it is refused it is one like any other.
    server.clock.shift_seconds(3_600 + 31);
    use_up(&server, PEER).await;
    assert_eq!(vera.ask(WHO).await.status, 401);
    assert_too_often(&vera.ask(WHO).await);
}

/// Whoever has many good tokens shows them all at once.
#[tokio::test]
async fn good_tokens_are_not_counted() {
    let server = Server::start().await;
    for number in 0..2 * MAY {
        let subject = format!("s{number}");
        let answer = server.viewer(&subject).at(PEER).ask(WHO).await;
        assert_eq!(answer.status, 200);
    }
    use_up(&server, PEER).await;
}

#[tokio::test]
async fn a_peer_is_whom_the_trusted_proxy_names_and_of_ipv6_a_network() {
    let server = Server::start().await;
    for number in 0..MAY {
        // What stands before the last one, the client has sent along.
        let address = format!("198.51.100.{number}, 2001:db8::{number:x}");
        let answer = server.bearer("bad").at(&address).ask(WHO).await;
        assert_eq!(answer.status, 401);
    }
    for (address, status) in [
        ("2001:db8::ffff:1", 429),
        ("192.0.2.7, 2001:db8:0:0:1::", 429),
        ("2001:db8::1, 192.0.2.7", 401),
        ("2001:db8:0:1::", 401),
    ] {
        let answer = server.bearer("bad").at(address).ask(WHO).await;
        assert_eq!(answer.status, status, "{address}");
    }
    let trusted = [
        "--trusted-proxy",
        "10.0.0.0/8,192.0.2.0/24",
        "--trusted-proxy",
        "127.0.0.1",
    ];
    let server = Server::start_with(&trusted).await.unwrap();
    use_up(&server, "203.0.113.1, 192.0.2.5, 10.1.2.3").await;
    assert_too_often(&server.bearer("bad").at("203.0.113.1").ask(WHO).await);
}

/// Shows a token that is not good, with these headers and nothing else that says where it comes from.
async fn show_bad(server: &Server, headers: &[(&str, &[u8])]) -> u16 {
    let request = server
        .client
        .post(server.url("/graphql"))
        .bearer_auth("bad");
    let request = request.header(CONTENT_TYPE, "application/json");
    let request = headers.iter().fold(request, |request, (name, value)| {
        request.header(*name, HeaderValue::from_bytes(value).unwrap())
    });
    let body = json!({ "query": WHO }).to_string();
    request.body(body).send().await.unwrap().status().as_u16()
}

/// A proxy of this machine that adds no header makes all clients one: one of them would use up what all may do.
#[tokio::test]
async fn who_comes_by_a_proxy_that_names_nobody_is_not_limited() {
    for told in [
        &["--trusted-proxy", "127.0.0.1"][..],
        &["--trusted-proxy", "10.0.0.0/8"],
        &["--public-url", "https://credence.example.com"],
    ] {
        let server = Server::plain(told).await;
        for _ in 0..2 * MAY {
            assert_eq!(show_bad(&server, &[]).await, 401, "{told:?}");
        }
    }
    // Where nobody spoke of a proxy, it is one that says something of itself, or there is none.
    let server = Server::plain(&[]).await;
    for name in ["x-real-ip", "forwarded", "via"] {
        for _ in 0..2 * MAY {
            assert_eq!(show_bad(&server, &[(name, b"192.0.2.1")]).await, 401);
        }
    }
    for _ in 0..MAY {
        assert_eq!(show_bad(&server, &[]).await, 401);
    }
    assert_eq!(show_bad(&server, &[]).await, 429);
}

#[tokio::test]
async fn bytes_that_are_no_ascii_hide_only_what_stands_before_them() {
    let server = Server::start().await;
    let told: &[u8] = b"192.0.2.1, \xe9vil, 192.0.2.77";
    for _ in 0..MAY {
        assert_eq!(show_bad(&server, &[("x-forwarded-for", told)]).await, 401);
    }
    for (address, status) in [("192.0.2.77", 429), ("192.0.2.1", 401)] {
        let answer = server.bearer("bad").at(address).ask(WHO).await;
        assert_eq!(answer.status, status, "{address}");
    }
}

/// The cookie of a session that nobody gave out.
fn made_up(cookie: &str, number: usize) -> String {
    let (name, _) = cookie.split_once('=').unwrap();
    let secret = URL_SAFE_NO_PAD.encode(sha256(&number.to_be_bytes()));
    format!("{name}={secret}")
}

#[tokio::test]
async fn cookies_that_nobody_gave_out_count_too_and_known_sessions_go_on() {
    let server = Server::start().await;
    let known = Browser::signed_in(&server, &server.viewer("vera").token).await;
    let other = Browser::signed_in(&server, &server.viewer("otto").token).await;
    let ask = async |cookie: &str, method: Method, path: &str| {
        let browser = Browser {
            server: &server,
            cookie: cookie.to_owned(),
        };
        let request = browser.request(method, path);
        let request = request
            .header("x-forwarded-for", PEER)
            .header(CONTENT_TYPE, "application/json")
            .body(json!({ "query": WHO }).to_string());
        Answer::from(request.send().await.unwrap()).await
    };
    let by_post = async |cookie: &str| ask(cookie, Method::POST, "/graphql").await;
    assert_eq!(by_post(&known.cookie).await.status, 200);
    for number in 0..MAY {
        let cookie = made_up(&known.cookie, number);
        match number % 2 {
            0 => assert_eq!(by_post(&cookie).await.status, 401),
            _ => assert_eq!(ask(&cookie, Method::GET, "/session").await.status, 200),
        }
    }
    for path in ["/graphql", "/session"] {
        let cookie = made_up(&known.cookie, MAY);
        let method = if path == "/session" {
            Method::GET
        } else {
            Method::POST
        };
        assert_too_often(&ask(&cookie, method, path).await);
    }
    assert_too_often(&server.viewer("eve").at(PEER).ask(WHO).await);
    for _ in 0..2 * MAY {
        assert_eq!(by_post(&known.cookie).await.status, 200);
    }
    // Who just signed in is known, too.
    assert_eq!(by_post(&other.cookie).await.status, 200);
    // A session that has ended is somebody's: it does not count, the first time.
    server.clock.shift_seconds(60);
    known.sign_out().await;
    assert_eq!(by_post(&known.cookie).await.status, 401);
    for number in 0..MAY {
        assert_eq!(by_post(&known.cookie).await.status, 401, "{number}");
    }
    assert_too_often(&by_post(&known.cookie).await);
}

#[tokio::test]
async fn tokens_of_users_who_were_removed_count_too() {
    let server = Server::start().await;
    let removed = server.viewer("rita");
    let id = removed.id().await;
    let admin = server.admin("ada");
    admin
        .mutate("deleteUser", json!({ "userId": id }))
        .await
        .data();
    for number in 0..MAY {
        let answer = removed.at(PEER).ask(WHO).await;
        assert_eq!(answer.status, 401, "{number}");
    }
    assert_too_often(&removed.at(PEER).ask(WHO).await);
}

#[tokio::test]
async fn signing_in_with_what_is_not_good_counts_too() {
    let server = Server::start().await;
    let good = code(&server, "carl", Role::Viewer.scopes());
    let sign_in = async |body: Value| {
        let request = Browser::new(&server).request(Method::POST, "/session");
        let request = request
            .header("x-forwarded-for", PEER)
            .header(CONTENT_TYPE, "application/json")
            .body(body.to_string());
        Answer::from(request.send().await.unwrap()).await
    };
    for number in 0..MAY {
        let body = match number % 2 {
            0 => json!({ "token": "bad" }),
            _ => json!({ "code": "bad" }),
        };
        assert_eq!(sign_in(body).await.status, 401, "{number}");
    }
    assert_too_often(&sign_in(json!({ "token": server.viewer("vera").token })).await);
    assert_too_often(&sign_in(json!({ "code": good })).await);
    assert_too_often(&server.bearer("bad").at(PEER).ask(WHO).await);
    server.clock.shift_seconds(3);
    // It was not used up.
    assert_eq!(sign_in(json!({ "code": good })).await.status, 200);
}

#[tokio::test]
async fn a_socket_is_told_to_come_later() {
    let server = Server::start().await;
    let introduce = async |token: &str| {
        let mut socket = Socket::with_headers(&server, &[("x-forwarded-for", PEER)]).await;
        let payload = json!({ "Authorization": format!("Bearer {token}") });
        socket
            .send(json!({ "type": "connection_init", "payload": payload }))
            .await;
        socket.receive().await
    };
    for _ in 0..MAY {
        assert_eq!(introduce("bad").await, Err(4403));
    }
    assert_eq!(introduce(&server.viewer("vera").token).await, Err(1013));
    server.clock.shift_seconds(3);
    let accepted = introduce(&server.viewer("vera").token).await;
    assert_eq!(accepted, Ok(json!({ "type": "connection_ack" })));
}

#[tokio::test]
async fn coming_back_from_a_provider_in_vain_counts_but_not_where_another_page_led() {
    let provider = Provider::start().await;
    let server = Server::start_with(&provider.arguments()).await.unwrap();
    let attempt = Attempt::begin(&server, "/credentials", "").await;
    let come_back = async |path: &str, cookie: &str, is_browser: bool| {
        let request = client().get(server.url(path));
        let request = request
            .header("x-forwarded-for", PEER)
            .header(COOKIE, cookie);
        let request = if is_browser {
            request.header("sec-fetch-site", "cross-site")
        } else {
            request
        };
        request.send().await.unwrap()
    };
    let bare = "/login/oidc/callback?state=x&code=y";
    for _ in 0..3 * MAY {
        let refused = come_back(bare, "", true).await;
        assert!(location(&refused).ends_with("#error=expired"));
    }
    provider.refuse("invalid_grant");
    let way_back = attempt.way_back("code=any");
    for number in 0..MAY {
        let refused = match number % 2 {
            0 => come_back(bare, "", false).await,
            _ => come_back(&way_back, &attempt.cookie, true).await,
        };
        assert_eq!(refused.status(), StatusCode::SEE_OTHER);
    }
    let refused = come_back(&way_back, &attempt.cookie, true).await;
    assert_too_often(&Answer::from(refused).await);
}

/// There, all requests come from the proxy: one client would use up what all may do.
#[tokio::test]
async fn behind_a_proxy_that_nobody_named_nobody_is_limited_and_the_start_says_so() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let log = directory.path().join("log");
    let to_file = File::create(&log).unwrap().into();
    let server = ServerProcess::start(&data, to_file, &["--behind-tls-proxy"]);
    let url = format!("http://{}/graphql", server.address);
    let body = json!({ "query": WHO }).to_string();
    for _ in 0..2 * MAY {
        let request = client().post(&url).bearer_auth("bad").body(body.clone());
        let request = request.header(CONTENT_TYPE, "application/json");
        assert_eq!(request.send().await.unwrap().status(), 401);
    }
    let token = ServerProcess::token(&data, "vera", "viewer");
    assert_eq!(
        ask(&server, &token, WHO, Value::Null).await["subject"],
        "vera"
    );
    let log = std::fs::read_to_string(&log).unwrap();
    assert!(
        log.contains("name the proxies with --trusted-proxy"),
        "{log}"
    );
    assert!(log.contains("--metrics-listen"), "{log}");
}
