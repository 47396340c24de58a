//! TLS: which versions, which certificate, and that it can be replaced under load.

use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::SinkExt;
use reqwest::Version;
use reqwest::header::SET_COOKIE;
use reqwest::tls::TlsInfo;
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::{interval, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::support::browser::{Browser, WHO};
use crate::support::certificate::Authority;
use crate::support::log::Log;
use crate::support::process::{ServerProcess, credence, run, stderr};
use crate::support::{Server, database, text};

/// How long a change of the files may take to be taken over: longer than it does, as the machine of a test may be busy.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server with a certificate of this authority, in the files `server.pem` and `server.key`.
async fn start(authority: &Authority) -> Server {
    authority.certify("server");
    let (certificate, key) = (authority.path("server.pem"), authority.path("server.key"));
    let arguments = ["--tls-cert", &certificate, "--tls-key", &key];
    let mut server = Server::start_with(&arguments).await.unwrap();
    server.client = authority.client(|client| client);
    server
}

/// Shakes hands with a server, and agrees on one of these protocols.
pub async fn connect(
    authority: &Authority,
    address: SocketAddr,
    protocols: &[&str],
) -> TlsStream<TcpStream> {
    let stream = TcpStream::connect(address).await.unwrap();
    shake_hands(authority, stream, protocols).await
}

/// Shakes hands on a connection, and agrees on one of these protocols.
pub async fn shake_hands(
    authority: &Authority,
    stream: TcpStream,
    protocols: &[&str],
) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.read("ca.pem")).unwrap();
    let mut config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(name, stream).await.unwrap()
}

#[tokio::test]
async fn both_versions_of_http_are_spoken_over_both_versions_of_tls() {
    let authority = Authority::new();
    let mut server = start(&authority).await;
    for (version, tls) in [
        (Version::HTTP_11, reqwest::tls::Version::TLS_1_2),
        (Version::HTTP_11, reqwest::tls::Version::TLS_1_3),
        (Version::HTTP_2, reqwest::tls::Version::TLS_1_2),
        (Version::HTTP_2, reqwest::tls::Version::TLS_1_3),
    ] {
        server.client = authority.client(|client| {
            let client = client.tls_version_min(tls).tls_version_max(tls);
            if version == Version::HTTP_11 {
                client.http1_only()
            } else {
                client
            }
        });
        let vera = server.viewer("vera");
        let body = json!({ "query": WHO }).to_string();
        let answer = vera.request().body(body).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (200, version));
        assert!(answer.text().await.unwrap().contains("vera"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_before_1_2_and_plain_http_are_refused() {
    let authority = Authority::new();
    let server = start(&authority).await;
    let talk = |version: &str| {
        let output = Command::new("openssl")
            .args(["s_client", "-connect", &server.address.to_string(), version])
            // By itself OpenSSL offers no version that is so old.
            .args(["-cipher", "ALL:@SECLEVEL=0"])
            .stdin(Stdio::null())
            .output();
        let output = output.unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), told)
    };
    let (talked, told) = tokio::task::block_in_place(|| (talk("-tls1_2"), talk("-tls1_1")));
    assert!(talked.0, "{}", talked.1);
    assert!(!told.0 && told.1.contains("SSL alert number"), "{}", told.1);
    let plain = format!("http://{}/healthz", server.address);
    assert!(reqwest::get(plain).await.is_err());
}

#[tokio::test]
async fn cookies_are_for_tls_only() {
    let authority = Authority::new();
    let server = start(&authority).await;
    let alice = server.editor("alice");
    let mut browser = Browser::new(&server);
    let answer = browser.sign_in(json!({ "token": alice.token })).await;
    assert_eq!(answer.status, 200);
    let cookie = answer.headers[SET_COOKIE].to_str().unwrap();
    assert!(cookie.starts_with("__Host-credence-session="));
    assert!(cookie.split("; ").any(|attribute| attribute == "Secure"));
    assert_eq!(browser.ask(WHO).await.field()["subject"], "alice");
    // Where the browser does not say where a request comes from, its origin does.
    for (origin, status) in [
        (format!("https://{}", server.address), 200),
        (format!("https://localhost:{}", server.address.port()), 200),
        (format!("http://{}", server.address), 403),
    ] {
        let request = browser.bare(reqwest::Method::POST, "/graphql");
        let request = request
            .header("origin", &origin)
            .header("content-type", "application/json")
            .body(json!({ "query": WHO }).to_string());
        assert_eq!(request.send().await.unwrap().status(), status, "{origin}");
    }
}

#[tokio::test]
async fn a_websocket_goes_over_tls_and_http_1_1() {
    let authority = Authority::new();
    let server = start(&authority).await;
    let stream = connect(&authority, server.address, &["http/1.1"]).await;
    let mut request = format!("wss://localhost:{}/graphql", server.address.port())
        .into_client_request()
        .unwrap();
    request.headers_mut().insert(
        "sec-websocket-protocol",
        "graphql-transport-ws".parse().unwrap(),
    );
    let (mut socket, _) = tokio_tungstenite::client_async(request, stream)
        .await
        .unwrap();
    let payload = json!({ "Authorization": format!("Bearer {}", server.viewer("vera").token) });
    let init = json!({ "type": "connection_init", "payload": payload }).to_string();
    socket.send(Message::text(init)).await.unwrap();
    let answer = loop {
        match futures_util::StreamExt::next(&mut socket)
            .await
            .unwrap()
            .unwrap()
        {
            Message::Text(answer) => break answer,
            _ping => {}
        }
    };
    assert_eq!(
        answer.as_str(),
        json!({ "type": "connection_ack" }).to_string()
    );
}

/// The certificate that a new connection gets.
async fn served(authority: &Authority, server: &Server) -> Vec<u8> {
    let client = authority.client(|client| client.tls_info(true));
    let answer = client.get(server.url("/healthz")).send().await.unwrap();
    let info = answer.extensions().get::<TlsInfo>().unwrap();
    info.peer_certificate().unwrap().to_vec()
}

/// Returns once new connections get what the file holds.
async fn until_served(authority: &Authority, server: &Server) {
    let expected = authority.read("server.pem");
    let taken_over = async {
        let mut tick = interval(Duration::from_millis(50));
        while served(authority, server).await != expected.as_ref() {
            tick.tick().await;
        }
    };
    timeout(PATIENCE, taken_over).await.unwrap();
}

#[tokio::test]
async fn a_certificate_is_replaced_under_load_without_a_failed_request_and_a_bad_one_is_not_taken()
{
    let log = Log::begin();
    let authority = Authority::new();
    let server = Arc::new(start(&authority).await);
    let token = server.viewer("vera").token;
    let is_over = Arc::new(AtomicBool::new(false));
    let (kept, new) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut crowd = Vec::new();
    for number in 0..8 {
        // Some keep their connections, some make one for each request.
        let keeps = number % 2 == 0;
        let client = authority.client(|client| {
            let client = if keeps {
                client
            } else {
                client.pool_max_idle_per_host(0)
            };
            if number < 4 {
                client.http1_only()
            } else {
                client
            }
        });
        let served = Arc::clone(if keeps { &kept } else { &new });
        let (is_over, token, url) = (Arc::clone(&is_over), token.clone(), server.url("/graphql"));
        crowd.push(tokio::spawn(async move {
            let mut pace = interval(Duration::from_millis(20));
            while !is_over.load(Ordering::Relaxed) {
                pace.tick().await;
                let request = client.post(&url).bearer_auth(&token);
                let request = request
                    .header("content-type", "application/json")
                    .body(json!({ "query": WHO }).to_string());
                let answer = request.send().await.unwrap();
                assert_eq!(answer.status(), 200);
                assert!(answer.text().await.unwrap().contains("vera"));
                served.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    let first = served(&authority, &server).await;
    authority.certify("server");
    until_served(&authority, &server).await;
    let second = served(&authority, &server).await;
    assert_ne!(first, second);
    assert!(log.take().contains("the TLS certificate was replaced"));

    // The key of another certificate, a file that is none, and one that is not there.
    authority.certify("other");
    let key = authority.path("server.key");
    std::fs::copy(authority.path("other.key"), &key).unwrap();
    until_told(&log, "is not that of the first certificate").await;
    std::fs::write(authority.path("server.pem"), "no certificate").unwrap();
    until_told(&log, "has no certificate in PEM form").await;
    std::fs::remove_file(authority.path("server.pem")).unwrap();
    until_told(&log, "does not exist").await;
    assert_eq!(served(&authority, &server).await, second);

    authority.certify("server");
    until_served(&authority, &server).await;
    is_over.store(true, Ordering::Relaxed);
    for client in crowd {
        client.await.unwrap();
    }
    let (kept, new) = (kept.load(Ordering::Relaxed), new.load(Ordering::Relaxed));
    assert!(kept > 100 && new > 100, "{kept} and {new} requests");
}

async fn until_told(log: &Log, words: &str) {
    let told = async {
        let mut tick = interval(Duration::from_millis(50));
        while !log.take().contains(words) {
            tick.tick().await;
        }
    };
    timeout(PATIENCE, told).await.unwrap();
}

/// What `serve` says of these arguments when it does not start, and how it ends.
fn fails(data: &Path, arguments: &[&str]) -> (i32, String) {
    let output = run(&[&["serve", "--data-dir", text(data)], arguments].concat());
    (output.status.code().unwrap(), stderr(&output))
}

#[test]
fn a_bad_pair_ends_the_start_with_words_for_the_operator() {
    let authority = Authority::new();
    authority.certify("server");
    authority.certify("other");
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let (pem, key, other) = (
        authority.path("server.pem"),
        authority.path("server.key"),
        authority.path("other.key"),
    );
    let (open, no_key) = (authority.path("open.key"), authority.path("no.key"));
    for (from, to, mode) in [(&key, &open, 0o644), (&pem, &no_key, 0o600)] {
        std::fs::copy(from, to).unwrap();
        std::fs::set_permissions(to, Permissions::from_mode(mode)).unwrap();
    }
    let pair = ["--tls-cert", &pem, "--tls-key"];
    for (arguments, code, words) in [
        (vec!["--tls-cert", &*pem], 64, "--tls-key"),
        (vec!["--tls-key", &*key], 64, "--tls-cert"),
        (
            [&pair[..], &[&*other]].concat(),
            78,
            "is not that of the first certificate",
        ),
        (
            [&pair[..], &[&*no_key]].concat(),
            78,
            "has no private key in PEM form",
        ),
        ([&pair[..], &[&*open]].concat(), 78, "chmod 600"),
        ([&pair[..], &["nowhere"]].concat(), 78, "does not exist"),
        (
            vec!["--tls-cert", &*key, "--tls-key", &*key],
            78,
            "has no certificate",
        ),
        (
            [&pair[..], &[&*key, "--public-url", "http://localhost:8080"]].concat(),
            78,
            "write https://",
        ),
    ] {
        let (ended, told) = fails(&data, &arguments);
        assert!(
            ended == code && told.contains(words),
            "{arguments:?}: {ended}, {told}"
        );
    }
    assert!(!data.join("credence.db").exists());
}

#[test]
fn other_machines_are_served_over_tls_and_the_greeting_says_so() {
    let authority = Authority::new();
    authority.certify("server");
    let directory = TempDir::new().unwrap();
    let key = directory.path().join("master.key");
    assert!(run(&["keys", "generate", text(&key)]).status.success());
    let jwks = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/keys/jwks.json");
    let data = directory.path().join("data");
    let (pem, tls_key) = (authority.path("server.pem"), authority.path("server.key"));
    let mut command = credence(&["serve", "--listen", "0.0.0.0:0", "--data-dir", text(&data)]);
    command.args(["--master-key-file", text(&key), "--jwt-issuer", "i"]);
    command.args([
        "--jwks-file",
        text(&jwks),
        "--tls-cert",
        &pem,
        "--tls-key",
        &tls_key,
    ]);
    command.envs(database::url(&data).map(|url| ("CREDENCE_DATABASE_URL", url)));
    let mut server = ServerProcess::spawn(command, Stdio::null());
    server.signal("TERM");
    assert!(server.child.wait().unwrap().success());
    assert!(server.output().contains("https://0.0.0.0:"));
}
