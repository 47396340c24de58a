//! The client of runtimes: what it keeps and drops, what it makes of a value, and how it says what is wrong.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use credence::client::{
    Client, ClientError, ClientSettings, HeaderProblem, HeardChange, ServerUrl, SettingsProblem,
    Token, TokenSource, TokenUnavailable, Unavailable, bearer,
};
use credence::types::consumer::{Consumer, ConsumerKind};
use credence::types::credential::Credential;
use credence::types::id::Id;
use credence::types::secret::{SecretValue, UncheckedSecret};
use futures_util::FutureExt;
use futures_util::future::join_all;
use serde_json::json;
use tokio::sync::Notify;

use crate::support::peer::{self, Way, answer, endless_events};
use crate::support::runtime::{client, follow, settings};
use crate::support::{Person, Server, holds_marker, secret};

fn consumer(external_id: &str) -> Consumer {
    Consumer {
        kind: ConsumerKind::HttpMcpServer,
        external_id: external_id.to_owned(),
        name: None,
    }
}

fn id(text: &str) -> Id<Credential> {
    Id::parse(text).unwrap()
}

async fn rotate(person: &Person<'_>, id: &str, value: &str) {
    let input = json!({ "credentialId": id, "value": value });
    let answer = person.mutate("updateCredential", input).await;
    assert_eq!(answer.user_errors(), Vec::<String>::new());
}

/// What the audit log has of resolves, oldest first: `RESOLVED 1` for each.
async fn resolves(server: &Server) -> Vec<String> {
    let query = "{ auditEvents(first: 100, filter: {actions: [CREDENTIAL_RESOLVED, CREDENTIAL_NOT_MODIFIED]}) { nodes { action valueVersion } } }";
    let answer = server.admin("root").ask(query).await;
    let events = answer.field()["nodes"].as_array().unwrap().iter().rev();
    let event = |event: &serde_json::Value| {
        let action = event["action"].as_str().unwrap().replace("CREDENTIAL_", "");
        format!("{action} {}", event["valueVersion"])
    };
    events.map(event).collect()
}

fn value(text: &str) -> SecretValue {
    SecretValue::parse(UncheckedSecret::new(text.to_owned())).unwrap()
}

#[test]
fn of_all_single_bytes_exactly_those_that_are_safe_in_a_header_pass() {
    for byte in 0..=u8::MAX {
        let character = char::from(byte);
        // At an end of a field value, white space is none of it (RFC 9110, section 5.5).
        let alone = SecretValue::parse(UncheckedSecret::new(character.to_string()));
        if let Ok(alone) = alone {
            let expected = (b'!'..=b'~').contains(&byte);
            assert_eq!(bearer(&alone).is_ok(), expected, "{byte:#04x} alone");
        } else {
            assert_eq!(character, '*', "only a mask is no value");
        }
        let within = bearer(&value(&format!("a{character}b")));
        let expected = (b' '..=b'~').contains(&byte) || byte == b'\t';
        assert_eq!(within.is_ok(), expected, "{byte:#04x} within");
        if let Ok(header) = within {
            assert_eq!(
                header.as_bytes(),
                [b"Bearer a".as_slice(), &[byte], b"b"].concat()
            );
            assert!(header.is_sensitive());
        }
    }
    let problem = |text: &str| bearer(&value(text)).unwrap_err();
    assert_eq!(problem("token\n"), HeaderProblem::SpaceAtEnd);
    assert_eq!(problem(" token"), HeaderProblem::SpaceAtEnd);
    assert_eq!(problem("token\r\nx-other: 1"), HeaderProblem::Control);
    assert_eq!(problem("tök"), HeaderProblem::NotAscii);
}

#[tokio::test]
async fn a_value_that_cannot_be_a_header_is_told_by_its_name_and_not_shown() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    let input = json!({ "name": "PEM", "value": format!("{}\n", secret("pem")) });
    let created = alice.mutate("createCredential", input).await;
    let pem = id(created.field()["credential"]["id"].as_str().unwrap());
    let error = client(&server)
        .await
        .authorization(pem, &consumer("c"))
        .await
        .unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("the value of PEM cannot be sent in a header"),
        "{message}"
    );
    assert!(
        !holds_marker(format!("{message}{error:?}").as_bytes()),
        "{message}"
    );
}

#[tokio::test]
async fn nothing_that_is_printed_shows_a_value_or_a_token() {
    let server = Server::start().await;
    let n = id(&server.editor("alice").create("n").await);
    let runtime = server.runtime();
    let settings = settings(&runtime);
    let printed = format!("{settings:?}");
    let client = Client::new(settings).unwrap();
    let resolved = client.resolve(n, &consumer("c")).await.unwrap();
    let header = client.authorization(n, &consumer("c")).await.unwrap();
    let printed = format!(
        "{printed}{resolved:?}{header:?}{:?}",
        Token::parse(&runtime.token).unwrap()
    );
    assert_eq!(header, format!("Bearer {}", secret("n")));
    assert!(!holds_marker(printed.as_bytes()), "{printed}");
    assert!(!printed.contains(&runtime.token), "{printed}");
}

#[tokio::test]
async fn while_changes_are_followed_a_value_is_used_for_minutes_and_then_asked_for_by_its_version()
{
    let server = Server::start().await;
    let n = id(&server.editor("alice").create("n").await);
    let client = client(&server).await;
    for _ in 0..3 {
        let resolved = client.resolve(n, &consumer("c")).await.unwrap();
        assert_eq!(
            (resolved.value.expose(), resolved.version),
            (secret("n").as_str(), 1)
        );
    }
    assert_eq!(resolves(&server).await, ["RESOLVED 1"]);
    server.clock.shift_seconds(301);
    for _ in 0..3 {
        let resolved = client.resolve(n, &consumer("c")).await.unwrap();
        assert_eq!(resolved.value.expose(), secret("n"));
    }
    assert_eq!(resolves(&server).await, ["RESOLVED 1", "NOT_MODIFIED 1"]);
    // A clock that was set back does not make values younger.
    server.clock.shift_seconds(-60);
    client.resolve(n, &consumer("c")).await.unwrap();
    assert_eq!(resolves(&server).await.len(), 3);
}

#[tokio::test]
async fn while_changes_are_not_followed_a_value_is_used_for_seconds() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    let text = alice.create("n").await;
    let n = id(&text);
    let client = Client::new(settings(&server.runtime())).unwrap();
    client.resolve(n, &consumer("c")).await.unwrap();
    client.resolve(n, &consumer("c")).await.unwrap();
    server.clock.shift_seconds(6);
    client.resolve(n, &consumer("c")).await.unwrap();
    rotate(&alice, &text, "second").await;
    server.clock.shift_seconds(6);
    let resolved = client.resolve(n, &consumer("c")).await.unwrap();
    assert_eq!((resolved.value.expose(), resolved.version), ("second", 2));
    assert_eq!(
        resolves(&server).await,
        ["RESOLVED 1", "NOT_MODIFIED 1", "RESOLVED 2"]
    );
}

#[tokio::test]
async fn a_change_drops_what_is_kept_of_its_credential_for_all_consumers_and_nothing_else() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    let (one, other) = (alice.create("one").await, alice.create("other").await);
    let client = client(&server).await;
    let mut changes = client.changes();
    let resolve_all = async || {
        for consumer in [consumer("a"), consumer("b")] {
            client.resolve(id(&one), &consumer).await.unwrap();
            client.resolve(id(&other), &consumer).await.unwrap();
        }
        resolves(&server).await.len()
    };
    assert_eq!(resolve_all().await, 4, "each consumer is to be seen");
    rotate(&alice, &one, "second").await;
    assert_eq!(changes.recv().await, Ok(HeardChange::Credential(id(&one))));
    assert_eq!(resolve_all().await, 6);
    client.forget(id(&other));
    assert_eq!(resolve_all().await, 8);
}

#[tokio::test]
async fn of_many_who_want_the_same_at_once_one_asks() {
    let server = Server::start().await;
    let n = id(&server.editor("alice").create("n").await);
    let client = client(&server).await;
    let wanting = consumer("c");
    let resolved = join_all((0..50).map(|_| client.resolve(n, &wanting))).await;
    assert!(
        resolved
            .iter()
            .all(|resolved| resolved.as_ref().unwrap().version == 1)
    );
    assert_eq!(resolves(&server).await.len(), 1);
}

#[tokio::test]
async fn no_more_values_are_kept_than_there_is_room_for() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    let mut settings = settings(&server.runtime());
    settings.cache.entries = 2;
    let client = Client::new(settings).unwrap();
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        ids.push(id(&alice.create(name).await));
    }
    for n in &ids {
        client.resolve(*n, &consumer("c")).await.unwrap();
        server.clock.shift_seconds(1);
    }
    // The last two are kept; the first one had to go.
    for n in [ids[2], ids[1], ids[0]] {
        client.resolve(n, &consumer("c")).await.unwrap();
    }
    assert_eq!(resolves(&server).await.len(), 4);
}

#[tokio::test]
async fn when_the_connection_is_lost_nothing_old_is_used_and_changes_are_followed_again() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    let text = alice.create("n").await;
    let n = id(&text);
    let way = Way::to(server.address).await;
    let mut settings = settings(&server.runtime());
    settings.server = ServerUrl::parse(&format!("http://{}", way.address)).unwrap();
    let client = Client::new(settings).unwrap();
    follow(&client).await;
    client.resolve(n, &consumer("c")).await.unwrap();
    let mut changes = client.changes();

    way.set_open(false);
    assert_eq!(changes.recv().await, Ok(HeardChange::Any));
    rotate(&alice, &text, "second").await;
    let error = client.resolve(n, &consumer("c")).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");

    way.set_open(true);
    assert_eq!(changes.recv().await, Ok(HeardChange::Any));
    assert!(*client.is_following().borrow());
    let resolved = client.resolve(n, &consumer("c")).await.unwrap();
    assert_eq!(resolved.value.expose(), "second");
}

#[tokio::test]
async fn when_changes_were_missed_everything_is_dropped_and_followed_again() {
    const MISSED: &str = "event: next\ndata: {\"data\":null,\"errors\":[{\"message\":\"m\",\"extensions\":{\"code\":\"EVENTS_MISSED\"}}]}\n\nevent: complete\ndata:\n\n";
    let subscriptions = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&subscriptions);
    let url = peer::serve(move |_body, accept| {
        assert_eq!(accept, "text/event-stream");
        let first = counted.fetch_add(1, Ordering::SeqCst) == 0;
        std::future::ready(endless_events(if first { MISSED } else { ":\n\n" })).boxed()
    })
    .await;
    let client = Client::new(fake_settings(&url)).unwrap();
    let mut changes = client.changes();
    client.follow_changes();
    // It begins, ends, and begins again.
    for _ in 0..3 {
        assert_eq!(changes.recv().await, Ok(HeardChange::Any));
    }
    assert_eq!(subscriptions.load(Ordering::SeqCst), 2);
}

/// Nothing says so when a machine is gone or a cable is pulled.
#[tokio::test]
async fn a_stream_that_is_silent_is_taken_for_lost_and_changes_are_followed_again() {
    let server = Server::start().await;
    let kept = Client::new(settings(&server.runtime())).unwrap();
    let mut kept_changes = kept.changes();
    kept.follow_changes();
    let url =
        peer::serve(|_body, _accept| std::future::ready(endless_events(":\n\n")).boxed()).await;
    let client = Client::new(fake_settings(&url)).unwrap();
    let mut changes = client.changes();
    client.follow_changes();
    let begun = Instant::now();
    // It begins, is lost, and begins again.
    for _ in 0..3 {
        assert_eq!(changes.recv().await, Ok(HeardChange::Any));
    }
    assert!((11..15).contains(&begun.elapsed().as_secs()));
    // A server that has nothing to tell says so now and then.
    assert_eq!(kept_changes.try_recv(), Ok(HeardChange::Any));
    assert!(kept_changes.try_recv().is_err());
}

/// As in a program that ends one runtime and begins another.
#[test]
fn when_the_runtime_of_what_follows_ends_nothing_is_followed_until_another_one_does() {
    let runtime = || tokio::runtime::Runtime::new().unwrap();
    let serving = runtime();
    let server = serving.block_on(Server::start());
    let client = Client::new(settings(&server.runtime())).unwrap();
    let first = runtime();
    first.block_on(follow(&client));
    assert!(*client.is_following().borrow());
    first.shutdown_timeout(Duration::from_secs(10));
    assert!(!*client.is_following().borrow());
    let second = runtime();
    second.block_on(follow(&client));
    assert!(*client.is_following().borrow());
    drop(client);
    serving.block_on(server.stop());
}

fn fake_settings(url: &str) -> ClientSettings {
    let token = Token::parse("token").unwrap();
    ClientSettings::new(ServerUrl::parse(url).unwrap(), TokenSource::fixed(token))
}

#[tokio::test]
async fn an_answer_that_was_on_its_way_during_a_change_is_used_once_and_not_kept() {
    let asked = Arc::new(Notify::new());
    let go_on = Arc::new(Notify::new());
    let requests = Arc::new(AtomicUsize::new(0));
    let (asked_there, go_on_there, requests_there) = (
        Arc::clone(&asked),
        Arc::clone(&go_on),
        Arc::clone(&requests),
    );
    let url = peer::serve(move |_body, _accept| {
        let (asked, go_on) = (Arc::clone(&asked_there), Arc::clone(&go_on_there));
        let version = requests_there.fetch_add(1, Ordering::SeqCst) + 1;
        async move {
            asked.notify_one();
            if version == 1 {
                go_on.notified().await;
            }
            let resolved = json!({ "credential": { "name": "n" }, "value": "v", "valueVersion": version, "notModified": false, "userErrors": [] });
            answer(200, "application/json", &json!({ "data": { "answer": resolved } }).to_string())
        }
        .boxed()
    })
    .await;
    let client = Client::new(fake_settings(&url)).unwrap();
    let n = id("00000000-0000-4000-8000-000000000000");
    let first = tokio::spawn({
        let client = client.clone();
        async move { client.resolve(n, &consumer("c")).await }
    });
    asked.notified().await;
    client.forget(n);
    go_on.notify_one();
    assert_eq!(first.await.unwrap().unwrap().version, 1);
    assert_eq!(client.resolve(n, &consumer("c")).await.unwrap().version, 2);
    assert_eq!(client.resolve(n, &consumer("c")).await.unwrap().version, 2);
    assert_eq!(requests.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn each_error_is_told_from_the_others() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    let gone = alice.create("GONE_KEY").await;
    alice
        .mutate("deleteCredential", json!({ "credentialId": gone }))
        .await;
    let nothing = "00000000-0000-4000-8000-000000000000";
    let resolve = async |person: &Person<'_>, text: &str| {
        let client = Client::new(settings(person)).unwrap();
        client.resolve(id(text), &consumer("c")).await.unwrap_err()
    };
    let error = resolve(&server.runtime(), nothing).await;
    assert_eq!(
        error,
        ClientError::NotFound {
            id: nothing.to_owned()
        }
    );
    let error = resolve(&server.runtime(), &gone).await;
    let ClientError::Deleted { id: told, message } = &error else {
        panic!("{error}")
    };
    assert_eq!(*told, gone);
    assert!(
        message.starts_with("The credential GONE_KEY was deleted at 20"),
        "{message}"
    );
    let error = resolve(&server.viewer("v"), nothing).await;
    assert!(
        matches!(&error, ClientError::Forbidden { message } if message.contains("credentials:resolve")),
        "{error}"
    );
    assert_eq!(
        resolve(&server.bearer("no.good.token"), nothing).await,
        ClientError::Unauthenticated
    );

    let mut broken = settings(&server.runtime());
    broken.token = TokenSource::new(|| std::future::ready(Err(TokenUnavailable)));
    let error = Client::new(broken)
        .unwrap()
        .find_by_name("n")
        .await
        .unwrap_err();
    assert_eq!(error, ClientError::NoToken(TokenUnavailable));
    assert!(error.is_retryable());
}

#[tokio::test]
async fn whatever_answers_in_the_servers_place_is_understood_or_told_to_be_no_server() {
    let too_long = format!("{{\"data\": \"{}\"}}", "x".repeat(1024 * 1024));
    let coded = |code: &str| {
        format!(
            "{{\"errors\": [{{\"message\": \"m\", \"extensions\": {{\"code\": \"{code}\"}}}}]}}"
        )
    };
    let busy = "unavailable Busy";
    let cases = [
        (502, "<html>Marker5eCret</html>".to_owned(), busy),
        (503, "<html></html>".to_owned(), busy),
        (503, coded("OVERLOADED"), busy),
        (200, coded("RATE_LIMITED"), busy),
        (504, coded("UNAVAILABLE"), busy),
        (500, coded("INTERNAL_SERVER_ERROR"), "unavailable Failed"),
        (401, String::new(), "unauthenticated"),
        (200, coded("BAD_USER_INPUT"), "rejected"),
        (200, "Marker5eCret".to_owned(), "unexpected"),
        (
            200,
            "{\"data\": {\"answer\": \"Marker5eCret\"}}".to_owned(),
            "unexpected",
        ),
        (302, String::new(), "unexpected"),
        (404, "{}".to_owned(), "unexpected"),
        (
            200,
            "{\"errors\": [{\"message\": \"m\"}]}".to_owned(),
            "unexpected",
        ),
        (200, too_long, "unexpected"),
    ];
    let next = Arc::new(Mutex::new((0, String::new())));
    let given = Arc::clone(&next);
    let url = peer::serve(move |_body, _accept| {
        let (status, body) = given.lock().unwrap().clone();
        std::future::ready(answer(status, "application/json", &body)).boxed()
    })
    .await;
    let client = Client::new(fake_settings(&url)).unwrap();
    for (status, body, expected) in cases {
        *next.lock().unwrap() = (status, body.clone());
        let error = client.find_by_name("n").await.unwrap_err();
        let kind = match &error {
            ClientError::Unavailable(why) => format!("unavailable {why:?}"),
            ClientError::Unauthenticated => "unauthenticated".to_owned(),
            ClientError::Rejected { .. } => "rejected".to_owned(),
            ClientError::Unexpected { .. } => "unexpected".to_owned(),
            other => panic!("{other}"),
        };
        assert_eq!(kind, expected, "{status} {}", &body[..body.len().min(100)]);
        assert!(
            !holds_marker(format!("{error}{error:?}").as_bytes()),
            "{error}"
        );
    }
}

#[tokio::test]
async fn the_source_of_tokens_is_asked_each_time_and_what_it_gives_may_change() {
    let server = Server::start().await;
    let n = id(&server.editor("alice").create("n").await);
    let tokens = [server.bearer("stale").token, server.runtime().token];
    let asked = Arc::new(AtomicUsize::new(0));
    let mut renewed = settings(&server.runtime());
    let counted = Arc::clone(&asked);
    renewed.token = TokenSource::new(move || {
        let turn = counted.fetch_add(1, Ordering::SeqCst);
        let token = Token::parse(&tokens[turn.min(1)]).map_err(|_problem| TokenUnavailable);
        async move { token }
    });
    let client = Client::new(renewed).unwrap();
    let refused = client.resolve(n, &consumer("c")).await.unwrap_err();
    assert_eq!(refused, ClientError::Unauthenticated);
    client.resolve(n, &consumer("c")).await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn names_are_found_and_what_became_of_ids_is_told_in_their_order() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    let live = alice.create("Live").await;
    let gone = alice.create("gone").await;
    alice
        .mutate("deleteCredential", json!({ "credentialId": gone }))
        .await;
    let client = Client::new(settings(&server.runtime())).unwrap();
    assert_eq!(client.find_by_name("LIVE").await, Ok(Some(id(&live))));
    assert_eq!(client.find_by_name("gone").await, Ok(None));
    let nothing = "00000000-0000-4000-8000-000000000000";
    let asked: Vec<Id<Credential>> = (0..101)
        .map(|_| id(nothing))
        .chain([id(&gone), id(&live)])
        .collect();
    let statuses = client.statuses(&asked).await.unwrap();
    let told: Vec<String> = statuses[100..]
        .iter()
        .map(|status| {
            format!(
                "{:?} {:?} {}",
                status.state,
                status.name,
                status.deleted_at.is_some()
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "Unknown None false",
            "Deleted Some(\"gone\") true",
            "Live Some(\"Live\") false"
        ]
    );
    assert!(
        statuses
            .iter()
            .zip(&asked)
            .all(|(status, id)| status.id == *id)
    );
}

#[test]
fn plain_http_goes_to_this_machine_only() {
    let read = |text: &str| ServerUrl::parse(text).map(|url| url.to_string());
    for (text, endpoint) in [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/graphql"),
        ("http://127.8.9.1/", "http://127.8.9.1/graphql"),
        ("http://[::1]:1", "http://[::1]:1/graphql"),
        ("http://localhost", "http://localhost/graphql"),
        (
            "https://credence.example.com/secrets/",
            "https://credence.example.com/secrets/graphql",
        ),
        (
            "https://credence.example.com/graphql/",
            "https://credence.example.com/graphql",
        ),
    ] {
        assert_eq!(read(text).as_deref(), Ok(endpoint));
    }
    for text in [
        "http://credence.example.com",
        "http://10.0.0.1:8080",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://0.0.0.0",
        "http://[::]",
    ] {
        assert_eq!(read(text), Err(SettingsProblem::PlainHttp), "{text}");
    }
    for text in [
        "",
        "127.0.0.1:8080",
        "ftp://127.0.0.1",
        "file:///graphql",
        "https://",
    ] {
        assert_eq!(read(text), Err(SettingsProblem::NoUrl), "{text}");
    }
    for text in [
        "https://u@host",
        "https://:p@host",
        "https://host?a",
        "https://host#a",
    ] {
        assert_eq!(read(text), Err(SettingsProblem::UrlHasMore), "{text}");
    }
}

#[tokio::test]
async fn the_name_of_this_machine_is_looked_up_nowhere() {
    let server = Server::start().await;
    let mut settings = settings(&server.runtime());
    settings.server =
        ServerUrl::parse(&format!("http://localhost:{}", server.address.port())).unwrap();
    assert_eq!(
        Client::new(settings).unwrap().find_by_name("n").await,
        Ok(None)
    );
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    // Port 9 is that of the discard service, which nobody runs any more.
    let client = Client::new(fake_settings("http://127.0.0.1:9")).unwrap();
    let error = client.find_by_name("n").await.unwrap_err();
    assert_eq!(error, ClientError::Unavailable(Unavailable::Unreachable));
    assert!(error.is_retryable());
}
