//! Tokens of a configured issuer: what is accepted, and where it stands. What is forged is in `token_forgery`.

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};

use crate::support::token::{
    HS256, SECRET, assert_accepted, assert_refused, claims, claims_with, server_with_secret,
    sign_hs256, viewer,
};
use crate::support::{Answer, Server};

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
