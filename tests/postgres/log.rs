//! What PostgreSQL writes down of what it is asked: statements, parameters, failing rows. No value is in it.

use std::process::Stdio;

use serde_json::json;
use tempfile::TempDir;

use crate::secrecy::{ask, use_values};
use crate::support::cluster::Cluster;
use crate::support::holds_marker;
use crate::support::process::Place;

/// The most that a server can log.
pub const LOG_EVERYTHING: [&str; 4] = [
    "log_statement = 'all'",
    "log_parameter_max_length = -1",
    "log_parameter_max_length_on_error = -1",
    "log_min_messages = 'debug1'",
];

/// How often a text is in a log.
fn count(log: &[u8], text: &str) -> usize {
    memchr::memmem::find_iter(log, text).count()
}

#[tokio::test]
async fn neither_the_log_nor_a_file_of_postgresql_holds_a_value() {
    let cluster = Cluster::start(&LOG_EVERYTHING).unwrap();
    let directory = TempDir::new().unwrap();
    let place = Place {
        data: directory.path().join("data"),
        url: Some(cluster.url()),
    };
    let server = place.serve(Stdio::null(), &[]);
    let (admin, runtime) = (
        place.token("ada", "admin"),
        place.token("runtime", "runtime"),
    );
    use_values(&server, &admin, &runtime).await;
    let asks_for = async |selection: &str| {
        let query = format!("{{ credentials {{ {selection} }} }}");
        let body = json!({ "query": query }).to_string();
        ask(&server, &admin, body).await.data();
        count(&cluster.log(), "SELECT COUNT(*) FROM \"credentials\"")
    };
    // Nothing is counted that nobody asked for.
    let counted = asks_for("nodes { id } pageInfo { hasNextPage }").await;
    assert_eq!(counted, 0);
    assert_eq!(asks_for("totalCount").await, 1);
    drop(server);
    cluster.control(&["stop", "--mode=fast"]).unwrap();
    let log = cluster.log();
    assert!(String::from_utf8_lossy(&log).contains("INSERT INTO \"credentials\""));
    assert!(!holds_marker(&log), "the log holds a value");
    let mut files = vec![cluster.data()];
    let mut read = 0;
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(
                std::fs::read_dir(path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        } else {
            let content = std::fs::read(&path).unwrap();
            assert!(!holds_marker(&content), "{} holds a value", path.display());
            read += content.len();
        }
    }
    assert!(read > 10_000_000);
}

/// The log of the server that the whole suite ran on, when it is named: `.ci/run` looks through it afterwards.
#[test]
#[ignore = "reads the log that CREDENCE_TEST_POSTGRES_LOG names"]
fn the_log_of_the_whole_suite_holds_no_value() {
    let path = std::env::var("CREDENCE_TEST_POSTGRES_LOG").unwrap();
    let log = std::fs::read(path).unwrap();
    let text = String::from_utf8_lossy(&log);
    let resolves = text.matches("CREDENTIAL_RESOLVED").count();
    assert!(resolves > 1_000, "the log has {resolves} resolves only");
    assert!(!holds_marker(&log), "the log holds a value");
}
