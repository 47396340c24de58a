//! Outages of the database: what was acknowledged stays, what fails is `UNAVAILABLE`, and all is well again soon.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use credence::types::clock::Clock;
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::time::{interval, sleep, timeout};

use crate::support::busy::processors;
use crate::support::cluster::Cluster;
use crate::support::process::Place;
use crate::support::{Answer, Person, Server, http_client, secret};

const INSTANCES: usize = 4;
/// As many as the instances have read connections: nobody waits for one that hangs in the hands of somebody else, which is `OVERLOADED`.
const WRITERS: usize = INSTANCES * 8;
/// Each writer's time for an operation: together they make 200 a second. What is late is made up for.
const PACE: Duration = Duration::from_millis(160);
/// How often each credential is rotated.
const ROTATIONS: usize = 20;

/// What one writer knows of a credential.
struct Known {
    name: String,
    id: Option<String>,
    /// The version that it has, and its value: where an answer was lost, it was looked at afterwards.
    version: i64,
    value: String,
}

/// Instances over a server of the test's own.
async fn instances(url: &str) -> (TempDir, Vec<Server>) {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let mut servers = Vec::new();
    for _ in 0..INSTANCES {
        let server = Server::instance(&data, Clock::system(), &["--database-url", url]).await;
        servers.push(server.unwrap());
    }
    (directory, servers)
}

/// Whether it was done; `None` when nobody knows. Any other error fails the test.
fn outcome(answer: &Answer) -> Option<&Value> {
    match answer.codes().as_slice() {
        [] => Some(answer.field()),
        codes => {
            assert!(
                codes.iter().all(|code| *code == "UNAVAILABLE"),
                "{}",
                answer.body
            );
            None
        }
    }
}

/// Creates credentials and rotates each a few times, at its pace, until it is told to stop.
async fn write(
    writer: usize,
    editor: Person<'_>,
    stop: &AtomicBool,
    asked: &AtomicU64,
) -> Vec<Known> {
    let mut pace = interval(PACE);
    let mut journal = Vec::new();
    for number in 0.. {
        let mut known = Known {
            name: format!("{writer}-{number}"),
            id: None,
            version: 1,
            value: secret("0"),
        };
        let create = json!({ "name": known.name, "value": secret("0") });
        // A name is made once, however often it is asked for.
        while known.id.is_none() && !stop.load(Ordering::Relaxed) {
            pace.tick().await;
            asked.fetch_add(1, Ordering::Relaxed);
            let answer = editor.mutate("createCredential", create.clone()).await;
            if let Some(created) = outcome(&answer) {
                known.id = match created["credential"]["id"].as_str() {
                    Some(id) => Some(id.to_owned()),
                    None => find(&editor, &known.name).await,
                };
            }
        }
        let Some(id) = known.id.clone() else {
            journal.push(known);
            break;
        };
        for round in 0..ROTATIONS {
            pace.tick().await;
            asked.fetch_add(1, Ordering::Relaxed);
            let value = secret(&format!("{writer}-{number}-{round}"));
            let rotate = json!({ "credentialId": id, "value": value, "expectedValueVersion": known.version });
            let answer = editor.mutate("updateCredential", rotate).await;
            let version = match outcome(&answer) {
                Some(rotated) => {
                    assert_eq!(rotated["userErrors"], json!([]));
                    known.version + 1
                }
                None => version_of(&editor, &id, asked).await,
            };
            // Once, or not at all.
            assert!([0, 1].contains(&(version - known.version)), "{version}");
            if version > known.version {
                (known.version, known.value) = (version, value);
            }
        }
        journal.push(known);
    }
    journal
}

/// The version of a credential, as soon as somebody answers.
async fn version_of(person: &Person<'_>, id: &str, asked: &AtomicU64) -> i64 {
    let query = "query($id: ID!) { credential(id: $id) { valueVersion } }";
    let mut pace = interval(PACE);
    loop {
        pace.tick().await;
        asked.fetch_add(1, Ordering::Relaxed);
        let answer = person.ask_with(query, json!({ "id": id })).await;
        if let Some(found) = outcome(&answer) {
            return found["valueVersion"].as_i64().unwrap();
        }
    }
}

async fn find(person: &Person<'_>, name: &str) -> Option<String> {
    let query = "query($name: String!) { credentialByName(name: $name) { id } }";
    let answer = person.ask_with(query, json!({ "name": name })).await;
    let id = outcome(&answer)?["id"].as_str()?;
    Some(id.to_owned())
}

/// Compares what the writers know with what is there.
async fn check(server: &Server, journals: &[Vec<Known>]) -> usize {
    let (ada, runtime) = (server.admin("ada"), server.runtime());
    let mut acknowledged = 0;
    for known in journals.iter().flatten() {
        let Some(id) = &known.id else {
            continue;
        };
        let query = "query($id: ID!) { credential(id: $id) { name valueVersion } }";
        let found = ada.ask_with(query, json!({ "id": id })).await;
        let version = found.field()["valueVersion"].as_i64().unwrap();
        assert_eq!(version, known.version, "{}", known.name);
        let resolved = runtime.resolve(id).await;
        assert_eq!(resolved.field()["value"], known.value, "{}", known.name);
        let query = "query($id: ID!) { auditEvents(first: 100, filter: {credentialId: $id, actions: [CREDENTIAL_CREATED, CREDENTIAL_ROTATED]}) { nodes { valueVersion } } }";
        let log = ada.ask_with(query, json!({ "id": id })).await;
        let versions: Vec<i64> = log.field()["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| event["valueVersion"].as_i64().unwrap())
            .collect();
        assert_eq!(versions, (1..=version).rev().collect::<Vec<i64>>());
        acknowledged += usize::try_from(version).unwrap();
    }
    acknowledged
}

/// How long it takes until all instances say that they are ready.
async fn until_ready(servers: &[Server]) -> Duration {
    let started = Instant::now();
    let ready = servers.iter().map(|server| async {
        loop {
            let answer = server.client.get(server.url("/readyz")).send().await;
            if answer.unwrap().status() == 200 {
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
    });
    let all_ready = timeout(Duration::from_mins(1), join_all(ready)).await;
    assert!(all_ready.is_ok(), "an instance does not come back");
    started.elapsed()
}

/// Has writers at work on all instances while something is done to the database. Returns what came of that, the writers' journals, and how
/// many operations were asked for each second.
async fn while_writing<T>(
    servers: &[Server],
    done: impl Future<Output = T>,
) -> (T, Vec<Vec<Known>>, u64) {
    let (stop, asked) = (AtomicBool::new(false), AtomicU64::new(0));
    let writers = (0..WRITERS).map(|writer| {
        let editor = servers[writer % INSTANCES].editor(&format!("writer {writer}"));
        write(writer, editor, &stop, &asked)
    });
    let doing = async {
        let started = Instant::now();
        let outcome = done.await;
        stop.store(true, Ordering::Relaxed);
        let asked = asked.load(Ordering::Relaxed);
        (outcome, asked, started.elapsed())
    };
    // A writer asks until it is answered.
    let writing = timeout(Duration::from_mins(5), join_all(writers));
    let (journals, (outcome, asked, took)) = tokio::join!(writing, doing);
    let journals = journals.unwrap_or_else(|_elapsed| panic!("a writer is never answered"));
    (outcome, journals, asked / took.as_secs())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn twenty_restarts_of_the_database_under_load_lose_and_double_nothing() {
    let _alone = processors().await;
    let cluster = Arc::new(Cluster::start(&[]).unwrap());
    let (_directory, servers) = instances(&cluster.url()).await;
    let restarting = async {
        let mut longest = Duration::ZERO;
        for _ in 0..20 {
            // The writers work meanwhile: this is the time of the test.
            sleep(Duration::from_millis(500)).await;
            let restarted = Arc::clone(&cluster);
            let restart = move || restarted.control(&["restart", "--mode=immediate", "--wait"]);
            tokio::task::spawn_blocking(restart).await.unwrap().unwrap();
            longest = longest.max(until_ready(&servers).await);
        }
        longest
    };
    let (longest, journals, rate) = while_writing(&servers, restarting).await;
    assert!(rate >= 180, "{rate} operations a second");
    let acknowledged = check(&servers[0], &journals).await;
    assert!(acknowledged > 1_000, "{acknowledged}");
    assert!(longest < Duration::from_secs(5), "{longest:?}");
}

/// A primary, its synchronous standby, and instances that know both.
async fn pair() -> (Cluster, Cluster, TempDir, Vec<Server>) {
    let primary = Cluster::start(&[]).unwrap();
    let standby = primary.standby().unwrap();
    let url = format!(
        "postgres://postgres@127.0.0.1:{},127.0.0.1:{}/postgres?target_session_attrs=read-write",
        primary.port, standby.port
    );
    let (directory, servers) = instances(&url).await;
    let mut connection = PgConnection::establish(&primary.url()).unwrap();
    let synchronous: Vec<Line> =
        diesel::sql_query("SELECT sync_state AS line FROM pg_stat_replication")
            .load(&mut connection)
            .unwrap();
    assert_eq!(synchronous[0].line, "sync");
    (primary, standby, directory, servers)
}

/// Sends a signal to the primary, promotes the standby, and looks what the writers lost.
async fn fail_over(name: &'static str, before_promotion: Duration) {
    let (primary, standby, _directory, servers) = pair().await;
    let failing_over = async {
        sleep(Duration::from_secs(2)).await;
        primary.signal(name);
        // The primary is gone for a while before somebody notices.
        sleep(before_promotion).await;
        let promoted = tokio::task::spawn_blocking(move || {
            standby.control(&["promote", "--wait"]).unwrap();
            standby
        });
        let standby = promoted.await.unwrap();
        let took = until_ready(&servers).await;
        sleep(Duration::from_secs(1)).await;
        (standby, took)
    };
    let ((_standby, took), journals, _rate) = while_writing(&servers, failing_over).await;
    let acknowledged = check(&servers[0], &journals).await;
    if name == "STOP" {
        // The threads that hang in calls of the primary can end then.
        primary.signal("CONT");
    }
    assert!(acknowledged > 100);
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_failover_to_a_synchronous_standby_loses_nothing_that_was_acknowledged() {
    fail_over("KILL", Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_primary_that_hangs_is_left_for_its_promoted_standby_and_loses_nothing() {
    fail_over("STOP", Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_the_synchronous_standby_does_not_have_is_not_acknowledged() {
    let (_primary, standby, _directory, servers) = pair().await;
    let alice = servers[0].editor("alice");
    alice.create("both").await;
    standby.signal("STOP");
    let asked = Instant::now();
    let create = json!({ "name": "one", "value": secret("v") });
    let created = alice.mutate("createCredential", create).await;
    standby.signal("CONT");
    assert_eq!(created.codes(), ["UNAVAILABLE"]);
    assert!(asked.elapsed() < Duration::from_secs(7));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_standby_that_hangs_for_long_takes_no_more_connections_and_leaves_what_reads() {
    let (primary, standby, _directory, servers) = pair().await;
    let server = &servers[0];
    let id = server.editor("alice").create("used").await;
    server.runtime().resolve(&id).await.data();
    standby.signal("STOP");
    let started = Instant::now();
    let runtimes = (0..8).map(|_| async {
        while started.elapsed() < Duration::from_secs(26) {
            let resolved = server.runtime().resolve(&id).await;
            assert_eq!(resolved.codes(), ["UNAVAILABLE"]);
        }
    });
    join_all(runtimes).await;
    let read = server
        .viewer("alice")
        .ask("{ credentials { totalCount } }")
        .await;
    assert_eq!(read.field()["totalCount"], 1);
    // The superuser still gets in, and sees how many connections all instances have.
    let mut connection = PgConnection::establish(&primary.url()).unwrap();
    let count =
        "SELECT count(*)::text AS line FROM pg_stat_activity WHERE application_name = 'credence'";
    let found: Line = diesel::sql_query(count)
        .get_result(&mut connection)
        .unwrap();
    standby.signal("CONT");
    let limit = INSTANCES * (8 + 4 + 4 + 1 + 1);
    assert!(
        found.line.parse::<usize>().unwrap() <= limit,
        "{}",
        found.line
    );
}

#[test]
fn a_server_is_stopped_while_its_database_hangs() {
    let cluster = Cluster::start(&[]).unwrap();
    let directory = TempDir::new().unwrap();
    let place = Place {
        data: directory.path().join("data"),
        url: Some(cluster.url()),
    };
    let mut server = place.serve(Stdio::null(), &[]);
    let token = place.token("alice", "editor");
    cluster.signal("STOP");
    // Each kind of thread hangs: one that reads, one that writes, and the one that listens.
    let clients: Vec<JoinHandle<()>> = (0..8)
        .map(|number| {
            let (address, token) = (server.address.clone(), token.clone());
            std::thread::spawn(move || {
                let query = match number % 2 {
                    0 => "{ credentials { totalCount } }",
                    _ => "mutation { createCredential(input: {name: \"a\", value: \"v\"}) { userErrors { code } } }",
                };
                let asked = Runtime::new().unwrap().block_on(async {
                    let client = http_client();
                    let request = client
                        .post(format!("http://{address}/graphql"))
                        .bearer_auth(token)
                        .header("content-type", "application/json")
                        .body(json!({ "query": query }).to_string());
                    request.send().await.unwrap().text().await.unwrap()
                });
                assert!(asked.contains("UNAVAILABLE"), "{asked}");
            })
        })
        .collect();
    std::thread::sleep(Duration::from_millis(500));
    let stopped = Instant::now();
    server.signal("TERM");
    let status = server.child.wait().unwrap();
    let took = stopped.elapsed();
    cluster.signal("CONT");
    assert!(status.success(), "{status}");
    assert!(took < Duration::from_secs(20), "{took:?}");
    for client in clients {
        client.join().unwrap();
    }
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = diesel::sql_types::Text)]
    line: String,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_database_that_hangs_is_unavailable_and_all_is_well_when_it_goes_on() {
    let cluster = Cluster::start(&[]).unwrap();
    let (_directory, servers) = instances(&cluster.url()).await;
    let server = &servers[0];
    let alice = server.editor("alice");
    let id = alice.create("before").await;
    cluster.signal("STOP");
    let asked = Instant::now();
    let create = json!({ "name": "meanwhile", "value": secret("v") });
    let (created, resolved, ready) = tokio::join!(
        alice.mutate("createCredential", create),
        alice
            .request()
            .header("accept", "application/graphql-response+json")
            .body(json!({ "query": "{ credentials { totalCount } }" }).to_string())
            .send(),
        server.client.get(server.url("/readyz")).send(),
    );
    let waited = asked.elapsed();
    cluster.signal("CONT");
    assert_eq!(created.codes(), ["UNAVAILABLE"]);
    assert_eq!(
        Answer::from(resolved.unwrap()).await.codes(),
        ["UNAVAILABLE"]
    );
    assert_eq!(ready.unwrap().status(), 503);
    assert!(waited < Duration::from_secs(7), "{waited:?}");
    assert!(until_ready(&servers).await < Duration::from_secs(5));
    let resolved = server.runtime().resolve(&id).await;
    assert_eq!(resolved.field()["value"], secret("before"));
    // What was refused is not done by a thread that was left behind and goes on.
    assert_eq!(find(&alice, "meanwhile").await, None);
}

#[tokio::test]
async fn without_a_database_every_request_is_unavailable_with_503_and_health_says_so() {
    let cluster = Cluster::start(&[]).unwrap();
    let (_directory, servers) = instances(&cluster.url()).await;
    let server = &servers[0];
    let tokens = [server.editor("known"), server.editor("stranger")];
    tokens[0].ask("{ viewer { id } }").await.data();
    cluster.control(&["stop", "--mode=immediate"]).unwrap();
    for person in &tokens {
        let request = person
            .request()
            .header("accept", "application/graphql-response+json");
        let body = json!({ "query": "{ credentials { totalCount } viewer { id } }" });
        let answer = request.body(body.to_string()).send().await.unwrap();
        let answer = Answer::from(answer).await;
        assert!(answer.codes().contains(&"UNAVAILABLE"), "{}", answer.body);
    }
    server.clock.shift_seconds(10);
    let request = tokens[0]
        .request()
        .header("accept", "application/graphql-response+json");
    let body = json!({ "query": "{ viewer { id } }" }).to_string();
    let answer = Answer::from(request.body(body).send().await.unwrap()).await;
    assert_eq!(
        (answer.status.as_u16(), answer.codes()),
        (503, vec!["UNAVAILABLE"])
    );
    let alive = server.client.get(server.url("/healthz")).send().await;
    assert_eq!(alive.unwrap().status(), 200);
    let ready = server.client.get(server.url("/readyz")).send().await;
    assert_eq!(ready.unwrap().status(), 503);
    cluster.control(&["start", "--wait"]).unwrap();
    assert!(until_ready(&servers).await < Duration::from_secs(5));
}
