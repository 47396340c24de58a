//! A connection of HTTP/1.1 (RFC 9112), served by hyper. It may become a WebSocket.

use std::convert::Infallible;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use poem::http::StatusCode;
use tokio::sync::watch;

use super::connection::{HEADER_LIMIT_BYTES, HEADER_LIMIT_FIELDS, IDLE_TIMEOUT, Peer, stopped};
use super::framing::AmbiguousLength;
use super::header_deadline::HeaderDeadline;
use super::requests::Requests;
use super::stream::ConnectionStream;
use super::transport::Transport;

/// Serves a connection until it ends or `stop` turns true, and then the request under way.
pub async fn serve(
    transport: Transport,
    peer: Peer,
    deadline: HeaderDeadline,
    mut stop: watch::Receiver<bool>,
) {
    let requests = Requests::default();
    let of_connection = requests.clone();
    let stream = ConnectionStream::new(transport, peer.place(), requests.clone(), deadline);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let is_ambiguous = requests.begin();
        let (requests, peer) = (requests.clone(), peer.clone());
        let mut request = peer.request(request);
        if is_ambiguous {
            request.extensions_mut().insert(AmbiguousLength);
        }
        async move {
            let response = peer.answer(request).await;
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
