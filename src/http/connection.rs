//! Connections: accepted, bounded in number and in time, and closed in good order.
//!
//! poem's own server has no time limit for headers, and spins when the process is out of descriptors: its endpoint is
//! served by hyper from an accept loop of our own.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use poem::http::StatusCode;
use poem::http::uri::Scheme;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Endpoint as _, Request};
use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::Endpoint;
use super::framing::AmbiguousLength;
use super::requests::Requests;
use super::stream::ConnectionStream;

/// How many connections there may be, WebSockets included; more wait in the kernel.
const CONNECTION_LIMIT: u16 = 1_024;
/// How long a client may leave what was sent to it unread, once its connection holds no more.
const UNREAD_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a client may take to send a header.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may be silent between two requests.
const IDLE_TIMEOUT: Duration = Duration::from_mins(1);
/// How many fields a header may have.
const HEADER_LIMIT_FIELDS: usize = 64;
/// How large a header may be, in bytes: a URL of 16 KiB, and as much of fields.
pub const HEADER_LIMIT_BYTES: usize = 32 * 1024;
/// How long the loop rests when a connection cannot be accepted: most often the process is out of descriptors.
const BACK_OFF: Duration = Duration::from_millis(50);
/// How long requests under way may take once the server is told to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// The place of a connection among those that there may be. What becomes of the connection keeps it.
#[derive(Clone)]
pub struct Place {
    _permit: Arc<OwnedSemaphorePermit>,
}

/// Returns when the server is told to stop, or nobody is left who could tell it.
pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    // Its value, once it has come, is not of interest.
    let _told = stop.wait_for(|stop| *stop).await;
}

/// Serves until `stop` turns true, then lets the requests under way finish.
pub async fn serve(listener: TcpListener, endpoint: Endpoint, mut stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(CONNECTION_LIMIT.into()));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = stopped(&mut stop) => break,
        };
        let Some((stream, peer, permit)) = accepted else {
            sleep(BACK_OFF).await;
            continue;
        };
        connections.spawn(serve_connection(
            stream,
            peer,
            Arc::clone(&endpoint),
            stop.clone(),
            Place {
                _permit: Arc::new(permit),
            },
        ));
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    // A socket is no longer among the connections that are joined, but keeps its place.
    let all_closed = async {
        while connections.join_next().await.is_some() {}
        let _all_places = places.acquire_many(CONNECTION_LIMIT.into()).await;
    };
    if timeout(STOP_TIMEOUT, all_closed).await.is_err() {
        tracing::warn!(
            "requests were cut off: they took more than 10 seconds after the server was told to stop"
        );
    }
    connections.shutdown().await;
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, place)),
        Err(error) => {
            tracing::warn!(kind = ?error.kind(), "a connection could not be accepted");
            None
        }
    }
}

async fn serve_connection(
    stream: TcpStream,
    peer: SocketAddr,
    endpoint: Endpoint,
    mut stop: watch::Receiver<bool>,
    place: Place,
) {
    // Answers are small and whole: waiting to send more together only delays them. Without it the connection still works.
    let _immediate = stream.set_nodelay(true);
    // The kernel closes the connection of a client that reads nothing more (RFC 5482).
    let unread_milliseconds = u32::try_from(UNREAD_TIMEOUT.as_millis()).unwrap_or(u32::MAX);
    let _limited = set_tcp_user_timeout(&stream, unread_milliseconds);
    let local = LocalAddr(stream.local_addr().unwrap_or(peer).into());
    let remote = RemoteAddr(peer.into());
    let requests = Requests::default();
    let of_connection = requests.clone();
    let stream = ConnectionStream::new(stream, place.clone(), requests.clone(), HEADER_TIMEOUT);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let is_ambiguous = requests.begin();
        let requests = requests.clone();
        let endpoint = Arc::clone(&endpoint);
        let mut request: Request = (request, local.clone(), remote.clone(), Scheme::HTTP).into();
        request.extensions_mut().insert(place.clone());
        if is_ambiguous {
            request.extensions_mut().insert(AmbiguousLength);
        }
        async move {
            let response = endpoint.get_response(request).await;
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                requests.upgrade();
            } else {
                requests.answer();
            }
            Ok::<hyper::Response<_>, Infallible>(response.into())
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE_TIMEOUT)
        .max_headers(HEADER_LIMIT_FIELDS)
        .max_header_size(HEADER_LIMIT_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    // How a connection ends is the client's affair: it may break off at any time.
    tokio::select! {
        _ended = connection.as_mut() => return,
        () = stopped(&mut stop) => {}
    }
    // A request that has not come whole has not begun, and is not waited for.
    if of_connection.is_within_header() {
        return;
    }
    connection.as_mut().graceful_shutdown();
    let _ended = connection.await;
}
