//! The places of requests on all connections of HTTP/2: who takes answers slowly, or not at all, keeps some of them, and never all.

use std::net::{Ipv4Addr, SocketAddr};

use h2::RecvStream;
use h2::client::{Builder, SendRequest};
use hyper::body::Bytes;
use tokio::net::TcpSocket;

use crate::http_2::start;
use crate::support::Server;
use crate::support::certificate::Authority;
use crate::support::metrics::Scrape;
use crate::tls::shake_hands;

/// How many requests of one address have a place.
const SHARE: usize = 512;
/// How many requests a connection may have under way.
const STREAMS: usize = 100;
const NEAR: Ipv4Addr = Ipv4Addr::LOCALHOST;
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// A connection from an address, on which so much of each answer may be sent, in bytes.
async fn connect(
    (server, authority): &(Server, Authority),
    from: Ipv4Addr,
    window: u32,
) -> SendRequest<Bytes> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((from, 0))).unwrap();
    let stream = socket.connect(server.address).await.unwrap();
    let stream = shake_hands(authority, stream, &["h2"]).await;
    let built = Builder::new().initial_window_size(window).handshake(stream);
    let (client, connection) = built.await.unwrap();
    tokio::spawn(connection);
    client
}

/// Asks for a path. Returns the status, and the body, of which nothing is taken.
async fn ask(client: &SendRequest<Bytes>, path: &str) -> (u16, RecvStream) {
    let mut client = client.clone().ready().await.unwrap();
    let request = http::Request::get(format!("https://localhost{path}"));
    let (answer, _) = client
        .send_request(request.body(()).unwrap(), true)
        .unwrap();
    let answer = answer.await.unwrap();
    (answer.status().as_u16(), answer.into_body())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_takes_no_answers_leaves_places_for_others_and_gives_theirs_back() {
    // A byte of each answer goes at once, or none: none of them is at its end.
    for window in [0, 1] {
        let started = start().await;
        let mut untaken = Vec::new();
        let mut statuses = Vec::new();
        for _ in 0..1_100 / STREAMS {
            let client = connect(&started, NEAR, window).await;
            let mut bodies = Vec::new();
            for _ in 0..STREAMS {
                let (status, body) = ask(&client, "/session").await;
                statuses.push(status);
                bodies.push(body);
            }
            untaken.push((client, bodies));
        }
        let answered = statuses.iter().filter(|status| **status == 200).count();
        let refused = statuses.iter().filter(|status| **status == 503).count();
        assert_eq!((answered, refused), (SHARE, 1_100 - SHARE), "{window}");

        let client = connect(&started, NEAR, 65_535).await;
        let refusals = async || {
            let code = "credence_operations_total{type=\"none\",code=\"OVERLOADED\"}";
            Scrape::of(&started.0).await.value(code)
        };
        let before = refusals().await;
        for (path, status) in [("/healthz", 200), ("/readyz", 503), ("/graphql", 503)] {
            assert_eq!(ask(&client, path).await.0, status, "{path}");
        }
        assert_eq!(refusals().await, before + 1);
        let other = connect(&started, OTHER, 65_535).await;
        assert_eq!(ask(&other, "/session").await.0, 200);
        assert_eq!(ask(&other, "/readyz").await.0, 200);

        // Those of the first connection all have a place. Who gives them up has them back with the next request.
        let (client, bodies) = untaken.swap_remove(0);
        drop(bodies);
        assert_eq!(ask(&client, "/session").await.0, 200);
    }
}
