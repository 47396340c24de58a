//! How often a client may resolve.

use futures_util::future::join_all;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::metrics::Scrape;
use crate::support::process::{run, stderr};
use crate::support::server::consumer;
use crate::support::{Answer, Person, Server, secret};

async fn limited(rate: &str) -> Server {
    Server::start_with(&["--resolve-rate", rate]).await.unwrap()
}

/// A runtime's token with these claims more.
fn token(server: &Server, claims: &Value) -> String {
    let mut all = json!({ "scope": "credentials:resolve" });
    for (name, value) in claims.as_object().unwrap() {
        all[name] = value.clone();
    }
    server.token_with(all)
}

/// That an answer is a value, or that it came too often. Returns how long to wait then.
#[track_caller]
fn wait_of(answer: &Answer, name: &str) -> Option<u64> {
    if answer.codes().is_empty() {
        assert_eq!(answer.field()["value"], secret(name));
        return None;
    }
    assert_eq!(answer.codes(), ["RATE_LIMITED"], "{}", answer.body);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body["data"]["resolveCredential"], Value::Null);
    let error = &answer.body["errors"][0];
    assert_eq!(error["path"], json!(["resolveCredential"]));
    let wait = error["extensions"]["retryAfterMs"].as_u64();
    Some(wait.unwrap_or_else(|| panic!("{}", answer.body)))
}

#[tokio::test]
async fn a_client_resolves_as_often_as_it_may_and_is_told_how_long_to_wait() {
    let server = limited("3/1m").await;
    let id = server.editor("alice").create("asked for").await;
    let runtime = server.runtime();
    for _ in 0..3 {
        assert_eq!(wait_of(&runtime.resolve(&id).await, "asked for"), None);
    }
    let wait = wait_of(&runtime.resolve(&id).await, "asked for").unwrap();
    // One comes back every 20 seconds; some of the first 20 have gone by.
    assert!((1..=20_000).contains(&wait), "{wait}");
    let seconds = i64::try_from(wait.div_ceil(1_000)).unwrap();
    server.clock.shift_seconds(seconds);
    assert_eq!(wait_of(&runtime.resolve(&id).await, "asked for"), None);
    assert!(wait_of(&runtime.resolve(&id).await, "asked for").is_some());
    let scrape = Scrape::of(&server).await;
    let resolves =
        |outcome: &str| scrape.value(&format!("credence_resolves_total{{outcome=\"{outcome}\"}}"));
    assert_eq!((resolves("resolved"), resolves("rate_limited")), (4, 2));
    let counted = "credence_audit_refusals_total{recorded=\"counted\"}";
    assert_eq!(scrape.value(counted), 2);
    server.clock.shift_seconds(60);
    for _ in 0..3 {
        assert_eq!(wait_of(&runtime.resolve(&id).await, "asked for"), None);
    }
    // All else is not limited.
    for _ in 0..10 {
        let known = format!("{{ credential(id: \"{id}\") {{ id }} }}");
        runtime.ask(&known).await.data();
    }
}

#[tokio::test]
async fn a_client_is_what_its_token_was_issued_to_or_else_its_subject() {
    let server = limited("1/1h").await;
    let id = server.editor("alice").create("asked for").await;
    let ask = async |claims: Value| {
        let person = server.bearer(&token(&server, &claims));
        wait_of(&person.resolve(&id).await, "asked for").is_none()
    };
    for (claims, is_new) in [
        (json!({ "sub": "one", "client_id": "flows" }), true),
        (json!({ "sub": "two", "client_id": "flows" }), false),
        (json!({ "sub": "one", "azp": "flows" }), false),
        (
            json!({ "sub": "one", "client_id": "flows", "azp": "other" }),
            false,
        ),
        (json!({ "sub": "one", "azp": "other" }), true),
        // A subject of the same name is somebody else.
        (json!({ "sub": "flows" }), true),
        (json!({ "sub": "flows" }), false),
        (json!({ "sub": "one" }), true),
    ] {
        assert_eq!(ask(claims.clone()).await, is_new, "{claims}");
    }
    // A claim that is no text is refused, as any other.
    let odd = server.bearer(&token(&server, &json!({ "client_id": 7 })));
    assert_eq!(odd.resolve(&id).await.status, 401);
}

/// A person's token may have come through the same program as the runtime's.
#[tokio::test]
async fn who_may_not_resolve_takes_nothing_from_who_may_and_is_limited_too() {
    let server = limited("3/1h").await;
    let id = server.editor("alice").create("asked for").await;
    let person = |subject: &str| {
        let claims = json!({ "sub": subject, "client_id": "flows", "scope": "credentials:read" });
        server.bearer(&token(&server, &claims))
    };
    for subject in ["vera", "victor"] {
        for number in 0..6 {
            let expected = if number < 3 {
                "FORBIDDEN"
            } else {
                "RATE_LIMITED"
            };
            let answer = person(subject).resolve(&id).await;
            assert_eq!(answer.codes(), [expected], "{subject} {number}");
        }
    }
    let claims = json!({ "sub": "workflows", "client_id": "flows" });
    let runtime = server.bearer(&token(&server, &claims));
    for _ in 0..3 {
        assert_eq!(wait_of(&runtime.resolve(&id).await, "asked for"), None);
    }
    assert!(wait_of(&runtime.resolve(&id).await, "asked for").is_some());
}

#[tokio::test]
async fn each_resolve_of_a_request_counts() {
    let server = limited("3/1h").await;
    let id = server.editor("alice").create("several").await;
    let fields: String = (0..5)
        .map(|number| format!("r{number}: resolveCredential(input: $in) {{ value }} "))
        .collect();
    let input = json!({ "credentialId": id, "consumer": consumer() });
    let query = format!("mutation($in: ResolveCredentialInput!) {{ {fields} }}");
    let answer = server
        .runtime()
        .ask_with(&query, json!({ "in": input }))
        .await;
    assert_eq!(answer.codes(), ["RATE_LIMITED"; 2], "{}", answer.body);
    let data = &answer.body["data"];
    assert_eq!(data["r2"]["value"], secret("several"));
    assert_eq!((&data["r3"], &data["r4"]), (&Value::Null, &Value::Null));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_at_once_no_more_get_a_value_than_may() {
    let server = limited("10/1h").await;
    let id = server.editor("alice").create("rushed").await;
    let runtime = server.runtime();
    let answers = join_all((0..64).map(|_| runtime.resolve(&id))).await;
    let values = answers
        .iter()
        .filter(|answer| wait_of(answer, "rushed").is_none());
    assert_eq!(values.count(), 10);
}

/// Stale IDs are normal: whoever asks for them goes on getting what is there.
#[tokio::test]
async fn resolves_that_fail_count_like_others_and_lock_nobody_out() {
    let nothing = "00000000-0000-4000-8000-000000000000";
    let open = Server::start().await;
    let id = open.editor("alice").create("there").await;
    for _ in 0..100 {
        let failed = open.runtime().resolve(nothing).await;
        assert_eq!(failed.user_errors(), ["NOT_FOUND credentialId"]);
    }
    assert_eq!(wait_of(&open.runtime().resolve(&id).await, "there"), None);

    let server = limited("5/1m").await;
    let id = server.editor("alice").create("there").await;
    let runtime = server.runtime();
    for _ in 0..4 {
        let failed = runtime.resolve(nothing).await;
        assert_eq!(failed.user_errors(), ["NOT_FOUND credentialId"]);
    }
    assert_eq!(wait_of(&runtime.resolve(&id).await, "there"), None);
    assert!(wait_of(&runtime.resolve(&id).await, "there").is_some());
}

#[test]
fn what_is_no_rate_and_no_proxy_is_told_with_what_would_be_one() {
    for (option, wrong, told) in [
        ("--resolve-rate", "often", "such as 100/1m"),
        ("--resolve-rate", "100/1y", "1s to 24h"),
        ("--trusted-proxy", "proxy.example.com", "such as 10.0.0.0/8"),
    ] {
        let output = run(&["serve", option, wrong]);
        assert_eq!(output.status.code(), Some(64), "{}", stderr(&output));
        assert!(stderr(&output).contains(told), "{}", stderr(&output));
    }
}

#[tokio::test]
async fn what_came_too_often_is_in_the_audit_log_as_a_number() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let start = async || {
        let clock = credence::types::clock::Clock::system();
        let arguments = ["--resolve-rate", "1/1h"];
        Server::instance(&data, clock, &arguments).await.unwrap()
    };
    let server = start().await;
    let id = server.editor("alice").create("once").await;
    let ask = async |person: Person<'_>| wait_of(&person.resolve(&id).await, "once");
    assert_eq!(ask(server.runtime()).await, None);
    for _ in 0..30 {
        assert!(ask(server.runtime()).await.is_some());
    }
    server.end().await;
    let server = start().await;
    let query = "{ auditEvents(first: 50, filter: {actions: [CREDENTIAL_RESOLVE_REFUSED]}) { nodes { actorSubject reason times credentialId } } }";
    let answer = server.admin("ada").ask(query).await;
    let expected = json!([{ "actorSubject": "runtime", "reason": "RATE_LIMITED", "times": 30, "credentialId": null }]);
    assert_eq!(answer.field()["nodes"], expected);
}
