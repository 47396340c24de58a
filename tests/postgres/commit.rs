//! A connection that breaks at a given moment of a transaction: before the commit is sent, the job is done again; after that, never.

use std::sync::{Arc, Mutex};

use credence::types::clock::Clock;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::cluster::Cluster;
use crate::support::metrics::Scrape;
use crate::support::{Server, secret};

/// At which message a connection breaks, once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Break {
    Never,
    /// Within the transaction, before the commit.
    AtWork,
    /// It reaches the database, and its answer reaches nobody.
    AtCommit,
}

/// The next break, which happens once.
#[derive(Clone)]
struct Breaks(Arc<Mutex<Break>>);

impl Breaks {
    fn set(&self, moment: Break) {
        *self.0.lock().unwrap() = moment;
    }

    fn take(&self, moment: Break) -> bool {
        let mut next = self.0.lock().unwrap();
        let is_now = *next == moment;
        if is_now {
            *next = Break::Never;
        }
        is_now
    }
}

/// Hands bytes on between the server and the database.
async fn proxy(listener: TcpListener, database: u16, breaks: Breaks) {
    loop {
        let (server, _peer) = listener.accept().await.unwrap();
        let breaks = breaks.clone();
        tokio::spawn(async move {
            let upstream = TcpStream::connect(("127.0.0.1", database)).await.unwrap();
            // However a connection ends, it has ended.
            let _ended = hand_on(server, upstream, &breaks).await;
        });
    }
}

async fn hand_on(
    mut server: TcpStream,
    mut database: TcpStream,
    breaks: &Breaks,
) -> std::io::Result<()> {
    let (mut from_server, mut from_database) = (vec![0; 65_536], vec![0; 65_536]);
    let mut began = false;
    loop {
        tokio::select! {
            read = server.read(&mut from_server) => {
                let bytes = &from_server[..read?];
                let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
                if bytes.is_empty() || began && breaks.take(Break::AtWork) {
                    return Ok(());
                }
                began = has("BEGIN");
                database.write_all(bytes).await?;
                if has("COMMIT") && breaks.take(Break::AtCommit) {
                    // The answer says that it is done.
                    let _answer = database.read(&mut from_database).await?;
                    return Ok(());
                }
            }
            read = database.read(&mut from_database) => {
                let bytes = &from_database[..read?];
                if bytes.is_empty() {
                    return Ok(());
                }
                server.write_all(bytes).await?;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_sent_to_be_committed_is_never_done_again_and_what_was_not_is() {
    let cluster = Cluster::start(&[]).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let breaks = Breaks(Arc::new(Mutex::new(Break::Never)));
    tokio::spawn(proxy(listener, cluster.port, breaks.clone()));
    let directory = TempDir::new().unwrap();
    let url = format!("postgres://postgres@127.0.0.1:{port}/postgres?sslmode=disable");
    let arguments = ["--database-url", url.as_str()];
    let data = directory.path().join("data");
    let server = Server::instance(&data, Clock::system(), &arguments)
        .await
        .unwrap();
    let alice = server.editor("alice");
    let id = alice.create("kept").await;
    let rotate = json!({ "credentialId": id, "value": secret("next") });
    let version = async || {
        let query = "query($id: ID!) { credential(id: $id) { valueVersion } }";
        let answer = alice.ask_with(query, json!({ "id": id })).await;
        answer.field()["valueVersion"].clone()
    };
    breaks.set(Break::AtWork);
    let answer = alice.mutate("updateCredential", rotate.clone()).await;
    assert_eq!(answer.field()["credential"]["valueVersion"], 2);
    assert!(breaks.take(Break::Never), "nothing broke");
    assert_eq!(version().await, 2);
    breaks.set(Break::AtCommit);
    let answer = alice.mutate("updateCredential", rotate.clone()).await;
    assert_eq!(answer.codes(), ["UNAVAILABLE"]);
    // It was made, and once.
    assert_eq!(version().await, 3);
    let answer = alice.mutate("updateCredential", rotate).await;
    assert_eq!(answer.field()["credential"]["valueVersion"], 4);
}

#[tokio::test]
async fn a_transaction_that_was_undone_is_not_counted_as_committed() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    alice.create("taken").await;
    let committed = async || {
        let scrape = Scrape::of(&server).await;
        scrape.value("credence_commits_total{outcome=\"committed\"}")
    };
    let before = committed().await;
    for _ in 0..50 {
        let input = json!({ "name": "taken", "value": secret("v") });
        let refused = alice.mutate("createCredential", input).await;
        assert_eq!(refused.user_errors(), ["TAKEN name"]);
    }
    // A few the server makes by itself.
    let made = committed().await - before;
    assert!(made < 25, "{made}");
}
