//! A crowd whose database hangs: who gets no connection is told so at once, health is told meanwhile, and all is as before when it goes on.

use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::support::database::{part_of, takes_whole_volumes};
use crate::support::hold::Hold;
use crate::support::process::ServerProcess;
use crate::support::{http_client, tell};

/// How many connections read.
const READERS: usize = 8;
/// The shortest time for which one that reads has its connection when the database hangs.
const SHORTEST_READ: Duration = Duration::from_secs(2);
const READ: &str = "{ credentials(first: 1) { totalCount } }";

/// How a request ended.
struct Ended {
    asked_at: Instant,
    took: Duration,
    status: StatusCode,
    /// The code of the error, when there is one.
    code: Option<String>,
}

#[derive(Clone)]
struct Asker {
    client: Client,
    url: String,
    token: String,
}

impl Asker {
    fn new(server: &ServerProcess, token: &str) -> Self {
        Self {
            client: http_client(),
            url: format!("http://{}", server.address),
            token: token.to_owned(),
        }
    }

    async fn ask(&self) -> Ended {
        let asked_at = Instant::now();
        let request = self
            .client
            .post(format!("{}/graphql", self.url))
            .bearer_auth(&self.token)
            .header("content-type", "application/json")
            .body(json!({ "query": READ }).to_string());
        let response = request.send().await.unwrap();
        let status = response.status();
        let bytes = response.bytes().await.unwrap();
        let answer: Value = serde_json::from_slice(&bytes).unwrap();
        let code = answer["errors"][0]["extensions"]["code"].as_str();
        Ended {
            asked_at,
            took: asked_at.elapsed(),
            status,
            code: code.map(str::to_owned),
        }
    }

    /// Asks again and again until it is told to stop.
    async fn ask_on(self, stop: watch::Receiver<bool>) -> Vec<Ended> {
        let mut ended = Vec::new();
        while !*stop.borrow() {
            ended.push(self.ask().await);
        }
        ended
    }

    /// Asks for the health again and again. Returns how long the longest answer took.
    async fn watch_health(self, stop: watch::Receiver<bool>) -> Duration {
        let mut longest = Duration::ZERO;
        while !*stop.borrow() {
            let asked_at = Instant::now();
            let health = self.client.get(format!("{}/healthz", self.url)).send();
            assert_eq!(health.await.unwrap().status(), 200);
            longest = longest.max(asked_at.elapsed());
            sleep(Duration::from_millis(10)).await;
        }
        longest
    }
}

/// How long answers are counted before the database hangs, and from a second after that on.
fn counted_for() -> Duration {
    Duration::from_secs(if takes_whole_volumes() { 4 } else { 2 })
}

/// A figure that is kept to where the machine has nothing else to do; elsewhere, it only must not be beyond all bounds.
fn limit(figure: Duration) -> Duration {
    if takes_whole_volumes() && !cfg!(debug_assertions) {
        figure
    } else {
        figure + Duration::from_secs(3)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_is_refused_in_time_while_the_database_hangs_and_served_right_after() {
    let crowd = part_of(500, 100);
    let holds_for = Duration::from_secs(if takes_whole_volumes() { 30 } else { 3 });
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let server = ServerProcess::start(&data, Stdio::null(), &[]);
    let asker = Asker::new(&server, &ServerProcess::token(&data, "vera", "viewer"));
    assert_eq!(asker.ask().await.code, None);
    let (stop, stopped) = watch::channel(false);
    let began_at = Instant::now();
    let asking: Vec<_> = (0..crowd)
        .map(|_| tokio::spawn(asker.clone().ask_on(stopped.clone())))
        .collect();
    sleep(Duration::from_secs(1) + counted_for()).await;
    let hold = tokio::task::spawn_blocking(move || Hold::of(&data))
        .await
        .unwrap();
    let held_at = Instant::now();
    let (enough, watched) = watch::channel(false);
    let other = Asker::new(&server, "");
    let health = tokio::spawn(other.watch_health(watched));
    sleep(holds_for).await;
    enough.send(true).unwrap();
    let longest_health = health.await.unwrap();
    drop(hold);
    let released_at = Instant::now();
    sleep(Duration::from_secs(1) + counted_for()).await;
    stop.send(true).unwrap();
    let ended: Vec<Ended> = join_all(asking)
        .await
        .into_iter()
        .flat_map(Result::unwrap)
        .collect();

    assert!(
        longest_health < limit(Duration::from_millis(50)),
        "/healthz took {longest_health:?}"
    );
    // Those that read when it began to hang, and those that got a connection from them, waited for the database.
    let meanwhile = |one: &&Ended| one.asked_at > held_at && one.asked_at + one.took < released_at;
    let meanwhile: Vec<&Ended> = ended.iter().filter(meanwhile).collect();
    let is_refused = |one: &&&Ended| {
        one.code.as_deref() == Some("OVERLOADED") && one.took < limit(Duration::from_millis(600))
    };
    let refused = meanwhile.iter().filter(is_refused).count();
    let rounds = holds_for.as_secs() / SHORTEST_READ.as_secs() + 1;
    let others = READERS * usize::try_from(rounds).unwrap();
    assert!(refused >= crowd, "{refused} were refused");
    assert!(
        meanwhile.len() - refused <= others,
        "{} of {} were not refused in time",
        meanwhile.len() - refused,
        meanwhile.len()
    );
    for one in &meanwhile {
        let status = one.status.as_u16();
        assert!(
            matches!(one.code.as_deref(), Some("OVERLOADED" | "UNAVAILABLE")),
            "{:?}",
            one.code
        );
        assert!(status == 503 || status == 200, "{status}");
    }
    // When nobody remembers the users any more, nothing at all is done for a request.
    let unknown_from = held_at + Duration::from_secs(5);
    assert!(
        meanwhile
            .iter()
            .all(|one| one.asked_at < unknown_from || one.status == 503)
    );
    let longest = meanwhile
        .iter()
        .filter(is_refused)
        .map(|one| one.took)
        .max();

    let served = |from: Instant| {
        let until = from + counted_for();
        let within = |one: &&Ended| (from..until).contains(&(one.asked_at + one.took));
        let good = ended.iter().filter(within).filter(|one| one.code.is_none());
        good.count()
    };
    let again_at = released_at + limit(Duration::from_secs(1));
    let late = ended
        .iter()
        .filter(|one| one.asked_at + one.took >= again_at && one.code.is_some());
    assert_eq!(late.count(), 0, "some are still refused");
    let before = served(began_at + Duration::from_secs(1));
    let after = served(released_at + Duration::from_secs(1));
    tell(&format!(
        "{crowd} clients, held for {holds_for:?}: {refused} refused, the last after {longest:?}; /healthz within {longest_health:?}; {before} answers in {:?} before, {after} in as long after",
        counted_for()
    ));
    let wanted = if takes_whole_volumes() {
        before * 9 / 10
    } else {
        1
    };
    assert!(after >= wanted, "{before} before, {after} after");
}

/// Held and let go again and again, in the middle of what reads: nobody keeps a connection for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_short_hangs_leave_no_connection_behind() {
    let rounds = part_of(1_000, 30);
    let directory = TempDir::new().unwrap();
    let data = Arc::new(directory.path().join("data"));
    let server = ServerProcess::start(&data, Stdio::null(), &[]);
    let asker = Asker::new(&server, &ServerProcess::token(&data, "vera", "viewer"));
    assert_eq!(asker.ask().await.code, None);
    for round in 0..rounds {
        let held = Arc::clone(&data);
        let hold = tokio::task::spawn_blocking(move || Hold::of(&held))
            .await
            .unwrap();
        let asking: Vec<_> = (0..2 * READERS)
            .map(|_| {
                let asker = asker.clone();
                tokio::spawn(async move { asker.ask().await })
            })
            .collect();
        sleep(Duration::from_millis(20)).await;
        drop(hold);
        for ended in join_all(asking).await {
            let code = ended.unwrap().code;
            let is_answered = matches!(code.as_deref(), None | Some("OVERLOADED"));
            assert!(is_answered, "round {round}: {code:?}");
        }
    }
    let all = join_all((0..READERS).map(|_| asker.ask())).await;
    assert!(all.iter().all(|ended| ended.code.is_none()));
}
