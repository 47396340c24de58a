//! A connection of HTTP/2 (RFC 9113), served by hyper, within limits that hyper does not have.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::connection::{HEADER_LIMIT_BYTES, Peer, stopped};
use super::multiplex::{Multiplex, Verdict};
use super::request_place::PeerPlaces;
use super::transport::Transport;

/// How many requests a connection may have under way.
const STREAM_LIMIT: u32 = 100;
/// How much of a body may be on its way before it is read, in bytes: of a request, and of all requests of a connection.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 128 * 1024;
/// How much of an answer is kept ready for a client that takes it slowly, in bytes.
const SEND_BUFFER_BYTES: usize = 64 * 1024;
/// How often it is looked at what goes on.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Marks a request for which there is no room: too many are under way, those of other connections included.
#[derive(Clone, Copy)]
pub struct Crowded;

/// Serves a connection that was made at `began_at` until it ends or `stop` turns true, and then the requests under way. Each request has one
/// of the `places` from its header until its answer was sent to the end.
pub async fn serve(
    transport: Transport,
    began_at: Instant,
    peer: Peer,
    places: PeerPlaces,
    mut stop: watch::Receiver<bool>,
) {
    let watched = Watched::new(Mutex::new(Multiplex::new(began_at)));
    let stream = WatchedStream {
        transport,
        watched: Arc::clone(&watched),
    };
    let followed = Arc::clone(&watched);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = peer.request(request);
        match places.take() {
            Some(place) => lock(&followed).keep(place),
            None => {
                request.extensions_mut().insert(Crowded);
            }
        }
        let (peer, watched) = (peer.clone(), Arc::clone(&followed));
        async move {
            let response: hyper::Response<_> = peer.answer(request).await.into();
            Ok::<_, Infallible>(response.map(|body| Followed::new(body, watched)))
        }
    });
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAM_LIMIT)
        .max_header_list_size(u32::try_from(HEADER_LIMIT_BYTES).unwrap_or(u32::MAX))
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let mut looks = interval(LOOK_INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_leaving = false;
    loop {
        // How a connection ends is the client's affair: it may break off at any time.
        let is_to_leave = tokio::select! {
            _ended = connection.as_mut() => return,
            () = stopped(&mut stop), if !is_leaving => true,
            _ = looks.tick() => match lock(&watched).look(Instant::now()) {
                Verdict::Keep => false,
                Verdict::Retire => true,
                Verdict::Cut => return,
            },
        };
        if is_to_leave {
            is_leaving = true;
            lock(&watched).leave(Instant::now());
            connection.as_mut().graceful_shutdown();
        }
    }
}

/// The body of an answer. One of which nobody knows how long it will be is a stream, and may take any time.
struct Followed<B> {
    body: B,
    // When it began, for a stream.
    stream: Option<Instant>,
    watched: Watched,
}

impl<B: Body> Followed<B> {
    fn new(body: B, watched: Watched) -> Self {
        let is_stream = body.size_hint().exact().is_none();
        let stream = is_stream.then(|| lock(&watched).begin_stream(Instant::now()));
        Self {
            body,
            stream,
            watched,
        }
    }
}

impl<B> Drop for Followed<B> {
    fn drop(&mut self) {
        if let Some(began_at) = self.stream {
            lock(&self.watched).end_stream(began_at);
        }
    }
}

impl<B: Body + Unpin> Body for Followed<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

type Watched = Arc<Mutex<Multiplex>>;

fn lock(watched: &Watched) -> MutexGuard<'_, Multiplex> {
    // What is in there is whole between any two statements.
    watched.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The bytes of a connection, below hyper.
struct WatchedStream {
    transport: Transport,
    watched: Watched,
}

impl AsyncRead for WatchedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.transport).poll_read(context, buffer));
        let come = buffer.filled().get(before..).unwrap_or_default();
        if lock(&self.watched).take_in(come, Instant::now()) {
            Poll::Ready(read)
        } else {
            Poll::Ready(Err(io::ErrorKind::InvalidData.into()))
        }
    }
}

impl AsyncWrite for WatchedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.transport).poll_write(context, bytes);
        if let Poll::Ready(Ok(count)) = &written {
            let sent = bytes.get(..*count).unwrap_or_default();
            lock(&self.watched).take_out(sent, Instant::now());
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_shutdown(context)
    }
}
