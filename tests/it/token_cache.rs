//! Tokens that are known: their signature is verified once, and whatever else may have changed is looked at each time.

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use crate::support::Server;
use crate::support::browser::{Browser, WHO};
use crate::support::busy::processors;
use crate::support::key_server::{KeyServer, signed_with, take_over};
use crate::support::log::Log;
use crate::support::metrics::Scrape;
use crate::support::stream::Socket;
use crate::support::token::{
    HS256, SECRET, assert_accepted, assert_refused, claims, claims_with, server_with,
    server_with_secret, sign_hs256,
};

/// How many tokens were looked at, and how many were known.
async fn counts(server: &Server) -> (i64, i64) {
    let scrape = Scrape::of(server).await;
    let lookups = |result: &str| {
        scrape.value(&format!(
            "credence_token_cache_lookups_total{{result=\"{result}\"}}"
        ))
    };
    (lookups("miss"), lookups("hit"))
}

fn token(server: &Server, changes: Value) -> String {
    sign_hs256(HS256, &claims_with(server, changes))
}

#[tokio::test]
async fn the_signature_of_a_token_is_verified_once() {
    let (server, _keys) = server_with_secret(SECRET).await.unwrap();
    let (first, second) = (
        token(&server, json!({})),
        token(&server, json!({ "jti": "another" })),
    );
    for known in 0..5 {
        assert_accepted(&server, &first, "the first").await;
        assert_eq!(counts(&server).await, (1, known));
    }
    assert_accepted(&server, &second, "the second").await;
    assert_eq!(counts(&server).await, (2, 4));
    // What is not good is not known, and neither is what only begins like it.
    let (front, _) = first.rsplit_once('.').unwrap();
    for bad in [
        format!("{front}."),
        format!("{first}A"),
        first.replacen('e', "E", 1),
    ] {
        assert_refused(&server, &bad, "forged").await;
        assert_refused(&server, &bad, "forged").await;
    }
    assert_eq!(counts(&server).await, (8, 4));
    // Who signs in with it, or introduces themselves with it on a socket, is known too.
    Browser::signed_in(&server, &first).await;
    Socket::open(&server.bearer(&first)).await;
    assert_eq!(counts(&server).await, (8, 6));
}

#[tokio::test]
async fn a_known_token_is_refused_whenever_its_time_is_not() {
    let log = Log::begin();
    let (server, _keys) = server_with_secret(SECRET).await.unwrap();
    let now = server.clock.now().seconds();
    let short = token(&server, json!({ "exp": now + 60 }));
    let late = token(&server, json!({ "nbf": now + 20 }));
    assert_accepted(&server, &short, "a token").await;
    assert_accepted(&server, &late, "a token that is not good yet").await;
    for (shift, token, reason) in [
        (80, &short, None),
        (20, &short, Some("expired")),
        // The clock was set back.
        (-60, &short, None),
        (-80, &short, Some("not_yet_valid")),
        (80, &late, None),
        (-60, &late, Some("not_yet_valid")),
    ] {
        server.clock.shift_seconds(shift);
        log.take();
        match reason {
            None => assert_accepted(&server, token, "in its time").await,
            Some(reason) => {
                assert_refused(&server, token, reason).await;
                let told = log.take();
                assert!(told.contains(&format!("reason=\"{reason}\"")), "{told}");
            }
        }
    }
}

#[tokio::test]
async fn a_removed_users_tokens_are_not_known_any_more() {
    let log = Log::begin();
    let (server, _keys) = server_with_secret(SECRET).await.unwrap();
    let alice = token(&server, json!({}));
    let bob = token(&server, json!({ "sub": "bob" }));
    let admin = server.bearer(&token(
        &server,
        json!({ "sub": "ada", "scope": "users:manage" }),
    ));
    let id = server.bearer(&alice).id().await;
    server.bearer(&bob).id().await;
    let input = json!({ "userId": id });
    admin.mutate("deleteUser", input).await.data();
    assert_eq!(counts(&server).await, (3, 0));
    log.take();
    for checked in 4..7 {
        assert_refused(&server, &alice, "of a removed user").await;
        assert!(log.take().contains("reason=\"removed_user\""));
        assert_eq!(counts(&server).await, (checked, 0));
    }
    assert_eq!(
        server.bearer(&bob).ask("{ viewer { id } }").await.status,
        200
    );
    assert_eq!(counts(&server).await, (6, 1));
}

#[tokio::test]
async fn what_is_known_goes_with_the_keys_that_verified_it_and_stays_with_the_same_ones() {
    let keys = KeyServer::start(&["ed25519"]).await;
    let (server, _directory) = server_with("--jwks-url", &keys.url, &[]).await.unwrap();
    let claims = claims(&server).to_string();
    let (old, new) = (
        signed_with("ed25519", &claims),
        signed_with("p256", &claims),
    );
    assert_accepted(&server, &old, "the first time").await;
    assert_accepted(&server, &old, "known").await;
    assert_eq!(counts(&server).await, (1, 1));

    take_over(&server).await;
    let (checked, known) = counts(&server).await;
    assert_accepted(&server, &old, "known, and its keys are the same").await;
    assert_eq!(counts(&server).await, (checked, known + 1));

    keys.publish(&["ed25519", "p256"]);
    take_over(&server).await;
    let (checked, known) = counts(&server).await;
    assert_accepted(&server, &old, "among other keys").await;
    assert_accepted(&server, &new, "of the new key").await;
    assert_eq!(counts(&server).await, (checked + 2, known));

    keys.publish(&["p256", "ed25519"]);
    take_over(&server).await;
    let (checked, known) = counts(&server).await;
    assert_accepted(&server, &old, "the same keys in another order").await;
    assert_accepted(&server, &new, "the same keys in another order").await;
    assert_eq!(counts(&server).await, (checked, known + 2));

    keys.publish(&["p256"]);
    take_over(&server).await;
    assert_accepted(&server, &new, "of a key that stayed").await;
    assert_refused(&server, &old, "of a key that was withdrawn").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_than_10_000_tokens_are_remembered() {
    let _alone = processors().await;
    let (server, _keys) = server_with_secret(SECRET).await.unwrap();
    let remembered = async || {
        Scrape::of(&server)
            .await
            .value("credence_token_cache_tokens")
    };
    let show = async |number: usize| {
        let token = token(&server, json!({ "jti": number.to_string() }));
        assert_eq!(server.bearer(&token).ask(WHO).await.status, 200);
    };
    stream::iter(0..100).for_each_concurrent(32, show).await;
    assert_eq!(remembered().await, 100);
    stream::iter(100..10_500)
        .for_each_concurrent(32, show)
        .await;
    let remembered = remembered().await;
    assert!((5_000..=10_000).contains(&remembered), "{remembered}");
}
