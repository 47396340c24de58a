//! Signing in through a provider, where time, the browser or the provider is not as it should be.

use std::time::{Duration, Instant};

use credence::crypto::session::derive_text;
use futures_util::future::join_all;
use reqwest::Method;
use reqwest::header::{COOKIE, SET_COOKIE};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::form_urlencoded;

use crate::support::Server;
use crate::support::browser::{Browser, WHO};
use crate::support::log::Log;
use crate::support::provider::{Attempt, Provider, client, come_back, location};

const EXPIRED: &str = "/login#error=expired";

async fn server(provider: &Provider, more: &[&str]) -> Server {
    let arguments = [&provider.arguments(), more].concat();
    Server::start_with(&arguments).await.unwrap()
}

/// Signs in all the way. Returns the browser.
async fn signed_in<'a>(server: &'a Server, provider: &Provider, claims: Value) -> Browser<'a> {
    let attempt = Attempt::begin(server, "/credentials", "").await;
    provider.say(server, &attempt, claims);
    let response = attempt.end(server, "code=any").await;
    assert_eq!(response.status(), 200);
    let mut browser = Browser::new(server);
    browser.cookie = pair(&response);
    browser
}

fn pair(response: &reqwest::Response) -> String {
    let set = response.headers()[SET_COOKIE].to_str().unwrap();
    set.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_sign_in_may_take_ten_minutes_whatever_the_browser_keeps() {
    let provider = Provider::start().await;
    let server = server(&provider, &[]).await;
    let attempt = Attempt::begin(&server, "/credentials", "").await;
    server.clock.shift_seconds(595);
    provider.say(&server, &attempt, json!({}));
    assert_eq!(attempt.end(&server, "code=any").await.status(), 200);
    server.clock.shift_seconds(10);
    provider.say(&server, &attempt, json!({}));
    let late = attempt.end(&server, "code=any").await;
    assert!(location(&late).ends_with("#error=expired"), "{late:?}");
}

#[tokio::test]
async fn nobody_but_the_server_begins_a_sign_in() {
    let provider = Provider::start().await;
    let server = server(&provider, &[]).await;
    let genuine = Attempt::begin(&server, "/credentials", "").await;
    provider.say(&server, &genuine, json!({}));
    let (name, value) = genuine.cookie.split_once('=').unwrap();
    // What somebody plants in the browser of another one, with the state that follows from it.
    for secret in ["", "x", &"A".repeat(43)] {
        let state = derive_text(secret, "oidc/state/v1");
        let path = format!("/login/oidc/callback?state={}&code=any", *state);
        let rest = value.split_once('.').unwrap().1;
        for planted in [
            format!("{name}={secret}./credentials"),
            format!("{name}={secret}.{rest}"),
            format!("{name}={secret}.9999999999.{}./credentials", "A".repeat(43)),
        ] {
            let refused = come_back(&server, &path, &planted).await;
            assert_eq!(location(&refused), EXPIRED, "{planted}");
        }
    }
    for changed in [
        value.replace("/credentials", "/graphiql"),
        value.replacen('.', ".9", 1),
        value.replacen('.', ".1", 1),
        format!("{value}?"),
    ] {
        let cookie = format!("{name}={changed}");
        let refused = come_back(&server, &genuine.way_back("code=any"), &cookie).await;
        assert_eq!(location(&refused), EXPIRED, "{changed}");
    }
    let another = Server::start_with(&provider.arguments()).await.unwrap();
    let cookie = genuine.cookie.replace(
        &server.address.port().to_string(),
        &another.address.port().to_string(),
    );
    let refused = come_back(&another, &genuine.way_back("code=any"), &cookie).await;
    assert_eq!(location(&refused), EXPIRED);
    assert_eq!(genuine.end(&server, "code=any").await.status(), 200);
}

#[tokio::test]
async fn over_https_no_other_host_plants_the_cookie_of_a_sign_in() {
    let provider = Provider::start().await;
    let server = server(&provider, &["--public-url", "https://credence.example.com"]).await;
    let attempt = Attempt::begin(&server, "/credentials", "").await;
    let set = attempt.headers[SET_COOKIE].to_str().unwrap();
    assert!(set.starts_with("__Host-credence-attempt="), "{set}");
    let attributes = "; HttpOnly; SameSite=Lax; Path=/; Secure; Max-Age=600";
    assert!(set.ends_with(attributes), "{set}");
}

#[tokio::test]
async fn a_provider_gives_nobody_the_right_to_resolve() {
    let provider = Provider::start().await;
    let server = server(&provider, &[]).await;
    let scope = "credentials:read credentials:resolve";
    for claims in [
        json!({ "scope": scope }),
        json!({ "scope": scope, "roles": ["runtime"] }),
        json!({ "scope": null, "roles": ["viewer", "runtime"] }),
    ] {
        let browser = signed_in(&server, &provider, claims.clone()).await;
        let scopes = &browser.session().await["scopes"];
        assert_eq!(*scopes, json!(["credentials:read"]), "{claims}");
    }
    for claims in [
        json!({ "scope": "credentials:resolve" }),
        json!({ "scope": null, "roles": "runtime" }),
    ] {
        let attempt = Attempt::begin(&server, "/credentials", "").await;
        provider.say(&server, &attempt, claims);
        let refused = attempt.end(&server, "code=any").await;
        assert!(location(&refused).ends_with("#error=no_rights"));
    }
}

#[tokio::test]
async fn who_signs_in_through_a_provider_leaves_the_session_of_before() {
    let provider = Provider::start().await;
    let server = server(&provider, &[]).await;
    let before = Browser::signed_in(&server, &server.viewer("vera").token).await;
    let bystander = Browser::signed_in(&server, &server.viewer("vera").token).await;
    let attempt = Attempt::begin(&server, "/credentials", &before.cookie).await;
    // Nothing has happened before they come back.
    assert_eq!(before.ask(WHO).await.status, 200);
    provider.say(&server, &attempt, json!({}));
    assert_eq!(attempt.end(&server, "code=any").await.status(), 200);
    assert_eq!(before.ask(WHO).await.status, 401);
    assert_eq!(bystander.ask(WHO).await.status, 200);
}

#[tokio::test]
async fn what_comes_back_says_each_thing_once_and_from_whom_it_is() {
    let provider = Provider::start().await;
    provider.announce(
        "authorization_response_iss_parameter_supported",
        json!(true),
    );
    let server = server(&provider, &[]).await;
    let issuer: String = form_urlencoded::byte_serialize(provider.issuer.as_bytes()).collect();
    let attempt = Attempt::begin(&server, "/credentials", "").await;
    provider.say(&server, &attempt, json!({}));
    for (parameters, problem) in [
        ("code=any".to_owned(), "refused"),
        (format!("code=any&iss={issuer}&iss={issuer}"), "refused"),
        (
            format!("code=any&iss={issuer}&iss=https%3A%2F%2Fevil.example"),
            "refused",
        ),
        (
            "code=any&iss=https%3A%2F%2Fevil.example".to_owned(),
            "refused",
        ),
        (format!("code=any&code=any&iss={issuer}"), "refused"),
        (
            format!("code=any&error=access_denied&iss={issuer}"),
            "refused",
        ),
        (format!("error=access_denied&iss={issuer}"), "denied"),
        (
            format!("error=temporarily_unavailable&iss={issuer}"),
            "provider_unavailable",
        ),
    ] {
        let refused = attempt.end(&server, &parameters).await;
        let end = format!("#error={problem}");
        assert!(
            location(&refused).ends_with(&end),
            "{parameters}: {}",
            location(&refused)
        );
    }
    let path = attempt.way_back(&format!("code=any&iss={issuer}"));
    let request = client().request(Method::HEAD, server.url(&path));
    let head = request
        .header(COOKIE, &attempt.cookie)
        .send()
        .await
        .unwrap();
    assert_eq!(head.status(), 405);
    assert!(!head.headers().contains_key(SET_COOKIE));
    assert_eq!(
        come_back(&server, &path, &attempt.cookie).await.status(),
        200
    );
}

#[tokio::test]
async fn who_does_not_come_in_still_goes_where_they_wanted_to() {
    let provider = Provider::start().await;
    let server = server(&provider, &[]).await;
    let attempt = Attempt::begin(&server, "/credentials?q=a&order=name", "").await;
    let refused = attempt.end(&server, "error=access_denied").await;
    let expected = "/login?return=%2Fcredentials%3Fq%3Da%26order%3Dname#error=denied";
    assert_eq!(location(&refused), expected);
    for path in [
        "//evil.example",
        "/.//evil.example",
        "/x/..//evil.example",
        "/%2e//evil.example",
    ] {
        let attempt = Attempt::begin(&server, path, "").await;
        provider.say(&server, &attempt, json!({}));
        let page = attempt.end(&server, "code=any").await.text().await.unwrap();
        assert!(
            page.contains("data-return=\"/credentials\""),
            "{path}: {page}"
        );
    }
}

#[tokio::test]
async fn a_provider_that_is_silent_keeps_nobody_waiting_longer_than_one() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", silent.local_addr().unwrap());
    let arguments = ["--oidc-issuer", &issuer, "--oidc-client-id", "credence"];
    let server = Server::start_with(&arguments).await.unwrap();
    let begun_at = Instant::now();
    let answers = join_all((0..4).map(|_| client().get(server.url("/login/oidc")).send())).await;
    for answer in answers {
        assert!(location(&answer.unwrap()).ends_with("#error=provider_unavailable"));
    }
    // One answer of the provider may take 5 seconds.
    assert!(
        begun_at.elapsed() < Duration::from_secs(8),
        "{:?}",
        begun_at.elapsed()
    );
    let begun_at = Instant::now();
    client()
        .get(server.url("/login/oidc"))
        .send()
        .await
        .unwrap();
    assert!(begun_at.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn the_log_tells_a_code_that_is_not_good_from_a_server_that_the_provider_does_not_know() {
    let log = Log::begin();
    let provider = Provider::start().await;
    let server = server(&provider, &[]).await;
    for (error, problem, level, told, not_told) in [
        (
            "invalid_grant",
            "refused",
            "INFO",
            "somebody did not come in",
            "nobody can sign in",
        ),
        (
            "invalid_client",
            "provider_unavailable",
            "WARN",
            "nobody can sign in",
            "no ID token for the code",
        ),
    ] {
        provider.refuse(error);
        let attempt = Attempt::begin(&server, "/credentials", "").await;
        let refused = attempt.end(&server, "code=any").await;
        let end = format!("#error={problem}");
        assert!(location(&refused).ends_with(&end), "{}", location(&refused));
        let said = log.take();
        let line = said.lines().find(|line| line.contains(told));
        let is_told = line.is_some_and(|line| line.contains(level));
        assert!(is_told && !said.contains(not_told), "{said}");
        assert_eq!(said.contains("--oidc-client-id"), error == "invalid_client");
    }
}
