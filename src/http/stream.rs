//! The stream of a connection, below hyper: it sees what comes before hyper does, limits the time of headers, gives what hyper refuses
//! an answer of ours, and lingers when it is closed too early for its client.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::connection::Place;
use super::header_deadline::HeaderDeadline;
use super::requests::Requests;
use super::{linger, refusal};

/// A stream of requests and answers.
pub struct ConnectionStream {
    // Taken when the stream is dropped.
    tcp: Option<TcpStream>,
    place: Place,
    requests: Requests,
    deadline: HeaderDeadline,
    refusal: Option<Refusal>,
    // Nothing more comes, or nobody is to wait for it.
    is_over: bool,
}

/// An answer of ours that is sent in place of hyper's, and how much of it was sent.
struct Refusal {
    answer: Vec<u8>,
    sent: usize,
}

impl ConnectionStream {
    /// The stream of a new connection, each header of which may take so long.
    pub fn new(tcp: TcpStream, place: Place, requests: Requests, header_limit: Duration) -> Self {
        Self {
            tcp: Some(tcp),
            place,
            requests,
            deadline: HeaderDeadline::new(header_limit),
            refusal: None,
            is_over: false,
        }
    }

    fn tcp(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        let tcp = self.tcp.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        Ok(Pin::new(tcp))
    }

    /// Sends an answer of ours. hyper is told that its own was sent once ours was.
    fn poll_refuse(&mut self, context: &mut Context<'_>, own: &[u8]) -> Poll<io::Result<usize>> {
        let mut refusal = self.refusal.take().unwrap_or_else(|| Refusal {
            answer: refusal::answer(own, self.requests.is_line_too_long()),
            sent: 0,
        });
        while let Some(rest) = refusal
            .answer
            .get(refusal.sent..)
            .filter(|rest| !rest.is_empty())
        {
            match self.tcp()?.poll_write(context, rest) {
                Poll::Ready(sent) => refusal.sent += sent?,
                Poll::Pending => {
                    self.refusal = Some(refusal);
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(own.len()))
    }
}

impl AsyncRead for ConnectionStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = self.tcp()?.poll_read(context, buffer);
        let come = buffer.filled().get(before..).unwrap_or_default();
        let is_awaited = self.requests.take(come);
        if self.deadline.is_over(is_awaited, context) {
            self.is_over = true;
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let read = ready!(read);
        self.is_over = read.is_err() || come.is_empty();
        Poll::Ready(read)
    }
}

impl AsyncWrite for ConnectionStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !self.requests.are_answered() {
            return self.tcp()?.poll_write(context, bytes);
        }
        match refusal::position(bytes) {
            Some(0) => self.poll_refuse(context, bytes),
            // What stands before it is sent first.
            Some(start) => {
                let before = bytes.get(..start).unwrap_or_default();
                self.tcp()?.poll_write(context, before)
            }
            None => self.tcp()?.poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp()?.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp()?.poll_shutdown(context)
    }
}

impl Drop for ConnectionStream {
    fn drop(&mut self) {
        let lingers = !self.is_over && self.requests.may_go_on();
        if let Some(tcp) = self.tcp.take().filter(|_| lingers) {
            linger::close(tcp, self.place.clone());
        }
    }
}
