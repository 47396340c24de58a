//! Sessions: signing in, what a session is good for, and how it ends.

use credence::types::scope::Role;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::json;
use url::form_urlencoded;

use crate::support::browser::{Browser, WHO, code};
use crate::support::store::lines;
use crate::support::stream::Socket;
use crate::support::{Answer, Server};

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
    let mut socket = Socket::with_headers(&server, &headers).await;
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
    let limited = Browser::signed_in(&server, &server.token_with(claims)).await;
    assert_eq!(limited.ask(&resolve(&id)).await.field()["valueVersion"], 1);
    assert_eq!(limited.ask(&resolve(&other)).await.codes(), ["FORBIDDEN"]);
    let claims = json!({ "scope": "credentials:resolve", "credential_ids": [] });
    let none = Browser::signed_in(&server, &server.token_with(claims)).await;
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
    let expired = server.token_with(json!({ "exp": server.clock.now().seconds() }));
    let refused = Browser::new(&server)
        .sign_in(json!({ "token": expired }))
        .await;
    assert_eq!(refused.status, 401);
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
        let mut connection = server.connect();
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
    let mut socket = Socket::with_headers(&server, &headers).await;
    let token = format!("Bearer {}", server.viewer("another").token);
    socket
        .send(json!({ "type": "connection_init", "payload": { "Authorization": token } }))
        .await;
    assert_eq!(
        socket.receive().await,
        Ok(json!({ "type": "connection_ack" }))
    );
}
