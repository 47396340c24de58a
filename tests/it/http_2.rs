//! HTTP/2: what it carries, and the limits that keep it from carrying too much.

use std::time::Duration;

use h2::client::{SendRequest, handshake};
use hyper::body::Bytes;
use reqwest::Version;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, interval, timeout};

use crate::support::browser::WHO;
use crate::support::certificate::Authority;
use crate::support::stream::EventStream;
use crate::support::{Server, secret};
use crate::tls::connect;

/// Longer than the server allows a header, as the machine of a test may be busy.
const CLOSED_WITHIN: Duration = Duration::from_secs(40);
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A server over TLS, and who made its certificate. Its client speaks HTTP/2.
pub async fn start() -> (Server, Authority) {
    let authority = Authority::new();
    authority.certify("server");
    let (certificate, key) = (authority.path("server.pem"), authority.path("server.key"));
    let arguments = ["--tls-cert", &certificate, "--tls-key", &key];
    let mut server = Server::start_with(&arguments).await.unwrap();
    server.client = authority.client(|client| client);
    (server, authority)
}

#[tokio::test]
async fn a_query_a_mutation_and_a_stream_of_events_go_over_one_connection() {
    let (server, _authority) = start().await;
    let alice = server.editor("alice");
    let follow = "subscription { credentialChanged { action } }";
    let mut events = EventStream::open(&alice, follow, json!({})).await;
    let body = json!({ "query": WHO }).to_string();
    let answer = alice.request().body(body).send().await.unwrap();
    assert_eq!(answer.version(), Version::HTTP_2);
    assert!(answer.headers().contains_key("x-request-id"));
    let id = alice.create("a key").await;
    let (event, data) = events.next().await.unwrap();
    assert_eq!(event, "next");
    assert_eq!(
        data["data"]["credentialChanged"]["action"],
        "CREDENTIAL_CREATED"
    );
    let large = format!("{}{}", secret("large"), "x".repeat(65_000));
    let update = json!({ "credentialId": id, "value": large });
    assert_eq!(
        alice.mutate("updateCredential", update).await.user_errors(),
        [""; 0]
    );
    let resolved = server.runtime().resolve(&id).await;
    assert_eq!(resolved.field()["value"], large);
}

/// A client that sends what no good one does.
async fn client(server: &Server, authority: &Authority) -> SendRequest<Bytes> {
    let stream = connect(authority, server.address, &["h2"]).await;
    let (client, connection) = handshake(stream).await.unwrap();
    tokio::spawn(connection);
    client
}

/// A request to a path, by GET.
fn get(path: &str) -> http::request::Builder {
    http::Request::get(format!("https://localhost{path}"))
}

/// The status and the body of an answer.
async fn send(client: &SendRequest<Bytes>, request: http::Request<()>) -> (u16, Value) {
    let mut client = client.clone().ready().await.unwrap();
    let (answer, _) = client.send_request(request, true).unwrap();
    let answer = answer.await.unwrap();
    let status = answer.status().as_u16();
    let mut body = answer.into_body();
    let mut all = Vec::new();
    while let Some(part) = body.data().await {
        let part = part.unwrap();
        let _given = body.flow_control().release_capacity(part.len());
        all.extend_from_slice(&part);
    }
    (status, serde_json::from_slice(&all).unwrap_or(Value::Null))
}

#[tokio::test]
async fn headers_have_the_limits_that_they_have_over_http_1_1() {
    let (server, authority) = start().await;
    let client = client(&server, &authority).await;
    let (status, _) = send(&client, get("/healthz").body(()).unwrap()).await;
    assert_eq!(status, 200);
    let with_fields = |count: usize, length: usize| {
        let fields = 0..count;
        let value = "v".repeat(length);
        let request = fields.fold(get("/healthz"), |request, number| {
            request.header(format!("x-{number}"), &value)
        });
        request.body(()).unwrap()
    };
    assert_eq!(send(&client, with_fields(60, 10)).await.0, 200);
    let (status, body) = send(&client, with_fields(70, 10)).await;
    assert_eq!(status, 431);
    let message = body["errors"][0]["message"].as_str().unwrap();
    assert!(message.contains("64 fields"), "{message}");
    assert_eq!(send(&client, with_fields(60, 600)).await.0, 431);
    let long = get(&format!("/graphql?query={}", "q".repeat(16 * 1024)));
    assert_eq!(send(&client, long.body(()).unwrap()).await.0, 414);
    let (status, _) = send(&client, get("/healthz").body(()).unwrap()).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn a_request_names_one_host_and_is_no_tunnel() {
    let (server, authority) = start().await;
    let client = client(&server, &authority).await;
    for (host, status) in [("localhost", 200), ("other.example", 400)] {
        let request = get("/healthz").header("host", host).body(()).unwrap();
        assert_eq!(send(&client, request).await.0, status, "{host}");
    }
    let tunnel = http::Request::connect("localhost:443").body(()).unwrap();
    assert_eq!(send(&client, tunnel).await.0, 404);
    let (status, _) = send(&client, get("/healthz").body(()).unwrap()).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn a_hundred_requests_are_under_way_on_a_connection() {
    let (server, authority) = start().await;
    let stream = connect(&authority, server.address, &["h2"]).await;
    let (client, mut connection) = handshake(stream).await.unwrap();
    let mut client = client.ready().await.unwrap();
    let (answer, _) = client
        .send_request(get("/healthz").body(()).unwrap(), true)
        .unwrap();
    tokio::select! {
        answer = answer => assert_eq!(answer.unwrap().status(), 200),
        _ended = &mut connection => panic!("it was closed"),
    }
    assert_eq!(connection.max_concurrent_send_streams(), 100);
}

#[tokio::test]
async fn who_gives_up_requests_as_quickly_as_they_are_made_is_closed() {
    let (server, authority) = start().await;
    let stream = connect(&authority, server.address, &["h2"]).await;
    let (client, connection) = handshake(stream).await.unwrap();
    let ended = tokio::spawn(connection);
    let mut given_up = 0;
    let flood = async {
        let mut client = client;
        loop {
            client = match client.ready().await {
                Ok(client) => client,
                Err(_closed) => break,
            };
            let request = http::Request::post("https://localhost/graphql").body(());
            match client.send_request(request.unwrap(), false) {
                Ok((_answer, mut stream)) => stream.send_reset(h2::Reason::CANCEL),
                Err(_closed) => break,
            }
            given_up += 1;
            tokio::task::yield_now().await;
        }
    };
    timeout(CLOSED_WITHIN, flood).await.expect("it is kept");
    assert!(ended.await.unwrap().is_err());
    assert!(given_up > 150, "after {given_up} requests");
    assert_eq!(
        server.viewer("vera").ask(WHO).await.field()["subject"],
        "vera"
    );
}

/// Sends bytes over TLS, or before it, and returns how long the connection was kept.
async fn kept(server: &Server, authority: &Authority, over_tls: bool, bytes: &[u8]) -> Duration {
    let began_at = Instant::now();
    let mut answer = Vec::new();
    let closed = async {
        if over_tls {
            let mut stream = connect(authority, server.address, &["h2"]).await;
            stream.write_all(bytes).await.unwrap();
            let _closed = stream.read_to_end(&mut answer).await;
        } else {
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            stream.write_all(bytes).await.unwrap();
            let _closed = stream.read_to_end(&mut answer).await;
        }
    };
    timeout(Duration::from_mins(2), closed).await.unwrap();
    began_at.elapsed()
}

fn frame(kind: u8, flags: u8, stream: u32, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    let head = [length[1], length[2], length[3], kind, flags];
    [&head, stream.to_be_bytes().as_slice(), content].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_clients_are_closed_in_time_and_others_are_served_meanwhile() {
    let (server, authority) = start().await;
    let settings = frame(4, 0, 0, &[]);
    // `:method: GET`, `:scheme: https` and `:path: /`, of the table that HPACK has (RFC 7541, appendix A).
    let block = [0x82, 0x87, 0x84];
    let half_header = [PREFACE, &settings, &frame(1, 0x1, 1, &block)].concat();
    let half_frame = [PREFACE, &settings, &frame(1, 0x5, 1, &[0; 200])[..100]].concat();
    let hello_start = [0x16, 0x03, 0x01, 0x02, 0x00];
    let slow = [
        ("silent before the handshake", false, &[][..]),
        ("half a handshake", false, &hello_start),
        ("silent after the handshake", true, &[]),
        ("half a preface", true, &PREFACE[..10]),
        ("a preface", true, PREFACE),
        ("settings", true, &[PREFACE, &settings].concat()),
        ("a header that does not end", true, &half_header),
        ("half a frame", true, &half_frame),
    ];
    let closed = slow.map(|(what, over_tls, bytes)| {
        let (server, authority) = (&server, &authority);
        async move {
            let kept = kept(server, authority, over_tls, bytes).await;
            assert!(
                kept > Duration::from_secs(9) && kept < CLOSED_WITHIN,
                "{what}: {kept:?}"
            );
        }
    });
    let ask = async {
        let mut tick = interval(Duration::from_millis(200));
        loop {
            tick.tick().await;
            let vera = server.viewer("vera");
            let asked = timeout(Duration::from_secs(10), vera.ask(WHO)).await;
            assert_eq!(
                asked.expect("somebody else waits").field()["subject"],
                "vera"
            );
        }
    };
    tokio::select! {
        () = ask => {}
        _closed = futures_util::future::join_all(closed) => {}
    }
}

#[tokio::test]
async fn who_takes_no_answers_is_closed() {
    let (server, authority) = start().await;
    let stream = connect(&authority, server.address, &["h2"]).await;
    // Nothing may be sent to it but headers.
    let built = h2::client::Builder::new()
        .initial_window_size(0)
        .handshake::<_, Bytes>(stream)
        .await;
    let (client, connection) = built.unwrap();
    let ended = tokio::spawn(connection);
    let mut client = client.ready().await.unwrap();
    let token = server.viewer("vera").token;
    let request = get("/graphql?query=%7Bviewer%7Bsubject%7D%7D")
        .header("authorization", format!("Bearer {token}"))
        .body(());
    let (answer, _) = client.send_request(request.unwrap(), true).unwrap();
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), 200);
    let began_at = Instant::now();
    let closed = timeout(Duration::from_mins(2), ended).await;
    assert!(closed.expect("it is kept").unwrap().is_err());
    assert!(began_at.elapsed() > Duration::from_secs(30));
}

#[tokio::test]
async fn a_silent_connection_is_told_to_end_after_a_minute() {
    let (server, authority) = start().await;
    let stream = connect(&authority, server.address, &["h2"]).await;
    let (client, connection) = handshake(stream).await.unwrap();
    let ended = tokio::spawn(connection);
    assert_eq!(
        send(&client, get("/healthz").body(()).unwrap()).await.0,
        200
    );
    let began_at = Instant::now();
    let closed = timeout(Duration::from_mins(2), ended).await;
    // In good order: what the client would send from then on, it would know was not taken.
    assert!(closed.expect("it is kept").unwrap().is_ok());
    assert!(began_at.elapsed() > Duration::from_secs(55));
}

#[tokio::test]
async fn a_server_that_stops_answers_what_is_under_way_and_waits_for_nobody_else() {
    let (server, authority) = start().await;
    let silent = connect(&authority, server.address, &["h2"]).await;
    let client = client(&server, &authority).await;
    assert_eq!(
        send(&client, get("/healthz").body(()).unwrap()).await.0,
        200
    );
    let token = server.viewer("vera").token;
    let mut waiting = client.clone().ready().await.unwrap();
    let request = http::Request::post("https://localhost/graphql")
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json");
    let (answer, mut body) = waiting
        .send_request(request.body(()).unwrap(), false)
        .unwrap();
    // Its header has come when another request that was sent later is answered.
    assert_eq!(
        send(&client, get("/healthz").body(()).unwrap()).await.0,
        200
    );
    let began_at = Instant::now();
    let stopping = tokio::spawn(server.stop());
    let query = json!({ "query": WHO }).to_string();
    body.send_data(Bytes::from(query), true).unwrap();
    assert_eq!(answer.await.unwrap().status(), 200);
    drop(stopping.await.unwrap());
    assert!(began_at.elapsed() < Duration::from_secs(8));
    drop(silent);
}
