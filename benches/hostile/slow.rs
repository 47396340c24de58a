//! A thousand clients that are slow on purpose, and how long one that is not has to wait meanwhile.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::process::ServerProcess;

const OF_EACH: usize = 200;
/// How long the ordinary client goes on asking: the slow ones are closed after ten seconds.
const LENGTH: Duration = Duration::from_secs(9);

/// Returns the 99th percentile of the ordinary client's waits.
pub fn measure(server: &ServerProcess, token: &str) -> Duration {
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
    let mut slow: Vec<TcpStream> = Vec::new();
    for start in starts {
        for _ in 0..OF_EACH {
            let mut stream = TcpStream::connect(&server.address).unwrap();
            stream.write_all(start.as_bytes()).unwrap();
            slow.push(stream);
        }
    }
    let (started, mut waits) = (Instant::now(), Vec::new());
    let mut ordinary = TcpStream::connect(&server.address).unwrap();
    let mut next_drip = Instant::now();
    while started.elapsed() < LENGTH {
        if next_drip <= Instant::now() {
            drip(&mut slow);
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
        slow.len(),
        waits.len(),
        p99.as_secs_f64() * 1_000.0
    );
    p99
}

/// One more byte from those that drip: the last two kinds.
fn drip(slow: &mut [TcpStream]) {
    for stream in slow.iter_mut().skip(3 * OF_EACH) {
        // The server may have closed it.
        let _sent = stream.write_all(b" ");
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
