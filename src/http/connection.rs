//! Connections: accepted, bounded in number and in time, and closed in good order.
//!
//! poem's own server has no time limit for headers, and spins when the process is out of descriptors: its endpoint is
//! served by hyper from an accept loop of our own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use poem::http::uri::Scheme;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Endpoint as _, Request, Response};
use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::header_deadline::HeaderDeadline;
use super::request_place::RequestPlaces;
use super::tls::Certificate;
use super::transport::Transport;
use super::{Endpoint, http_1, http_2};
use crate::types::peer;

/// How many connections there may be, WebSockets included; more wait in the kernel.
const CONNECTION_LIMIT: u16 = 1_024;
/// How long a client may leave what was sent to it unread, once its connection holds no more.
const UNREAD_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a client may take to send a header.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may be silent between two requests.
pub const IDLE_TIMEOUT: Duration = Duration::from_mins(1);
/// How many fields a header may have.
pub const HEADER_LIMIT_FIELDS: usize = 64;
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

/// What all connections share.
#[derive(Clone)]
struct Serving {
    endpoint: Endpoint,
    certificate: Option<Certificate>,
    requests: RequestPlaces,
}

/// The other end of a connection, as requests know it.
#[derive(Clone)]
pub struct Peer {
    endpoint: Endpoint,
    local: LocalAddr,
    remote: RemoteAddr,
    scheme: Scheme,
    place: Place,
}

impl Peer {
    /// A request of this peer's, as the endpoint takes it.
    pub fn request(&self, request: hyper::Request<Incoming>) -> Request {
        let (local, remote) = (self.local.clone(), self.remote.clone());
        let mut request: Request = (request, local, remote, self.scheme.clone()).into();
        request.extensions_mut().insert(self.place.clone());
        request
    }

    /// The endpoint's answer.
    pub async fn answer(&self, request: Request) -> Response {
        self.endpoint.get_response(request).await
    }

    /// The place of the connection.
    #[must_use]
    pub fn place(&self) -> Place {
        self.place.clone()
    }
}

/// Returns when the server is told to stop, or nobody is left who could tell it.
pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    // Its value, once it has come, is not of interest.
    let _told = stop.wait_for(|stop| *stop).await;
}

/// Serves until `stop` turns true, then lets the requests under way finish. With a certificate, it speaks TLS only.
pub async fn serve(
    listener: TcpListener,
    endpoint: Endpoint,
    certificate: Option<Certificate>,
    mut stop: watch::Receiver<bool>,
) {
    let serving = Serving {
        endpoint,
        certificate,
        requests: RequestPlaces::default(),
    };
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
            serving.clone(),
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
    address: SocketAddr,
    serving: Serving,
    mut stop: watch::Receiver<bool>,
    place: Place,
) {
    // Answers are small and whole: waiting to send more together only delays them. Without it the connection still works.
    let _immediate = stream.set_nodelay(true);
    // The kernel closes the connection of a client that reads nothing more (RFC 5482).
    let unread_milliseconds = u32::try_from(UNREAD_TIMEOUT.as_millis()).unwrap_or(u32::MAX);
    let _limited = set_tcp_user_timeout(&stream, unread_milliseconds);
    let peer = Peer {
        endpoint: serving.endpoint,
        local: LocalAddr(stream.local_addr().unwrap_or(address).into()),
        remote: RemoteAddr(address.into()),
        scheme: serving
            .certificate
            .as_ref()
            .map_or(Scheme::HTTP, |_| Scheme::HTTPS),
        place,
    };
    // The handshake is a part of the time for the first header.
    let began_at = Instant::now();
    let deadline = HeaderDeadline::new(HEADER_TIMEOUT);
    let transport = tokio::select! {
        transport = protect(stream, serving.certificate.as_ref()) => transport,
        () = stopped(&mut stop) => None,
    };
    match transport {
        Some(transport) if transport.is_http_2() => {
            let places = serving.requests.of(peer::Peer::of(address.ip()));
            http_2::serve(transport, began_at, peer, places, stop).await;
        }
        Some(transport) => http_1::serve(transport, peer, deadline, stop).await,
        None => {}
    }
}

/// Shakes hands, when there is a certificate to do it with; `None` when that comes to nothing.
async fn protect(stream: TcpStream, certificate: Option<&Certificate>) -> Option<Transport> {
    let Some(certificate) = certificate else {
        return Some(Transport::Plain(stream));
    };
    match timeout(HEADER_TIMEOUT, certificate.acceptor().accept(stream)).await {
        Ok(Ok(stream)) => Some(Transport::Tls(Box::new(stream))),
        Ok(Err(_library_text)) => {
            tracing::debug!("a TLS handshake failed");
            None
        }
        Err(_elapsed) => None,
    }
}
