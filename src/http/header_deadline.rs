//! Time limits for headers: the first one must come soon after the connection is made, and each that has begun must end soon. Between
//! two requests a client may be silent for longer: that is hyper's timer.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::framing::HeaderScan;

/// The requests of a connection: counted by the service, looked at by the stream.
#[derive(Clone, Default)]
pub struct Requests(Arc<Counts>);

#[derive(Default)]
struct Counts {
    begun: AtomicU64,
    answered: AtomicU64,
    ambiguous: AtomicBool,
}

impl Requests {
    /// Says that a header has come whole.
    pub fn begin(&self) {
        self.0.begun.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the header that came last says twice where its body ends.
    pub fn is_ambiguous(&self) -> bool {
        self.0.ambiguous.load(Ordering::Relaxed)
    }

    /// Says that the request was answered.
    pub fn answer(&self) {
        self.0.answered.fetch_add(1, Ordering::Relaxed);
    }
}

/// A stream that fails when a header takes too long.
pub struct HeaderDeadline<S> {
    stream: S,
    limit: Duration,
    requests: Requests,
    begun: u64,
    // Armed while the first header is awaited, and while one has begun.
    deadline: Pin<Box<Sleep>>,
    armed: bool,
    scan: HeaderScan,
}

impl<S> HeaderDeadline<S> {
    /// Limits the time of headers on a new connection.
    pub fn new(stream: S, limit: Duration, requests: Requests) -> Self {
        Self {
            stream,
            limit,
            requests,
            begun: 0,
            deadline: Box::pin(sleep(limit)),
            armed: true,
            scan: HeaderScan::default(),
        }
    }

    /// What has come belongs to a header when no request is under way.
    fn look(&mut self, come: &[u8]) {
        let begun = self.requests.0.begun.load(Ordering::Relaxed);
        let under_way = begun > self.requests.0.answered.load(Ordering::Relaxed);
        if begun > self.begun {
            self.begun = begun;
            self.armed = false;
            self.scan.restart();
            self.requests.0.ambiguous.store(false, Ordering::Relaxed);
        }
        if come.is_empty() || under_way {
            return;
        }
        if !self.armed {
            self.armed = true;
            self.deadline.as_mut().reset(Instant::now() + self.limit);
        }
        if self.scan.take(come) {
            self.requests.0.ambiguous.store(true, Ordering::Relaxed);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for HeaderDeadline<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.look(buffer.filled().get(before..).unwrap_or_default());
        if self.armed && self.deadline.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for HeaderDeadline<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
