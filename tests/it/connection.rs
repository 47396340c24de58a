//! Clients that are slow on purpose: each is closed in time, and others are served meanwhile.

use std::fs::File;
use std::process::Stdio;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{interval, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::support::process::ServerProcess;
use crate::support::{Server, database, http_client};

const OF_EACH: usize = 166;
/// Longer than the server allows, as the machine of a test may be busy: the benchmark `hostile` measures it.
const CLOSED_WITHIN: Duration = Duration::from_secs(40);

/// What a slow client sends at once, and what it drips after that, a byte every half second.
const KINDS: [(&str, &str, &str); 6] = [
    ("silent", "", ""),
    ("one byte", "P", ""),
    (
        "part of a header",
        "POST /graphql HTTP/1.1\r\nHost: x\r\nAuth",
        "",
    ),
    (
        "a dripped header",
        "POST /graphql HTTP/1.1\r\nX: ",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    ),
    ("part of a header behind a request", "REQUEST", ""),
    (
        "a dripped body",
        "BODY",
        "{                                                               ",
    ),
];

/// Sends slowly until the server closes the connection.
async fn client(kind: &'static str, address: String, start: String, drip: &'static str) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(start.as_bytes()).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let closed = async {
        let mut answer = Vec::new();
        // However it is closed, it is closed.
        let _closed = reader.read_to_end(&mut answer).await;
    };
    let dripping = async {
        let mut tick = interval(Duration::from_millis(500));
        for byte in drip.as_bytes() {
            tick.tick().await;
            if writer.write_all(&[*byte]).await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        closed = timeout(CLOSED_WITHIN, closed) => {
            assert!(closed.is_ok(), "{kind} was not closed");
        }
        () = dripping => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_slow_clients_are_closed_in_time_and_others_are_served_meanwhile() {
    let descriptors = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit {
        current: descriptors.maximum,
        ..descriptors
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).unwrap();
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let server = ServerProcess::start(&data, Stdio::null(), &[]);
    let token = ServerProcess::token(&data, "vera", "viewer");
    let body_start = format!(
        "POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    );
    // A client that is silent between two requests is not a slow one.
    let mut patient = Patient::connect(&server.address, &token).await;
    patient.ask().await;
    let mut follower = Follower::connect(&server.address, &token).await;
    follower.ask().await;
    let mut clients = Vec::new();
    for (kind, start, drip) in KINDS {
        let start = match start {
            "BODY" => body_start.clone(),
            "REQUEST" => format!("{}POST /gra", post(&token, "{ viewer { subject } }")),
            start => start.to_owned(),
        };
        for _ in 0..OF_EACH {
            clients.push(tokio::spawn(client(
                kind,
                server.address.clone(),
                start.clone(),
                drip,
            )));
        }
    }
    let client = http_client();
    let url = format!("http://{}/graphql", server.address);
    let mut served = 0;
    while clients.iter().any(|client| !client.is_finished()) {
        let body = json!({ "query": "{ viewer { subject } }" }).to_string();
        let request = client
            .post(&url)
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json");
        let answer = timeout(Duration::from_secs(30), request.body(body).send()).await;
        assert_eq!(answer.expect("somebody else waits").unwrap().status(), 200);
        served += 1;
    }
    patient.ask().await;
    follower.ask().await;
    assert!(served > 100, "only {served} requests were served");
    for client in clients {
        client.await.unwrap();
    }
}

fn post(token: &str, query: &str) -> String {
    let body = json!({ "query": query }).to_string();
    format!(
        "POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A connection that is kept, and used now and then.
struct Patient {
    stream: TcpStream,
    request: String,
}

impl Patient {
    async fn connect(address: &str, token: &str) -> Self {
        Self {
            stream: TcpStream::connect(address).await.unwrap(),
            request: post(token, "{ viewer { subject } }"),
        }
    }

    async fn ask(&mut self) {
        self.stream
            .write_all(self.request.as_bytes())
            .await
            .unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"}}}") {
            let count = self.stream.read_buf(&mut answer).await.unwrap();
            assert!(count > 0, "the connection was closed");
        }
        assert!(answer.starts_with(b"HTTP/1.1 200"));
    }
}

/// A WebSocket that is kept, and used now and then.
struct Follower(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Follower {
    async fn connect(address: &str, token: &str) -> Self {
        let mut request = format!("ws://{address}/graphql")
            .into_client_request()
            .unwrap();
        let protocol = HeaderValue::from_static("graphql-transport-ws");
        request
            .headers_mut()
            .insert("sec-websocket-protocol", protocol);
        let (stream, _response) = connect_async(request).await.unwrap();
        let mut follower = Self(stream);
        let payload = json!({ "Authorization": format!("Bearer {token}") });
        follower
            .send(&json!({ "type": "connection_init", "payload": payload }))
            .await;
        assert_eq!(follower.receive().await["type"], "connection_ack");
        follower
    }

    async fn send(&mut self, message: &Value) {
        self.0
            .send(Message::text(message.to_string()))
            .await
            .unwrap();
    }

    async fn receive(&mut self) -> Value {
        loop {
            if let Message::Text(text) = self.0.next().await.unwrap().unwrap() {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }

    async fn ask(&mut self) {
        self.send(&json!({ "type": "ping" })).await;
        assert_eq!(self.receive().await["type"], "pong");
    }
}

/// The kernel keeps what it can of the answers; what comes after that would keep a place for ever.
#[tokio::test]
async fn who_reads_no_answers_is_closed() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let server = ServerProcess::start(&data, Stdio::null(), &[]);
    let token = ServerProcess::token(&data, "vera", "viewer");
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let address = server.address.parse().unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    let request = post(
        &token,
        "{ __schema { types { name description fields { name description args { name description } } } } }",
    );
    let requests = request.repeat(1_000);
    let gone = async {
        // The server takes no more requests than it can answer.
        let _taken = stream.write_all(requests.as_bytes()).await;
        stream.ready(Interest::ERROR).await.unwrap();
    };
    timeout(Duration::from_mins(2), gone)
        .await
        .expect("it is kept");
}

/// A place is free again when a connection ends.
#[tokio::test]
async fn the_1025th_connection_waits_until_another_one_ends() {
    let server = Server::start().await;
    let vera = server.viewer("vera");
    let request = post(&vera.token, "{ viewer { subject } }");
    let mut held = Vec::new();
    for _ in 0..1_024 {
        let mut patient = Patient {
            stream: TcpStream::connect(server.address).await.unwrap(),
            request: request.clone(),
        };
        patient.ask().await;
        held.push(patient);
    }
    let mut waiting = Patient {
        stream: TcpStream::connect(server.address).await.unwrap(),
        request,
    };
    {
        let mut asked = std::pin::pin!(waiting.ask());
        let early = timeout(Duration::from_millis(300), &mut asked).await;
        assert!(early.is_err(), "a 1,025th connection was served");
        held.pop();
        asked.await;
    }
}

#[test]
fn a_server_out_of_descriptors_waits_and_serves_again() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let log_path = directory.path().join("log");
    let log = File::create(&log_path).unwrap();
    let mut command = std::process::Command::new("bash");
    let script = r#"ulimit -n 48; exec "$0" serve --listen 127.0.0.1:0 --data-dir "$1""#;
    command.args(["-c", script, env!("CARGO_BIN_EXE_credence")]);
    command.arg(&data);
    if let Some(url) = database::url(&data) {
        command.env("CREDENCE_DATABASE_URL", url);
    }
    let server = ServerProcess::spawn(command, Stdio::from(log));
    let token = ServerProcess::token(&data, "vera", "viewer");
    let crowd: Vec<std::net::TcpStream> = (0..100)
        .map(|_| std::net::TcpStream::connect(&server.address).unwrap())
        .collect();
    // Nothing can be accepted for as long as these are there: they stay in the kernel.
    while !std::fs::read_to_string(&log_path)
        .unwrap()
        .contains("could not be accepted")
    {
        std::thread::yield_now();
    }
    let before = processor_time(server.child.id());
    std::thread::sleep(Duration::from_secs(1));
    let spent = processor_time(server.child.id()) - before;
    assert!(spent < 50, "it spins: {spent} of 100 ticks");
    drop(crowd);
    let mut stream = std::net::TcpStream::connect(&server.address).unwrap();
    let request = post(&token, "{ viewer { subject } }");
    std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
    let mut answer = [0; 12];
    std::io::Read::read_exact(&mut stream, &mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}

/// The time that a process has used, in ticks of 10 ms.
fn processor_time(process: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// A client that was refused and told so to the end, and that still has most of its body to send.
async fn refused(address: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let header = "POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer bad\r\nContent-Type: application/json\r\nContent-Length: 1000000000\r\n\r\n";
    stream.write_all(header.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 401"));
    stream
}

/// What a refused client has sent already is read, so that it learns why; but not for ever.
#[tokio::test]
async fn who_goes_on_sending_after_a_refusal_is_closed() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let server = ServerProcess::start(&data, Stdio::null(), &[]);
    let mut stream = refused(&server.address).await;
    let mut tick = interval(Duration::from_millis(100));
    let dripping = async {
        while stream.write_all(b" ").await.is_ok() {
            tick.tick().await;
        }
    };
    timeout(CLOSED_WITHIN, dripping).await.expect("it is kept");
}

#[tokio::test]
async fn who_stays_after_a_refusal_does_not_keep_the_server_from_stopping() {
    let directory = TempDir::new().unwrap();
    let log = directory.path().join("log");
    let to_file = Stdio::from(File::create(&log).unwrap());
    let mut server = ServerProcess::start(&directory.path().join("data"), to_file, &[]);
    let _stays = refused(&server.address).await;
    server.signal("TERM");
    assert!(server.child.wait().unwrap().success());
    let log = std::fs::read_to_string(&log).unwrap();
    assert!(log.contains("stopped") && !log.contains("cut off"), "{log}");
}
