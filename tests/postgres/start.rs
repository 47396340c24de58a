//! Starting over PostgreSQL.

use std::io::{BufRead, BufReader};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use tempfile::TempDir;

use crate::support::cluster::Cluster;
use crate::support::process::{Place, ServerProcess, run, signal, stderr};
use crate::support::{database, http_client};

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

#[test]
fn another_master_key_ends_with_78_and_leaves_the_keyring_as_it_is() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    drop(ServerProcess::start(&data, Stdio::null(), &[]));
    let url = database::url(&data).unwrap();
    let mut connection = PgConnection::establish(&url).unwrap();
    let mut keyring = || {
        let query = "SELECT (SELECT string_agg(k::text, '') FROM keyring k) || (SELECT string_agg(d::text, '') FROM data_keys d) AS line";
        let row: Line = diesel::sql_query(query)
            .get_result(&mut connection)
            .unwrap();
        row.line
    };
    let before = keyring();
    let other = directory.path().join("other.key");
    let other = other.to_str().unwrap();
    assert!(run(&["keys", "generate", other]).status.success());
    let refused = |arguments: &[&str]| {
        let serve = ["serve", "--listen", "127.0.0.1:0"];
        let output = database::place(&data)
            .command(&[&serve, arguments].concat())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(78), "{}", stderr(&output));
        stderr(&output)
    };
    assert!(refused(&["--master-key-file", other]).contains("master key"));
    assert_eq!(keyring(), before);
    // The master key that is missing is not made anew, either.
    std::fs::remove_file(data.join("master.key")).unwrap();
    refused(&[]);
    assert!(!data.join("master.key").exists());
    // Credentials without a keyring are a damaged database.
    let mut connection = PgConnection::establish(&url).unwrap();
    connection
        .batch_execute("INSERT INTO users VALUES ('\\x00000000000000000000000000000000', 'i', 's', NULL, NULL, 's', 's', 0, 0);
                        INSERT INTO credentials SELECT '\\x00000000000000000000000000000000', 'n', 'n', '\\x00000000000000000000000000000000', 1, 0, 0, 0, id, '' FROM data_keys LIMIT 1;
                        DELETE FROM keyring")
        .unwrap();
    assert!(refused(&["--master-key-file", other]).contains("no keyring"));
}

#[test]
fn the_server_says_that_its_data_is_in_postgresql_and_keeps_no_file_of_a_database() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let mut server = ServerProcess::start(&data, Stdio::null(), &[]);
    let mut files: Vec<String> = std::fs::read_dir(&data)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(files, ["master.key", "signing.key"]);
    server.signal("TERM");
    assert!(server.child.wait().unwrap().success());
    let said = server.output();
    assert!(
        said.contains("with its data in the PostgreSQL database"),
        "{said}"
    );
    assert!(!said.contains("postgres://"), "{said}");
}

#[test]
fn with_an_issuer_nothing_is_kept_on_disk() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let (key, secret) = (
        directory.path().join("master.key"),
        directory.path().join("secret"),
    );
    assert!(
        run(&["keys", "generate", key.to_str().unwrap()])
            .status
            .success()
    );
    // What has the form of a master key is as good a secret as any.
    assert!(
        run(&["keys", "generate", secret.to_str().unwrap()])
            .status
            .success()
    );
    let server = ServerProcess::start(
        &data,
        Stdio::null(),
        &[
            "--master-key-file",
            key.to_str().unwrap(),
            "--jwt-key-file",
            secret.to_str().unwrap(),
            "--jwt-issuer",
            "https://id.example.com",
        ],
    );
    assert!(!data.exists());
    drop(server);
}

/// Reads a log up to a line that has these words.
fn read_until(log: &mut impl BufRead, words: &str) {
    let mut read = String::new();
    while !read.contains(words) {
        let length = log.read_line(&mut read).unwrap();
        assert!(length > 0, "{words} is not in the log: {read}");
    }
}

/// How a process ended, when it did within the time; otherwise it is killed.
pub fn end_within(process: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let began_at = Instant::now();
    while began_at.elapsed() < limit {
        if let Some(ended) = process.try_wait().unwrap() {
            return Some(ended);
        }
        std::thread::yield_now();
    }
    process.kill().unwrap();
    process.wait().unwrap();
    None
}

/// What an instance that starts holds meanwhile.
const START_LOCK: i64 = i64::from_be_bytes(*b"Credence");

#[test]
fn who_starts_while_another_one_does_says_so_can_be_stopped_and_serves_when_that_one_is_done() {
    let cluster = Cluster::start(&[]).unwrap();
    let directory = TempDir::new().unwrap();
    let place = Place {
        data: directory.path().join("data"),
        url: Some(cluster.url()),
    };
    let mut other = PgConnection::establish(&cluster.url()).unwrap();
    other
        .batch_execute(&format!("SELECT pg_advisory_lock({START_LOCK})"))
        .unwrap();
    for name in ["TERM", "INT"] {
        let mut command = place.command(&["serve", "--listen", "127.0.0.1:0"]);
        let mut waiting = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(waiting.stderr.take().unwrap());
        read_until(&mut log, "another instance is starting");
        signal(name, waiting.id());
        let ended = end_within(&mut waiting, Duration::from_secs(2));
        assert!(ended.is_some_and(|ended| ended.success()), "{name}");
    }
    let (log, written) = std::io::pipe().unwrap();
    let releasing = std::thread::spawn(move || {
        read_until(&mut BufReader::new(log), "another instance is starting");
        other
            .batch_execute(&format!("SELECT pg_advisory_unlock({START_LOCK})"))
            .unwrap();
    });
    // It returns when the server serves.
    drop(place.serve(Stdio::from(written), &[]));
    releasing.join().unwrap();
}

#[tokio::test]
async fn a_database_that_hangs_does_not_hold_up_a_server_that_is_told_to_stop() {
    let cluster = Cluster::start(&[]).unwrap();
    let directory = TempDir::new().unwrap();
    let place = Place {
        data: directory.path().join("data"),
        url: Some(cluster.url()),
    };
    let mut server = place.serve(Stdio::null(), &[]);
    let token = place.token("ada", "admin");
    let ask = async || {
        let request = http_client()
            .post(format!("http://{}/graphql", server.address))
            .bearer_auth(&token)
            .header("content-type", "application/json")
            .body(r#"{"query": "{ credentials { totalCount } }"}"#);
        request.send().await.unwrap().text().await.unwrap()
    };
    assert!(!ask().await.contains("errors"));
    cluster.signal("STOP");
    // Its thread hangs from now on, and that of the listener too.
    let answer = ask().await;
    server.signal("TERM");
    let ended = end_within(&mut server.child, Duration::from_secs(8));
    cluster.signal("CONT");
    assert!(answer.contains("UNAVAILABLE"), "{answer}");
    assert!(ended.is_some_and(|ended| ended.success()));
}
