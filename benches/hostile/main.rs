//! `cargo bench --bench hostile`: how long the server takes to refuse documents that ask for too much, how much memory that
//! costs it, and how others fare while a thousand clients are slow on purpose.
//!
//! The documents are those of `tests/it/document.rs`. Each is sent several times to one server process; the median counts.

#![expect(
    clippy::format_collect,
    clippy::format_push_string,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement that goes wrong has to end at once, and its outcome is what is printed"
)]

#[path = "../../tests/it/support/hostile.rs"]
mod hostile;
#[path = "../support/outcome.rs"]
mod outcome;
#[path = "../../tests/it/support/process.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod process;
mod slow;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use process::{Place, ServerProcess};
use tempfile::TempDir;

const REPEATS: usize = 5;
const TIME_AIM: Duration = Duration::from_millis(50);
const MEMORY_AIM_KIB: u64 = 64 * 1024;

fn main() -> ExitCode {
    // `cargo test` runs benches too, and has nothing to measure.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let directory = TempDir::new().unwrap();
    let place = Place {
        data: directory.path().to_owned(),
        url: None,
    };
    let (server, token) = (
        place.serve(Stdio::null(), &[]),
        place.token("vera", "viewer"),
    );
    let (slowest, growth_kib) = measure_documents(&server, &token);
    let slow_met = slow::measure(&server, &token);
    let met = slowest < TIME_AIM && growth_kib < MEMORY_AIM_KIB && slow_met;
    outcome::tell(met)
}

/// The slowest document's median time, and how much memory the server has more after all of them.
fn measure_documents(server: &ServerProcess, token: &str) -> (Duration, u64) {
    let mut slowest = Duration::ZERO;
    ask(server, token, "{ viewer { id } }");
    let before = peak_memory_kib(server);
    println!("{:>10}  document", "median ms");
    for (what, _code, document) in hostile::hostile() {
        let mut times: Vec<Duration> = (0..REPEATS)
            .map(|_| {
                let started = Instant::now();
                let answer = ask(server, token, &document);
                assert!(answer.contains("\"errors\""), "{what}: {answer}");
                started.elapsed()
            })
            .collect();
        times.sort();
        let median = times.get(REPEATS / 2).copied().unwrap();
        println!("{:>10.2}  {what}", median.as_secs_f64() * 1_000.0);
        slowest = slowest.max(median);
    }
    let growth = peak_memory_kib(server).saturating_sub(before);
    println!(
        "Slowest: {:.2} ms (aim: below {} ms).",
        slowest.as_secs_f64() * 1_000.0,
        TIME_AIM.as_millis()
    );
    println!(
        "Memory at its peak: {} MiB more than before (aim: below {} MiB).",
        growth / 1_024,
        MEMORY_AIM_KIB / 1_024
    );
    (slowest, growth)
}

/// The most memory that the server ever had at once, in KiB.
fn peak_memory_kib(server: &ServerProcess) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn ask(server: &ServerProcess, token: &str, document: &str) -> String {
    let body = serde_json::json!({ "query": document }).to_string();
    let mut stream = TcpStream::connect(&server.address).unwrap();
    let head = format!(
        "POST /graphql HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
