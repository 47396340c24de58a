//! A thousand clients that are slow on purpose: how long until they are closed, and how long one that is not slow waits meanwhile.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::process::ServerProcess;

const OF_EACH: usize = 200;
/// How long the ordinary client goes on asking at most.
const LENGTH_LIMIT: Duration = Duration::from_mins(1);
const LATENCY_AIM: Duration = Duration::from_millis(50);
const CLOSED_AIM: Duration = Duration::from_secs(15);

/// Whether the slow clients were closed in time, and the ordinary one was answered in time.
pub fn measure(server: &ServerProcess, token: &str) -> bool {
    let body = format!(
        "POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    );
    let starts = [
        "",
        "P",
        "POST /graphql HTTP/1.1\r\nHost: x\r\nAuth",
        "POST /graphql HTTP/1.1\r\nX: ",
        body.as_str(),
    ];
    let mut slow: Vec<(bool, TcpStream)> = Vec::new();
    for (kind, start) in starts.into_iter().enumerate() {
        for _ in 0..OF_EACH {
            let mut stream = TcpStream::connect(&server.address).unwrap();
            stream.write_all(start.as_bytes()).unwrap();
            stream.set_nonblocking(true).unwrap();
            slow.push((kind >= 3, stream));
        }
    }
    let (started, mut waits) = (Instant::now(), Vec::new());
    let mut ordinary = TcpStream::connect(&server.address).unwrap();
    let mut next_drip = Instant::now();
    let mut closed = started.elapsed();
    while !slow.is_empty() && started.elapsed() < LENGTH_LIMIT {
        if next_drip <= Instant::now() {
            slow.retain_mut(|(drips, stream)| is_open(stream, *drips));
            closed = started.elapsed();
            next_drip = Instant::now() + Duration::from_millis(500);
        }
        let asked = Instant::now();
        ask(&mut ordinary, token);
        waits.push(asked.elapsed());
    }
    waits.sort();
    let p99 = waits.get(waits.len() * 99 / 100).copied().unwrap();
    println!(
        "Beside {} slow clients, {} requests were answered one after the other: 99 of 100 within {:.2} ms (aim: below 50 ms).",
        OF_EACH * starts.len(),
        waits.len(),
        p99.as_secs_f64() * 1_000.0
    );
    println!(
        "The slow clients were closed within {:.1} s (aim: below 15 s), but for {}.",
        closed.as_secs_f64(),
        slow.len()
    );
    slow.is_empty() && closed < CLOSED_AIM && p99 < LATENCY_AIM
}

/// Sends one more byte when the client is one that drips. Returns whether the server still keeps the connection.
fn is_open(stream: &mut TcpStream, drips: bool) -> bool {
    if drips {
        // The server may have closed it.
        let _sent = stream.write_all(b" ");
    }
    let mut buffer = [0; 4_096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return false,
            Ok(_answer) => {}
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    }
}

fn ask(stream: &mut TcpStream, token: &str) {
    let body = r#"{"query":"{ viewer { subject } }"}"#;
    let request = format!(
        "POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let mut buffer = [0; 4_096];
    while !answer.ends_with(b"}}}") {
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "the ordinary client was closed");
        answer.extend_from_slice(buffer.get(..count).unwrap());
    }
}
