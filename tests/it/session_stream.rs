//! What streams to one who signed out: it ends.

use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::json;
use tokio::time::timeout;

use crate::support::Server;
use crate::support::browser::{Browser, FOLLOW, WHO};
use crate::support::stream::Socket;

#[tokio::test]
async fn who_signs_out_is_out_at_once_and_their_streams_end_within_five_seconds() {
    let server = Server::start().await;
    let browser = Browser::signed_in(&server, &server.viewer("vera").token).await;
    let copy = browser.clone();
    let cookie = ("cookie", browser.cookie.as_str());
    let mut socket =
        Socket::with_headers(&server, &[cookie, ("sec-fetch-site", "same-origin")]).await;
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
    let mut open = Socket::with_headers(&server, &headers).await;
    open.send(json!({ "type": "connection_init" })).await;
    open.receive().await.unwrap();
    browser.sign_out().await;
    open.subscribe("1", WHO, json!({})).await;
    assert_eq!(open.receive().await, Err(4403));
    let mut late = Socket::with_headers(&server, &headers).await;
    late.send(json!({ "type": "connection_init" })).await;
    assert_eq!(late.receive().await, Err(4403));
}
