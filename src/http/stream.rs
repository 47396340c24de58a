//! The stream of a connection, below hyper: it sees what comes before hyper does, limits the time of headers, gives what hyper refuses
//! an answer of ours, and lingers when it is closed too early for its client.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connection::Place;
use super::header_deadline::HeaderDeadline;
use super::requests::Requests;
use super::transport::Transport;
use super::{linger, refusal};

/// How much is read at once, in bytes. hyper's buffer grows when what it asks for, 8 KiB at first, comes whole; as long as it does not, what
/// was read before is always in the place for what comes next, or in memory that has been given back.
const READ_LIMIT_BYTES: usize = 8 * 1024 - 1;

/// A stream of requests and answers.
pub struct ConnectionStream {
    // Taken when the stream is dropped.
    transport: Option<Transport>,
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
    /// The stream of a new connection. The time for its first header runs already.
    pub const fn new(
        transport: Transport,
        place: Place,
        requests: Requests,
        deadline: HeaderDeadline,
    ) -> Self {
        Self {
            transport: Some(transport),
            place,
            requests,
            deadline,
            refusal: None,
            is_over: false,
        }
    }

    fn transport(&mut self) -> io::Result<Pin<&mut Transport>> {
        let transport = self.transport.as_mut();
        Ok(Pin::new(transport.ok_or(io::ErrorKind::NotConnected)?))
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
            match self.transport()?.poll_write(context, rest) {
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
        // A socket has buffers of its own.
        if !self.requests.are_answered() {
            let before = buffer.filled().len();
            let read = ready!(self.transport()?.poll_read(context, buffer));
            self.is_over = read.is_err() || buffer.filled().len() == before;
            return Poll::Ready(read);
        }
        // This overwrites what an earlier request has left there: it may be long until the next one.
        let place = buffer.initialize_unfilled();
        let length = place.len().min(READ_LIMIT_BYTES);
        let mut part = ReadBuf::new(place.get_mut(..length).unwrap_or_default());
        let read = self.transport()?.poll_read(context, &mut part);
        let is_awaited = self.requests.take(part.filled());
        let come = part.filled().len();
        buffer.advance(come);
        if self.deadline.is_over(is_awaited, context) {
            self.is_over = true;
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let read = ready!(read);
        self.is_over = read.is_err() || come == 0;
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
            return self.transport()?.poll_write(context, bytes);
        }
        match refusal::position(bytes) {
            Some(0) => self.poll_refuse(context, bytes),
            // What stands before it is sent first.
            Some(start) => {
                let before = bytes.get(..start).unwrap_or_default();
                self.transport()?.poll_write(context, before)
            }
            None => self.transport()?.poll_write(context, bytes),
        }
    }

    /// hyper copies bodies into a buffer that it keeps, unless it can hand on the parts of an answer as they are.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut whole = parts.iter().filter(|part| !part.is_empty());
        match (whole.next(), whole.next()) {
            // hyper's own answers have no body.
            (Some(only), None) => self.poll_write(context, only),
            _ => self.transport()?.poll_write_vectored(context, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.transport
            .as_ref()
            .is_some_and(Transport::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.transport()?.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.transport()?.poll_shutdown(context)
    }
}

impl Drop for ConnectionStream {
    fn drop(&mut self) {
        let lingers = !self.is_over && self.requests.may_go_on();
        if let Some(transport) = self.transport.take().filter(|_| lingers) {
            linger::close(transport, self.place.clone());
        }
    }
}
