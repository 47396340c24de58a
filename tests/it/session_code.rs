//! One-time codes: they let somebody in once, and for a while.

use credence::types::scope::Role;
use futures_util::future::join_all;
use serde_json::json;

use crate::support::Server;
use crate::support::browser::{Browser, WHO, code};
use crate::support::store::lines;

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
        // So much that is not good comes from one address in a minute.
        server.clock.shift_seconds(60);
    }
    let sessions = lines(
        &mut server.connect(),
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
async fn a_one_time_code_that_is_not_good_is_told_in_words_of_its_own() {
    let server = Server::start().await;
    let answer = Browser::new(&server).sign_in(json!({ "code": "x" })).await;
    assert_eq!(
        (answer.status.as_u16(), answer.codes()),
        (401, vec!["UNAUTHENTICATED"])
    );
    let message = answer.body["errors"][0]["message"].as_str().unwrap();
    assert!(
        message.contains("ten minutes") && message.contains("login-link"),
        "{message}"
    );
}
