//! Sessions on several instances over one database, as behind a proxy.

use std::time::{Duration, Instant};

use credence::types::clock::Clock;
use credence::types::scope::Role;
use futures_util::future::join_all;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::json;
use tempfile::TempDir;
use tokio::time::timeout;

use crate::support::Server;
use crate::support::browser::{Browser, FOLLOW, WHO, code};

async fn two() -> (TempDir, Server, Server) {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let arguments = ["--public-url", "https://credence.example.com"];
    let first = Server::instance(&data, Clock::system(), &arguments).await;
    let second = Server::instance(&data, Clock::system(), &arguments).await;
    (directory, first.unwrap(), second.unwrap())
}

/// Lets a minute go by: only so much that is not good comes from one address within it.
fn go_on(first: &Server, second: &Server) {
    for server in [first, second] {
        server.clock.shift_seconds(60);
    }
}

/// The same browser, at another instance.
fn at<'a>(server: &'a Server, browser: &Browser<'_>) -> Browser<'a> {
    Browser {
        server,
        cookie: browser.cookie.clone(),
    }
}

#[tokio::test]
async fn who_signed_in_on_one_instance_is_known_to_all_and_who_signed_out_to_none() {
    let (_directory, first, second) = two().await;
    let here = Browser::signed_in(&first, &first.viewer("vera").token).await;
    let there = at(&second, &here);
    assert_eq!(there.ask(WHO).await.field()["subject"], "vera");
    let stream = here
        .request(Method::POST, "/graphql")
        .header(CONTENT_TYPE, "application/json")
        .header("accept", "text/event-stream")
        .body(json!({ "query": FOLLOW }).to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(stream.status(), 200);
    there.sign_out().await;
    let signed_out_at = Instant::now();
    assert_eq!(here.ask(WHO).await.status, 401);
    assert_eq!(there.ask(WHO).await.status, 401);
    let events = timeout(Duration::from_secs(20), stream.text()).await;
    let events = events.unwrap().unwrap();
    assert!(events.contains("UNAUTHENTICATED"), "{events}");
    assert!(signed_out_at.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn one_who_is_removed_on_one_instance_has_no_session_on_any() {
    let (_directory, first, second) = two().await;
    let bert = first.editor("bert");
    let (id, browser) = (
        bert.id().await,
        Browser::signed_in(&first, &bert.token).await,
    );
    let there = at(&second, &browser);
    assert_eq!(there.ask(WHO).await.status, 200);
    first
        .admin("ada")
        .mutate("deleteUser", json!({ "userId": id }))
        .await
        .data();
    assert_eq!(there.ask(WHO).await.status, 401);
    let again = Browser::new(&second)
        .sign_in(json!({ "token": bert.token }))
        .await;
    assert_eq!(again.status, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_one_time_code_lets_one_in_whichever_instances_it_is_used_on() {
    let (_directory, first, second) = two().await;
    for _ in 0..10 {
        let code = code(&first, "carl", Role::Viewer.scopes());
        let racers = (0..8).map(|number| {
            let body = json!({ "code": code });
            let server = if number % 2 == 0 { &first } else { &second };
            async move { Browser::new(server).sign_in(body).await.status.as_u16() }
        });
        let mut statuses = join_all(racers).await;
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 401, 401, 401, 401, 401, 401, 401]);
        go_on(&first, &second);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_is_signed_in_who_is_removed_meanwhile() {
    let (_directory, first, second) = two().await;
    let ada = first.admin("ada");
    for number in 0..20 {
        let bert = second.editor(&format!("bert-{number}"));
        let id = bert.id().await;
        let signing_in = (0..4).map(|_| {
            let body = json!({ "token": bert.token });
            let server = &second;
            async move {
                let mut browser = Browser::new(server);
                browser.sign_in(body).await;
                browser
            }
        });
        let removal = ada.mutate("deleteUser", json!({ "userId": id }));
        let (browsers, removed) = tokio::join!(join_all(signing_in), removal);
        removed.data();
        for browser in browsers {
            assert_eq!(browser.ask(WHO).await.status, 401);
        }
    }
}
