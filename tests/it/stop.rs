//! A server that is told to stop while much is under way.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::support::client::{CREATE, RESOLVE, ask};
use crate::support::hold::Hold;
use crate::support::process::ServerProcess;
use crate::support::{database, secret};

/// How long a server may take that answers all that is under way.
const STOPPED_WITHIN: Duration = Duration::from_secs(11);

/// A request of which the server waits for the body.
struct UnderWay {
    stream: TcpStream,
    body: String,
}

impl UnderWay {
    /// The server says that it waits (RFC 9110, section 10.1.1): by then it has begun with the request.
    fn begin(address: &str, token: &str, body: &Value) -> Self {
        let body = body.to_string();
        let mut stream = TcpStream::connect(address).unwrap();
        let header = format!(
            "POST /graphql HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(header.as_bytes()).unwrap();
        let mut told = [0; 25];
        stream.read_exact(&mut told).unwrap();
        assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
        Self { stream, body }
    }

    /// Sends the body.
    fn complete(&mut self) {
        self.stream.write_all(self.body.as_bytes()).unwrap();
    }

    /// The answer, to its end. A connection that is reset fails the test.
    fn answer(mut self) -> String {
        let mut answer = String::new();
        self.stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

/// A credential of a server, and requests that create and resolve.
struct Work {
    editor: String,
    runtime: String,
    id: String,
}

impl Work {
    fn new(server: &ServerProcess, data: &Path) -> Self {
        let editor = ServerProcess::token(data, "alice", "editor");
        let values = json!({ "name": "there", "value": secret("there") });
        let created = Runtime::new()
            .unwrap()
            .block_on(ask(server, &editor, CREATE, values));
        Self {
            editor,
            runtime: ServerProcess::token(data, "runtime", "runtime"),
            id: created["credential"]["id"].as_str().unwrap().to_owned(),
        }
    }

    /// Begins so many requests, of which each second one resolves.
    fn begin(&self, server: &ServerProcess, count: usize) -> Vec<UnderWay> {
        let begin = |number: usize| {
            if number.is_multiple_of(2) {
                let values = json!({ "name": format!("n{number}"), "value": secret("n") });
                let body = json!({ "query": CREATE, "variables": values });
                UnderWay::begin(&server.address, &self.editor, &body)
            } else {
                let body = json!({ "query": RESOLVE, "variables": { "id": self.id } });
                UnderWay::begin(&server.address, &self.runtime, &body)
            }
        };
        (0..count).map(begin).collect()
    }
}

/// Tells a server to stop, and waits until it has begun to: it takes no connections any more.
fn tell_to_stop(server: &ServerProcess) -> Instant {
    let told_at = Instant::now();
    server.signal("TERM");
    while TcpStream::connect(&server.address).is_ok() {
        std::thread::yield_now();
    }
    told_at
}

/// That a server ends by itself, and in time.
#[track_caller]
fn assert_ends(mut server: ServerProcess, told_at: Instant) {
    let status = server.child.wait().unwrap();
    let took = told_at.elapsed();
    assert!(status.success(), "{status}");
    assert!(took < STOPPED_WITHIN, "it took {took:?}");
}

#[test]
fn two_hundred_requests_under_way_are_answered_while_the_server_stops() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let server = ServerProcess::start(&data, Stdio::null(), &[]);
    let work = Work::new(&server, &data);
    let mut under_way = work.begin(&server, 200);
    let half_open: Vec<TcpStream> = (0..50)
        .map(|_| {
            let mut stream = TcpStream::connect(&server.address).unwrap();
            stream.write_all(b"POST /graphql HT").unwrap();
            stream
        })
        .collect();
    let told_at = tell_to_stop(&server);
    for request in &mut under_way {
        request.complete();
    }
    for (number, request) in under_way.into_iter().enumerate() {
        let answer = request.answer();
        let expected = if number % 2 == 0 {
            "\"credential\":{\"id\":".to_owned()
        } else {
            format!("\"value\":\"{}\"", secret("there"))
        };
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.contains(&expected),
            "{number}: {answer}"
        );
    }
    for mut stream in half_open {
        let mut rest = Vec::new();
        match stream.read_to_end(&mut rest) {
            Ok(_) => assert_eq!(rest, b""),
            // Half a header was not read, or was and is not answered.
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
    }
    assert_ends(server, told_at);
    if !database::is_postgres() {
        let log = std::fs::metadata(data.join("credence.db-wal"));
        assert!(
            log.map_or(0, |log| log.len()) == 0,
            "the log was not taken in"
        );
    }
    // What was acknowledged is there.
    let server = ServerProcess::start(&data, Stdio::null(), &[]);
    let token = ServerProcess::token(&data, "vera", "viewer");
    let count = ask(
        &server,
        &token,
        "{ credentials { totalCount } }",
        Value::Null,
    );
    let count = Runtime::new().unwrap().block_on(count);
    assert_eq!(count["totalCount"], 101);
}

#[test]
fn who_waits_for_a_database_that_hangs_is_answered_too_while_the_server_stops() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let server = ServerProcess::start(&data, Stdio::null(), &[]);
    let work = Work::new(&server, &data);
    let mut under_way = work.begin(&server, 200);
    let hold = Hold::of(&data);
    for request in &mut under_way {
        request.complete();
    }
    let told_at = tell_to_stop(&server);
    for request in under_way {
        let answer = request.answer();
        let is_refused = answer.contains("\"UNAVAILABLE\"") || answer.contains("\"OVERLOADED\"");
        assert!(is_refused, "{answer}");
    }
    drop(hold);
    assert_ends(server, told_at);
}

#[test]
fn who_never_sends_the_rest_keeps_a_stopping_server_no_longer_than_ten_seconds() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let server = ServerProcess::start(&data, Stdio::null(), &[]);
    let work = Work::new(&server, &data);
    let under_way = work.begin(&server, 200);
    let told_at = tell_to_stop(&server);
    assert_ends(server, told_at);
    drop(under_way);
}

#[test]
fn a_second_signal_ends_the_server_at_once() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let mut server = ServerProcess::start(&data, Stdio::null(), &[]);
    let work = Work::new(&server, &data);
    let under_way = work.begin(&server, 1);
    let told_at = tell_to_stop(&server);
    server.signal("TERM");
    let status = server.child.wait().unwrap();
    assert_eq!(status.code(), Some(1));
    // The request would have ten seconds for its body.
    let took = told_at.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    drop(under_way);
}
