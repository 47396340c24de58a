//! The stream of a connection, below hyper: it sees what comes before hyper does, and limits the time of headers.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::header_deadline::HeaderDeadline;
use super::requests::Requests;

/// A stream of requests and answers.
pub struct ConnectionStream {
    tcp: TcpStream,
    requests: Requests,
    deadline: HeaderDeadline,
}

impl ConnectionStream {
    /// The stream of a new connection, each header of which may take so long.
    pub fn new(tcp: TcpStream, requests: Requests, header_limit: Duration) -> Self {
        Self {
            tcp,
            requests,
            deadline: HeaderDeadline::new(header_limit),
        }
    }

    fn tcp(&mut self) -> Pin<&mut TcpStream> {
        Pin::new(&mut self.tcp)
    }
}

impl AsyncRead for ConnectionStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = self.tcp().poll_read(context, buffer);
        let come = buffer.filled().get(before..).unwrap_or_default();
        let is_awaited = self.requests.take(come);
        if self.deadline.is_over(is_awaited, context) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl AsyncWrite for ConnectionStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.tcp().poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp().poll_shutdown(context)
    }
}
