//! The memory of a server, looked through by root once nobody talks to it: no value is in it, and keys are in their own pages only.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use credence::crypto::digest::derive_key;
use credence::crypto::locked_key::LockedKey;
use credence::crypto::seal::SealingKey;
use credence::store::keyring::find_keyring;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{interval, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::secrecy::use_values;
use crate::support::certificate::Authority;
use crate::support::client::{CREATE, RESOLVE};
use crate::support::memory::{Found, Memory};
use crate::support::process::ServerProcess;
use crate::support::{MARKER, database, marker_forms, secret};

/// How long the server may take to see that its clients are gone.
const PATIENCE: Duration = Duration::from_mins(2);

/// The memory of a process. Where not even root may read it, the test says that it is skipped, and in CI that is a failure.
fn memory_of(server: &ServerProcess) -> Option<Memory> {
    let memory = Memory::open(server.child.id());
    if memory.is_none() {
        let told = "\n==== The memory of a server was NOT looked through: that takes root, with all its rights.\n";
        std::io::stderr().write_all(told.as_bytes()).unwrap();
        assert!(std::env::var_os("CI").is_none(), "{told}");
    }
    memory
}

/// How many connections of clients a server has open on its side (proc(5): a local port in hexadecimal, and the state).
fn sockets(server: &ServerProcess) -> usize {
    const OPEN: [&str; 2] = ["01", "08"];
    let address: SocketAddr = server.address.parse().unwrap();
    let port = format!(":{:04X}", address.port());
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let connections = table.lines().skip(1).filter(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        columns[1].ends_with(&port) && OPEN.contains(&columns[3])
    });
    connections.count()
}

/// Returns once the server has no more connections than that.
async fn until_idle(server: &ServerProcess, idle: usize) {
    let waiting = async {
        let mut tick = interval(Duration::from_millis(100));
        while sockets(server) > idle {
            tick.tick().await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap();
}

/// Everything that a value may be written as: as it is, in hexadecimal, in base64, as a JSON text with nothing but escapes, in UTF-16.
fn forms() -> Vec<Vec<u8>> {
    let mut forms = marker_forms();
    forms.push(escaped(MARKER).into_bytes());
    forms.push(MARKER.encode_utf16().flat_map(u16::to_le_bytes).collect());
    forms
}

/// A text of which every character is an escape of JSON.
fn escaped(text: &str) -> String {
    text.chars()
        .map(|c| format!("\\u{:04x}", u32::from(c)))
        .collect()
}

fn told(found: &[Found]) -> String {
    let lines = found.iter().take(40).map(|found| {
        format!(
            "{} in {}: {}\n",
            found.needle, found.mapping.told, found.around
        )
    });
    format!("{} places\n{}", found.len(), lines.collect::<String>())
}

/// A value, long enough to be told by a part of it.
fn long(name: &str) -> String {
    format!("{}-{}", secret(name), format!("{MARKER}/").repeat(200))
}

/// Sends a body to the server.
async fn post(
    client: &reqwest::Client,
    url: &str,
    token: &str,
    accept: &str,
    body: String,
) -> String {
    let request = client
        .post(url)
        .bearer_auth(token)
        .header("content-type", "application/json")
        .header("accept", accept);
    let answer = request.body(body).send().await.unwrap();
    answer.text().await.unwrap()
}

/// Creates and resolves in the ways that `use_values` does not know.
async fn use_forms(client: &reqwest::Client, url: &str, admin: &str, runtime: &str) {
    for accept in [
        "application/json",
        "text/event-stream",
        "application/graphql-response+json",
    ] {
        let name = format!("{accept} {url}");
        let value = escaped(&long("escaped"));
        let body = format!(
            "{{\"query\":{},\"variables\":{{\"name\":{},\"value\":\"{value}\"}}}}",
            json!(CREATE),
            json!(name)
        );
        let created = post(client, url, admin, accept, body).await;
        let id = created.split_once("\"id\":\"").unwrap().1[..36].to_owned();
        let body = json!({ "query": RESOLVE, "variables": { "id": id } }).to_string();
        let resolved = post(client, url, runtime, accept, body).await;
        assert!(resolved.contains(&long("escaped")), "{resolved}");
        let literal = format!(
            "mutation {{ updateCredential(input: {{credentialId: \"{id}\", value: \"{}\"}}) {{ userErrors {{ code }} }} }}",
            long("literal")
        );
        let updated = post(
            client,
            url,
            admin,
            accept,
            json!({ "query": literal }).to_string(),
        )
        .await;
        assert!(updated.contains("\"userErrors\":[]"), "{updated}");
    }
}

/// Creates and resolves over a WebSocket.
async fn use_socket(server: &ServerProcess, token: &str, name: &str) {
    let mut request = format!("ws://{}/graphql", server.address)
        .into_client_request()
        .unwrap();
    let protocol = "graphql-transport-ws".parse().unwrap();
    request
        .headers_mut()
        .insert("sec-websocket-protocol", protocol);
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    let payload = json!({ "Authorization": format!("Bearer {token}") });
    let variables = json!({ "name": name, "value": long(name) });
    let operation = json!({ "query": CREATE, "variables": variables });
    for message in [
        json!({ "type": "connection_init", "payload": payload }),
        json!({ "type": "subscribe", "id": "1", "payload": operation }),
    ] {
        socket
            .send(Message::text(message.to_string()))
            .await
            .unwrap();
    }
    loop {
        let Message::Text(text) = socket.next().await.unwrap().unwrap() else {
            continue;
        };
        let message: Value = serde_json::from_str(&text).unwrap();
        if message["type"] == "next" {
            assert!(message["payload"].get("errors").is_none(), "{message}");
        }
        if message["type"] == "complete" {
            break;
        }
    }
    socket.close(None).await.unwrap();
}

#[tokio::test]
async fn no_value_is_left_once_nobody_talks_to_the_server() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let server = ServerProcess::start(&data, Stdio::null(), &[]);
    let Some(mut memory) = memory_of(&server) else {
        return;
    };
    // What is looked for is found where it is.
    let here = long("here");
    let mut own = Memory::open(std::process::id()).unwrap();
    assert!(
        !own.find(&forms()).is_empty(),
        "{} is not found",
        here.len()
    );
    assert!(memory.find(&forms()).is_empty());
    let idle = sockets(&server);
    let admin = ServerProcess::token(&data, "ada", "admin");
    let runtime = ServerProcess::token(&data, "runtime", "runtime");
    use_values(&server, &admin, &runtime).await;
    let client = crate::support::http_client();
    let url = format!("http://{}/graphql", server.address);
    use_forms(&client, &url, &admin, &runtime).await;
    use_socket(&server, &admin, "by socket").await;
    drop(client);
    until_idle(&server, idle).await;
    let found = memory_of(&server).unwrap().find(&forms());
    assert!(found.is_empty(), "{}", told(&found));
}

/// A connection that its client keeps may be silent for a minute.
#[tokio::test]
async fn no_value_is_left_in_the_buffers_of_a_connection_that_is_kept() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let server = ServerProcess::start(&data, Stdio::null(), &[]);
    if memory_of(&server).is_none() {
        return;
    }
    let idle = sockets(&server);
    let admin = ServerProcess::token(&data, "ada", "admin");
    let runtime = ServerProcess::token(&data, "runtime", "runtime");
    let client = crate::support::http_client();
    let url = format!("http://{}/graphql", server.address);
    use_forms(&client, &url, &admin, &runtime).await;
    let found = memory_of(&server).unwrap().find(&forms());
    assert_eq!(sockets(&server), idle + 1, "the connection was not kept");
    assert!(found.is_empty(), "{}", told(&found));
}

#[tokio::test]
async fn no_value_is_left_of_what_came_over_tls() {
    let authority = Authority::new();
    authority.certify("server");
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let (certificate, key) = (authority.path("server.pem"), authority.path("server.key"));
    let arguments = ["--tls-cert", &certificate, "--tls-key", &key];
    let server = ServerProcess::start(&data, Stdio::null(), &arguments);
    if memory_of(&server).is_none() {
        return;
    }
    let idle = sockets(&server);
    let admin = ServerProcess::token(&data, "ada", "admin");
    let runtime = ServerProcess::token(&data, "runtime", "runtime");
    let port = server.address.rsplit_once(':').unwrap().1;
    for (host, http_1) in [("127.0.0.1", true), ("localhost", false)] {
        let client = authority.client(|client| {
            let address = server.address.parse().unwrap();
            let client = client.resolve("localhost", address);
            if http_1 { client.http1_only() } else { client }
        });
        let url = format!("https://{host}:{port}/graphql");
        use_forms(&client, &url, &admin, &runtime).await;
    }
    until_idle(&server, idle).await;
    let found = memory_of(&server).unwrap().find(&forms());
    assert!(found.is_empty(), "{}", told(&found));
}

/// The keys of a server in local mode: those that it must not have any more, and those that it works with.
fn keys_of(data: &Path) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let text = std::fs::read_to_string(data.join("master.key")).unwrap();
    let encoded = text.trim().strip_prefix("ck1_").unwrap();
    let master = URL_SAFE_NO_PAD.decode(encoded).unwrap()[..32].to_vec();
    let database = database::database(data);
    let mut connection = database.connect_read_only().unwrap().unwrap();
    let stored = find_keyring(&mut connection).unwrap().unwrap();
    let wrapping = derive_key(&master, &[], "kek/wrap/v1").unwrap();
    let (mut gone, mut kept) = (
        vec![encoded.as_bytes().to_vec(), master],
        vec![wrapping.to_vec()],
    );
    let wrapping = SealingKey::new(0, LockedKey::copy_of(&wrapping).unwrap());
    for row in &stored.keys {
        let id = row.id.0.to_be_bytes();
        let context: [&[u8]; 4] = [
            b"credence/data-key/v1",
            &stored.deployment_id,
            &id,
            row.purpose.as_bytes(),
        ];
        let key = wrapping.open(&row.copies[0].wrapped, &context).unwrap();
        let derived: &[&str] = match row.purpose.as_str() {
            "VALUE" => &["cred/value/v1"],
            "CURSOR" => &["cursor/v1", "session/v1"],
            "AUDIT" => &["audit/chain/v1"],
            _ => &[],
        };
        kept.extend(derived.iter().map(|purpose| {
            derive_key(&key, &stored.deployment_id, purpose)
                .unwrap()
                .to_vec()
        }));
        gone.push(key.to_vec());
    }
    (gone, kept)
}

#[tokio::test]
async fn keys_are_in_locked_pages_only_and_those_that_opened_them_are_gone() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let server = ServerProcess::start(&data, Stdio::null(), &[]);
    let admin = ServerProcess::token(&data, "ada", "admin");
    let runtime = ServerProcess::token(&data, "runtime", "runtime");
    if memory_of(&server).is_none() {
        return;
    }
    let (gone, kept) = keys_of(&data);
    let url = format!("http://{}/graphql", server.address);
    let idle = sockets(&server);
    let client = crate::support::http_client();
    use_forms(&client, &url, &admin, &runtime).await;
    drop(client);
    until_idle(&server, idle).await;
    let mut memory = memory_of(&server).unwrap();
    let found = memory.find(&gone);
    assert!(found.is_empty(), "what should be gone: {}", told(&found));
    let found = memory.find(&kept);
    for needle in 0..kept.len() {
        assert!(
            found.iter().any(|found| found.needle == needle),
            "key {needle} is not found"
        );
    }
    let is_apart = |found: &Found| {
        let flags = &found.mapping.flags;
        ["lo", "dd"]
            .iter()
            .all(|wanted| flags.iter().any(|flag| flag == wanted))
    };
    let astray: Vec<Found> = found.into_iter().filter(|found| !is_apart(found)).collect();
    assert!(
        astray.is_empty(),
        "outside of the locked pages: {}",
        told(&astray)
    );
}
