//! Tokens and codes that are not good: so many of them may come from one peer, and then nobody looks at its next ones.

use std::fs::File;

use credence::types::scope::Role;
use reqwest::header::{CONTENT_TYPE, COOKIE, RETRY_AFTER};
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
}
