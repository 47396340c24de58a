//! Somebody who asks one server, on a connection that is kept.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::process::{Place, ServerProcess};

pub struct Client {
    stream: BufReader<TcpStream>,
    pub token: String,
    _server: ServerProcess,
}

impl Client {
    /// Starts the server of a place, and somebody with a role.
    pub fn of(place: &Place, role: &str) -> Self {
        let server = place.serve(Stdio::null(), &[]);
        Self {
            stream: BufReader::new(TcpStream::connect(&server.address).unwrap()),
            token: place.token("vera", role),
            _server: server,
        }
    }

    /// Asks, and returns how long the answer took, and what the one field is answered with.
    pub fn ask(&mut self, query: &str, variables: &Value) -> (Duration, Value) {
        let body = json!({ "query": query, "variables": variables }).to_string();
        let request = format!(
            "POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        );
        let started = Instant::now();
        self.stream.get_mut().write_all(request.as_bytes()).unwrap();
        let answer = self.answer();
        let took = started.elapsed();
        let mut answer: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(answer.get("errors"), None, "{answer}");
        let fields = answer["data"].as_object_mut().unwrap();
        let field = fields.values_mut().next().unwrap().take();
        (took, field)
    }

    fn answer(&mut self) -> Vec<u8> {
        let mut length = 0;
        loop {
            let mut line = String::new();
            assert!(self.stream.read_line(&mut line).unwrap() > 0);
            if line == "\r\n" {
                break;
            }
            let header = line.to_ascii_lowercase();
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        body
    }
}

/// The median of times.
pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

pub fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
