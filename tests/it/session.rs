//! Sessions: signing in, what the cookie is good for, and how it ends.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

use credence::store::connection::DatabaseConnection;
use credence::types::scope::{Role, Scope, ScopeSet};
use diesel::connection::SimpleConnection;
use futures_util::future::join_all;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use crate::support::browser::{Browser, code};
use crate::support::process::{ServerProcess, stderr, stdout};
use crate::support::store::lines;
use crate::support::stream::Socket;
use crate::support::{Answer, Server, database, http_client};

const WHO: &str = "{ viewer { subject } }";
const FOLLOW: &str = "subscription { credentialChanged { action } }";

fn connect(server: &Server) -> DatabaseConnection {
    database::database(&server.data_directory())
        .connect()
        .unwrap()
}

/// A token of local mode with any claims beside those that it must have.
fn token_with(server: &Server, claims: Value) -> String {
    let now = server.clock.now().seconds();
    let mut all = json!({
        "iss": server.issuer(), "aud": "credence", "sub": "somebody", "iat": now, "exp": now + 3_600,
    });
    for (name, value) in claims.as_object().unwrap() {
        all[name] = value.clone();
    }
    let key = std::fs::read(server.data_directory().join("signing.key")).unwrap();
    let key = EncodingKey::from_secret(&key);
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &all, &key).unwrap()
}

/// A WebSocket whose handshake has these headers.
async fn socket(server: &Server, headers: &[(&'static str, &str)]) -> Socket {
    let url = format!("ws://{}/graphql", server.address);
    let mut request = url.into_client_request().unwrap();
    let protocol = ("sec-websocket-protocol", "graphql-transport-ws");
    for (name, value) in headers.iter().chain([&protocol]) {
        let value = HeaderValue::from_str(value).unwrap();
        request.headers_mut().append(*name, value);
    }
    Socket(connect_async(request).await.unwrap().0)
}

#[tokio::test]
async fn who_signs_in_with_a_token_gets_a_cookie_that_is_a_way_in() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    let out = browser.session().await;
    assert_eq!(out, json!({ "signedIn": false, "ways": { "oidc": null } }));
    let token = server.editor("alice").token;
    let answer = browser.sign_in(json!({ "token": token })).await;
    let cookie = answer.headers["set-cookie"].to_str().unwrap();
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    let (name, value) = pair.split_once('=').unwrap();
    assert_eq!(name, format!("credence-session-{}", server.address.port()));
    assert_eq!(value.len(), 43);
    assert!(!token.contains(value));
    let (attributes, age) = attributes.split_once("; Max-Age=").unwrap();
    assert_eq!(attributes, "HttpOnly; SameSite=Strict; Path=/");
    assert!((3_500..=3_600).contains(&age.parse::<u32>().unwrap()));

    let state = browser.session().await;
    assert_eq!(state, answer.body);
    let ends_at = state["endsAt"].as_str().unwrap();
    assert!(ends_at.ends_with('Z') && ends_at.len() == 24);
    assert_eq!(
        state,
        json!({
            "signedIn": true, "name": "alice", "subject": "alice", "endsAt": ends_at,
            "scopes": ["credentials:read", "credentials:write"], "ways": { "oidc": null },
        })
    );

    assert_eq!(browser.ask(WHO).await.field()["subject"], "alice");
    let by_get = browser.request(Method::GET, "/graphql?query=%7Bviewer%7Bsubject%7D%7D");
    let by_get = Answer::from(by_get.send().await.unwrap()).await;
    assert_eq!(by_get.field()["subject"], "alice");
    let own = format!("http://{}", server.address);
    let headers = [
        ("cookie", browser.cookie.as_str()),
        ("origin", own.as_str()),
    ];
    let mut socket = socket(&server, &headers).await;
    socket.send(json!({ "type": "connection_init" })).await;
    let acknowledged = json!({ "type": "connection_ack" });
    assert_eq!(socket.receive().await, Ok(acknowledged));
    socket.subscribe("1", WHO, json!({})).await;
    let next = socket.receive().await.unwrap();
    assert_eq!(next["payload"]["data"]["viewer"]["subject"], "alice");
}

#[tokio::test]
async fn a_session_allows_what_its_token_does_and_no_more() {
    let server = Server::start().await;
    let id = server.editor("alice").create("one").await;
    let other = server.editor("alice").create("other").await;
    let viewer = Browser::signed_in(&server, &server.viewer("vera").token).await;
    let create =
        r#"mutation { createCredential(input: {name: "n", value: "v"}) { userErrors { code } } }"#;
    assert_eq!(viewer.ask(create).await.codes(), ["FORBIDDEN"]);
    let admin = Browser::signed_in(&server, &server.admin("ada").token).await;
    let resolve = |id: &str| {
        format!(
            r#"mutation {{ resolveCredential(input: {{credentialId: "{id}", consumer: {{kind: WORKFLOW, externalId: "w"}}}}) {{ valueVersion }} }}"#
        )
    };
    assert_eq!(admin.ask(&resolve(&id)).await.codes(), ["FORBIDDEN"]);
    let claims = json!({ "scope": "credentials:resolve", "credential_ids": [id] });
    let limited = Browser::signed_in(&server, &token_with(&server, claims)).await;
    assert_eq!(limited.ask(&resolve(&id)).await.field()["valueVersion"], 1);
    assert_eq!(limited.ask(&resolve(&other)).await.codes(), ["FORBIDDEN"]);
    let claims = json!({ "scope": "credentials:resolve", "credential_ids": [] });
    let none = Browser::signed_in(&server, &token_with(&server, claims)).await;
    assert_eq!(none.ask(&resolve(&id)).await.codes(), ["FORBIDDEN"]);
}

#[tokio::test]
async fn a_session_ends_with_its_token_and_otherwise_after_the_time_that_is_configured() {
    let arguments = ["--session-ttl", "2h"];
    let server = Server::start_with(&arguments).await.unwrap();
    let of_token = Browser::signed_in(&server, &server.viewer("vera").token).await;
    let mut of_code = Browser::new(&server);
    let code = code(&server, "carl", Role::Viewer.scopes());
    of_code.sign_in(json!({ "code": code })).await;
    server.clock.shift_seconds(3_590);
    assert_eq!(of_token.ask(WHO).await.field()["subject"], "vera");
    // The leeway of tokens is for the issuer's clock: the end of a session is read on ours.
    server.clock.shift_seconds(10);
    let ended = of_token.ask(WHO).await;
    assert_eq!(
        (ended.status.as_u16(), ended.codes()),
        (401, vec!["UNAUTHENTICATED"])
    );
    assert_eq!(of_token.session().await["signedIn"], false);
    server.clock.shift_seconds(3_590);
    assert_eq!(of_code.ask(WHO).await.field()["subject"], "carl");
    server.clock.shift_seconds(10);
    assert_eq!(of_code.ask(WHO).await.status, 401);
    let expired = token_with(&server, json!({ "exp": server.clock.now().seconds() }));
    let refused = Browser::new(&server)
        .sign_in(json!({ "token": expired }))
        .await;
    assert_eq!(refused.status, 401);
}

#[tokio::test]
async fn what_the_cookie_authenticates_comes_from_the_servers_own_pages() {
    let server = Server::start().await;
    let browser = Browser::signed_in(&server, &server.editor("alice").token).await;
    let (own, port) = (format!("http://{}", server.address), server.address.port());
    let (localhost, neighbour) = (
        format!("http://localhost:{port}"),
        format!("http://127.0.0.1:{}", port - 1),
    );
    let secure = format!("https://{}", server.address);
    let cases: [(&[(&'static str, &str)], bool); 15] = [
        (&[("sec-fetch-site", "same-origin")], true),
        (&[("origin", &own)], true),
        (&[("origin", &localhost)], true),
        (&[], false),
        (&[("sec-fetch-site", "none")], false),
        (&[("sec-fetch-site", "same-site")], false),
        (
            &[
                ("sec-fetch-site", "cross-site"),
                ("origin", "https://evil.example"),
            ],
            false,
        ),
        (&[("origin", "null")], false),
        // What the browser says of itself counts more than the origin.
        (&[("sec-fetch-site", "same-site"), ("origin", &own)], false),
        (&[("sec-fetch-site", "none"), ("origin", &own)], false),
        (
            &[
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-site", "same-origin"),
                ("origin", &own),
            ],
            false,
        ),
        (&[("origin", &neighbour)], false),
        (&[("origin", &secure)], false),
        (
            &[("origin", "https://evil.example"), ("origin", &own)],
            false,
        ),
        (
            &[
                ("sec-fetch-site", "same-origin"),
                ("sec-fetch-site", "cross-site"),
            ],
            false,
        ),
    ];
    let token = server.viewer("vera").token;
    let sign_in = json!({ "token": token }).to_string();
    let query = json!({ "query": WHO }).to_string();
    let get = "/graphql?query=%7Bviewer%7Bsubject%7D%7D";
    let requests: [(Method, &str, Option<&str>); 5] = [
        (Method::POST, "/graphql", Some(&query)),
        (Method::GET, get, None),
        (Method::GET, "/session", None),
        (Method::POST, "/session", Some(&sign_in)),
        (Method::DELETE, "/session", None),
    ];
    for (headers, is_own) in cases {
        for (method, path, body) in requests.clone() {
            // A session that ends here is not the one of the next case.
            let browser = if path == "/session" && method != Method::GET {
                Browser::signed_in(&server, &token).await
            } else {
                browser.clone()
            };
            let mut request = browser.bare(method.clone(), path);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            if let Some(body) = body {
                request = request
                    .header(CONTENT_TYPE, "application/json")
                    .body(body.to_owned());
            }
            let answer = Answer::from(request.send().await.unwrap()).await;
            let status = answer.status.as_u16();
            if is_own {
                assert!(
                    [200, 204].contains(&status),
                    "{method} {path} {headers:?}: {status}"
                );
            } else {
                assert_eq!(status, 403, "{method} {path} {headers:?}");
                assert_eq!(answer.codes(), ["FORBIDDEN"]);
                assert!(!answer.headers.contains_key("set-cookie"));
                assert_eq!(
                    browser.ask(WHO).await.status,
                    200,
                    "{method} {path} did something"
                );
            }
        }
        let cookie = ("cookie", browser.cookie.as_str());
        let headers: Vec<_> = headers.iter().copied().chain([cookie]).collect();
        let mut socket = socket(&server, &headers).await;
        socket.send(json!({ "type": "connection_init" })).await;
        let expected = if is_own {
            Ok(json!({ "type": "connection_ack" }))
        } else {
            Err(4403)
        };
        assert_eq!(socket.receive().await, expected, "{headers:?}");
    }
}

#[tokio::test]
async fn mutations_come_by_post_and_json_with_a_cookie_as_with_a_token() {
    let server = Server::start().await;
    let browser = Browser::signed_in(&server, &server.editor("alice").token).await;
    let query =
        r#"mutation { createCredential(input: {name: "n", value: "v"}) { userErrors { code } } }"#;
    let pairs = [("query", query)];
    let encoded: String = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    let by_get = browser.request(Method::GET, &format!("/graphql?{encoded}"));
    assert_eq!(by_get.send().await.unwrap().status(), 405);
    let body = json!({ "query": query }).to_string();
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
    ] {
        for path in ["/graphql", "/session"] {
            let request = browser.request(Method::POST, path);
            let request = request
                .header(CONTENT_TYPE, content_type)
                .body(body.clone());
            assert_eq!(
                request.send().await.unwrap().status(),
                415,
                "{path} {content_type}"
            );
        }
    }
    let count = browser.ask("{ credentials { totalCount } }").await;
    assert_eq!(count.field()["totalCount"], 0);
}

#[tokio::test]
async fn a_token_wins_over_a_cookie_and_goes_where_a_cookie_does_not() {
    let server = Server::start().await;
    let browser = Browser::signed_in(&server, &server.viewer("vera").token).await;
    let ask = async |token: &str| {
        let request = browser.bare(Method::POST, "/graphql");
        let request = request
            .header(CONTENT_TYPE, "application/json")
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .header("sec-fetch-site", "cross-site")
            .body(json!({ "query": WHO }).to_string());
        Answer::from(request.send().await.unwrap()).await
    };
    let answer = ask(&server.viewer("another").token).await;
    assert_eq!(answer.field()["subject"], "another");
    assert_eq!(ask("none").await.status, 401);
    // A page of another origin with a token of its own may open a socket, though the browser sends the cookie along.
    let headers = [
        ("cookie", browser.cookie.as_str()),
        ("origin", "https://other.example"),
    ];
    let mut socket = socket(&server, &headers).await;
    let token = format!("Bearer {}", server.viewer("another").token);
    socket
        .send(json!({ "type": "connection_init", "payload": { "Authorization": token } }))
        .await;
    assert_eq!(
        socket.receive().await,
        Ok(json!({ "type": "connection_ack" }))
    );
}

#[tokio::test]
async fn no_forged_cookie_is_a_session() {
    let server = Server::start().await;
    let browser = Browser::signed_in(&server, &server.admin("ada").token).await;
    let (name, value) = browser.cookie.split_once('=').unwrap();
    let hash = lines(
        &mut connect(&server),
        &hex("SELECT id_hash FROM sessions", "id_hash"),
    );
    let mut last = value.to_owned();
    let end = last.pop().unwrap();
    let mut other = value.to_owned();
    other.replace_range(0..1, if value.starts_with('A') { "B" } else { "A" });
    let token = server.admin("ada").token;
    let good = &browser.cookie;
    for cookie in [
        format!("{name}="),
        format!("{name}={other}"),
        format!("{name}={last}"),
        format!("{name}={value}A"),
        format!("{name}={value}=="),
        format!("{name}=\"{value}\""),
        format!("{name}={}", "A".repeat(43)),
        format!("{name}={}", "x".repeat(10_000)),
        format!("{name}={}", hash[0]),
        format!("{name}={token}"),
        format!("{name}={value}{end}; {name}={value}"),
        format!("{good}; {good}"),
        format!("{}={value}", name.to_uppercase()),
        format!("session={value}"),
        format!("__Host-credence-session={value}"),
    ] {
        let request = server.client.post(server.url("/graphql"));
        let request = request
            .header(COOKIE, &cookie)
            .header("sec-fetch-site", "same-origin")
            .header(CONTENT_TYPE, "application/json")
            .body(json!({ "query": WHO }).to_string());
        let answer = Answer::from(request.send().await.unwrap()).await;
        assert_eq!(
            (answer.status.as_u16(), answer.codes()),
            (401, vec!["UNAUTHENTICATED"]),
            "{cookie}"
        );
    }
    assert_eq!(browser.ask(WHO).await.status, 200);
}

/// A query that shows a column of bytes in hexadecimal digits.
fn hex(query: &str, column: &str) -> String {
    let shown = if database::is_postgres() {
        format!("encode({column}, 'hex')")
    } else {
        format!("lower(hex({column}))")
    };
    query.replacen(column, &format!("{shown} AS line"), 1)
}

#[tokio::test]
async fn who_can_write_to_the_database_makes_no_session_and_gives_none_more_rights() {
    let server = Server::start().await;
    let ada = server.admin("ada");
    let ada_id = database::bytes(&ada.id().await.replace('-', ""));
    for change in [
        "scopes = 'credentials:read credentials:resolve'".to_owned(),
        format!("user_id = {ada_id}"),
        "ends_at_us = ends_at_us + 1000000".to_owned(),
        "issued_at = issued_at + 1".to_owned(),
        "created_at_us = created_at_us + 1".to_owned(),
        format!("credential_ids = {}", database::bytes("")),
        format!("authenticator = {}", database::bytes(&"00".repeat(32))),
        format!("mac = {}", database::bytes(&"00".repeat(32))),
    ] {
        let viewer = Browser::signed_in(&server, &server.viewer("vera").token).await;
        assert_eq!(viewer.ask(WHO).await.status, 200);
        connect(&server)
            .batch_execute(&format!("UPDATE sessions SET {change}"))
            .unwrap();
        assert_eq!(viewer.ask(WHO).await.status, 401, "{change}");
        connect(&server)
            .batch_execute("DELETE FROM sessions")
            .unwrap();
    }
    for change in [
        "subject = 'ada'",
        "scopes = 'users:manage'",
        "ends_at_us = ends_at_us + 1000000",
        "created_at_us = created_at_us + 1",
    ] {
        let code = code(&server, "vera", Role::Viewer.scopes());
        connect(&server)
            .batch_execute(&format!("UPDATE login_codes SET {change}"))
            .unwrap();
        let answer = Browser::new(&server).sign_in(json!({ "code": code })).await;
        assert_eq!(answer.status, 401, "{change}");
        connect(&server)
            .batch_execute("DELETE FROM login_codes")
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_one_time_code_lets_one_in_of_eight_who_use_it_at_once() {
    let server = Server::start().await;
    for _ in 0..5 {
        let code = code(&server, "carl", Role::Editor.scopes());
        let racers = (0..8).map(|_| {
            let body = json!({ "code": code });
            let mut browser = Browser::new(&server);
            async move {
                let answer = browser.sign_in(body).await;
                (browser, answer)
            }
        });
        let mut winners = 0;
        for (browser, answer) in join_all(racers).await {
            if answer.status == 200 {
                winners += 1;
                assert_eq!(browser.ask(WHO).await.field()["subject"], "carl");
                assert_eq!(
                    answer.body["scopes"],
                    json!(["credentials:read", "credentials:write"])
                );
            } else {
                assert_eq!(
                    (answer.status.as_u16(), answer.codes()),
                    (401, vec!["UNAUTHENTICATED"])
                );
                assert!(!answer.headers.contains_key("set-cookie"));
            }
        }
        assert_eq!(winners, 1);
        let again = Browser::new(&server).sign_in(json!({ "code": code })).await;
        assert_eq!(again.status, 401);
    }
    let sessions = lines(
        &mut connect(&server),
        "SELECT CAST(count(*) AS text) AS line FROM sessions",
    );
    assert_eq!(sessions, ["5"]);
}

#[tokio::test]
async fn a_one_time_code_is_good_for_ten_minutes_and_for_its_own_deployment() {
    let server = Server::start().await;
    let (early, late) = (
        code(&server, "carl", Role::Viewer.scopes()),
        code(&server, "carl", Role::Viewer.scopes()),
    );
    server.clock.shift_seconds(9 * 60 + 50);
    let answer = Browser::new(&server)
        .sign_in(json!({ "code": early }))
        .await;
    assert_eq!(answer.status, 200);
    server.clock.shift_seconds(10);
    let answer = Browser::new(&server).sign_in(json!({ "code": late })).await;
    assert_eq!(answer.status, 401);
    let another = Server::start().await;
    let foreign = code(&another, "carl", Role::Viewer.scopes());
    let answer = Browser::new(&server)
        .sign_in(json!({ "code": foreign }))
        .await;
    assert_eq!(answer.status, 401);
    for body in [
        json!({}),
        json!({ "code": "a", "token": "b" }),
        json!({ "code": 1 }),
        json!({ "password": "a" }),
        json!([]),
    ] {
        let answer = Browser::new(&server).sign_in(body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.codes()),
            (400, vec!["BAD_REQUEST"])
        );
    }
    for body in [
        json!({ "code": "" }),
        json!({ "code": "short" }),
        json!({ "token": "" }),
    ] {
        let answer = Browser::new(&server).sign_in(body).await;
        assert_eq!(answer.status, 401);
    }
}

#[tokio::test]
async fn who_signs_out_is_out_at_once_and_their_streams_end_within_five_seconds() {
    let server = Server::start().await;
    let browser = Browser::signed_in(&server, &server.viewer("vera").token).await;
    let copy = browser.clone();
    let cookie = ("cookie", browser.cookie.as_str());
    let mut socket = socket(&server, &[cookie, ("sec-fetch-site", "same-origin")]).await;
    socket.send(json!({ "type": "connection_init" })).await;
    socket.receive().await.unwrap();
    socket.subscribe("1", FOLLOW, json!({})).await;
    socket.settle().await;
    let body = json!({ "query": FOLLOW }).to_string();
    let stream = browser
        .request(Method::POST, "/graphql")
        .header(CONTENT_TYPE, "application/json")
        .header("accept", "text/event-stream")
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(stream.status(), 200);
    browser.sign_out().await;
    let signed_out_at = Instant::now();
    assert_eq!(copy.ask(WHO).await.status, 401);
    let closed = timeout(Duration::from_secs(20), socket.receive()).await;
    assert_eq!(closed.unwrap(), Err(4403));
    let events = timeout(Duration::from_secs(20), stream.text()).await;
    let events = events.unwrap().unwrap();
    assert!(
        events.contains("UNAUTHENTICATED") && events.ends_with("event: complete\ndata:\n\n"),
        "{events}"
    );
    assert!(signed_out_at.elapsed() < Duration::from_secs(5));
    // To sign out once more is no error.
    copy.sign_out().await;
}

#[tokio::test]
async fn a_socket_of_one_who_signed_out_answers_nothing_more() {
    let server = Server::start().await;
    let browser = Browser::signed_in(&server, &server.viewer("vera").token).await;
    let cookie = ("cookie", browser.cookie.as_str());
    let headers = [cookie, ("sec-fetch-site", "same-origin")];
    let mut open = socket(&server, &headers).await;
    open.send(json!({ "type": "connection_init" })).await;
    open.receive().await.unwrap();
    browser.sign_out().await;
    open.subscribe("1", WHO, json!({})).await;
    assert_eq!(open.receive().await, Err(4403));
    let mut late = socket(&server, &headers).await;
    late.send(json!({ "type": "connection_init" })).await;
    assert_eq!(late.receive().await, Err(4403));
}

#[tokio::test]
async fn who_signs_in_anew_leaves_the_session_of_before() {
    let server = Server::start().await;
    let first = Browser::signed_in(&server, &server.viewer("vera").token).await;
    let mut second = first.clone();
    second
        .sign_in(json!({ "token": server.viewer("vera").token }))
        .await;
    assert_ne!(first.cookie, second.cookie);
    assert_eq!(first.ask(WHO).await.status, 401);
    assert_eq!(second.ask(WHO).await.status, 200);
    // One that failed to sign in stays who they were.
    let answer = second.clone().sign_in(json!({ "token": "none" })).await;
    assert_eq!(answer.status, 401);
    assert_eq!(second.ask(WHO).await.status, 200);
}

#[tokio::test]
async fn a_removed_user_has_no_session_and_gets_none_by_what_was_issued_before() {
    let server = Server::start().await;
    let (ada, token) = (server.admin("ada"), server.editor("bert").token);
    let early = code(&server, "bert", Role::Editor.scopes());
    let browser = Browser::signed_in(&server, &token).await;
    let bert = server.bearer(&token).id().await;
    server.clock.shift_seconds(2);
    ada.mutate("deleteUser", json!({ "userId": bert }))
        .await
        .data();
    let create =
        r#"mutation { createCredential(input: {name: "n", value: "v"}) { userErrors { code } } }"#;
    assert_eq!(browser.ask(WHO).await.status, 401);
    assert_eq!(browser.ask(create).await.status, 401);
    for body in [json!({ "token": token }), json!({ "code": early })] {
        let refused = Browser::new(&server).sign_in(body).await;
        assert_eq!(refused.status, 401);
    }
    server.clock.shift_seconds(2);
    let late = code(&server, "bert", Role::Editor.scopes());
    let mut anew = Browser::new(&server);
    assert_eq!(anew.sign_in(json!({ "code": late })).await.status, 200);
    assert_eq!(anew.ask(create).await.status, 200);
    assert_eq!(browser.ask(WHO).await.status, 401);
}

#[tokio::test]
async fn what_has_ended_goes_from_the_database_when_somebody_signs_in() {
    let server = Server::start().await;
    let vera = server.viewer("vera").token;
    for _ in 0..3 {
        Browser::signed_in(&server, &vera).await;
        code(&server, "carl", Role::Viewer.scopes());
    }
    let count = || {
        let mut connection = connect(&server);
        ["sessions", "login_codes"].map(|table| {
            let query = format!("SELECT CAST(count(*) AS text) AS line FROM {table}");
            lines(&mut connection, &query).remove(0)
        })
    };
    assert_eq!(count(), ["3", "3"]);
    server.clock.shift_seconds(3_700);
    Browser::signed_in(&server, &server.viewer("vera").token).await;
    assert_eq!(count(), ["1", "0"]);
}

#[tokio::test]
async fn over_https_the_cookie_is_secure_and_bound_to_the_host() {
    let arguments = ["--public-url", "https://credence.example.com/"];
    let server = Server::start_with(&arguments).await.unwrap();
    let mut browser = Browser::new(&server);
    let answer = browser
        .sign_in(json!({ "token": server.viewer("vera").token }))
        .await;
    let cookie = answer.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("__Host-credence-session="), "{cookie}");
    assert!(
        cookie.contains("; HttpOnly; SameSite=Strict; Path=/; Secure; Max-Age="),
        "{cookie}"
    );
    let ask = async |origin: &str| {
        let request = browser.bare(Method::POST, "/graphql");
        let request = request
            .header("origin", origin)
            .header(CONTENT_TYPE, "application/json");
        let body = json!({ "query": WHO }).to_string();
        request.body(body).send().await.unwrap().status().as_u16()
    };
    assert_eq!(ask("https://credence.example.com").await, 200);
    assert_eq!(ask("http://credence.example.com").await, 403);
    assert_eq!(ask(&format!("http://{}", server.address)).await, 403);
}

#[tokio::test]
async fn the_command_makes_a_link_beside_a_running_server() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let place = database::place(&data);
    let never = place.command(&["login-link"]).output().unwrap();
    assert_eq!(never.status.code(), Some(78), "{}", stderr(&never));
    let server = ServerProcess::start(&data, Stdio::null(), &[]);
    let url = format!("http://{}", server.address);
    let enter = async |words: &[&str]| {
        let words = [&["login-link", "--public-url", &url], words].concat();
        let output = place.command(&words).output().unwrap();
        let link = stdout(&output);
        let link = link
            .strip_suffix('\n')
            .unwrap_or_else(|| panic!("{}", stderr(&output)));
        let code = link.strip_prefix(&format!("{url}/login#")).unwrap();
        let request = http_client().post(format!("{url}/session"));
        let request = request
            .header("origin", &url)
            .header(CONTENT_TYPE, "application/json")
            .body(json!({ "code": code }).to_string());
        Answer::from(request.send().await.unwrap()).await.body
    };
    let operator = enter(&[]).await;
    assert_eq!(operator["scopes"], json!(words(Role::Admin.scopes())));
    assert!(!operator["subject"].as_str().unwrap().is_empty());
    let alice = enter(&["--sub", "alice", "--role", "viewer"]).await;
    assert_eq!(
        (&alice["subject"], &alice["scopes"]),
        (&json!("alice"), &json!(["credentials:read"]))
    );
    let scoped = enter(&["--scope", "audit:read users:manage"]).await;
    assert_eq!(scoped["scopes"], json!(["users:manage", "audit:read"]));
    for wrong in [
        ["--scope", "none"],
        ["--sub", ""],
        ["--public-url", "ftp://a"],
    ] {
        let output = place
            .command(&[&["login-link"], wrong.as_slice()].concat())
            .output();
        assert_eq!(output.unwrap().status.code(), Some(64), "{wrong:?}");
    }
}

fn words(scopes: ScopeSet) -> Vec<&'static str> {
    let all = Scope::ALL.into_iter().filter(|scope| scopes.has(*scope));
    all.map(Scope::as_str).collect()
}

#[tokio::test]
async fn neither_the_log_nor_what_is_printed_holds_a_token_a_cookie_or_a_code() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let log_path = directory.path().join("log");
    let log = Stdio::from(File::create(&log_path).unwrap());
    let mut server = ServerProcess::start(&data, log, &["--log", "trace"]);
    let url = format!("http://{}", server.address);
    let token = ServerProcess::token(&data, "alice", "admin");
    let place = database::place(&data);
    let words = ["login-link", "--public-url", &url];
    let link = stdout(&place.command(&words).output().unwrap());
    let code = link.trim().split('#').nth(1).unwrap().to_owned();
    let client = http_client();
    let mut secrets = vec![token.clone(), code.clone()];
    for body in [
        json!({ "token": token }),
        json!({ "code": code }),
        json!({ "code": code }),
    ] {
        let request = client.post(format!("{url}/session")).header("origin", &url);
        let request = request
            .header(CONTENT_TYPE, "application/json")
            .body(body.to_string());
        let answer = request.send().await.unwrap();
        let Some(cookie) = answer.headers().get("set-cookie") else {
            continue;
        };
        let pair = cookie
            .to_str()
            .unwrap()
            .split(';')
            .next()
            .unwrap()
            .to_owned();
        secrets.push(pair.split_once('=').unwrap().1.to_owned());
        let asked = client
            .get(format!("{url}/session"))
            .header("origin", &url)
            .header(COOKIE, &pair);
        let state: Value =
            serde_json::from_str(&asked.send().await.unwrap().text().await.unwrap()).unwrap();
        assert_eq!(state["signedIn"], true);
        let out = client
            .delete(format!("{url}/session"))
            .header("origin", &url)
            .header(COOKIE, pair);
        assert_eq!(out.send().await.unwrap().status(), 204);
    }
    assert_eq!(secrets.len(), 4);
    server.signal("TERM");
    assert!(server.child.wait().unwrap().success());
    let printed = server.output();
    let log = std::fs::read_to_string(&log_path).unwrap();
    assert!(log.contains("DEBUG") && log.contains("a one-time code was refused"));
    for secret in secrets {
        assert!(!log.contains(&secret), "the log holds {secret}");
        assert!(!printed.contains(&secret), "it was printed: {secret}");
    }
    // What is printed goes to no terminal here: it says how to get a link, and holds none.
    assert!(printed.contains("login-link") && !printed.contains("/login#"));
}

#[tokio::test]
async fn the_start_shows_a_terminal_a_link_and_nobody_else() {
    let directory = TempDir::new().unwrap();
    let log = directory.path().join("log");
    let place = database::place(&directory.path().join("data"));
    let quoted = |path: &std::path::Path| format!("'{}'", path.to_str().unwrap());
    let line = format!(
        "exec {} serve --listen 127.0.0.1:0 --log trace --data-dir {} 2>{}",
        quoted(std::path::Path::new(env!("CARGO_BIN_EXE_credence"))),
        quoted(&place.data),
        quoted(&log),
    );
    // Where these tests run in the background, SIGINT is ignored, and what is ignored at its start no shell can catch.
    let mut terminal = std::process::Command::new("env");
    terminal.envs(place.url.iter().map(|url| ("CREDENCE_DATABASE_URL", url)));
    let mut terminal = terminal
        .args(["--default-signal=INT", "timeout", "60", "script"])
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut seen = BufReader::new(terminal.stdout.take().unwrap());
    let mut link = String::new();
    while !link.contains("/login#") {
        link.clear();
        assert!(seen.read_line(&mut link).unwrap() > 0, "there is no link");
    }
    let (url, code) = link.trim().split_once("/login#").unwrap();
    let request = http_client().post(format!("{url}/session"));
    let request = request
        .header("origin", url)
        .header(CONTENT_TYPE, "application/json")
        .body(json!({ "code": code }).to_string());
    let entered = Answer::from(request.send().await.unwrap()).await;
    assert_eq!(entered.body["scopes"], json!(words(Role::Admin.scopes())));
    // Control and C.
    let mut keys = terminal.stdin.take().unwrap();
    keys.write_all(b"\x03").unwrap();
    let mut rest = String::new();
    seen.read_to_string(&mut rest).unwrap();
    assert!(terminal.wait().unwrap().success());
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("serving") && !log.contains(code));
}
