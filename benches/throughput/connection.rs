//! A keep-alive connection that costs little: what is sent is made beforehand, and of an answer only its length is read.

use std::future::poll_fn;
use std::ops::Range;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Larger than any answer that is asked for, in bytes.
const BUFFER_LENGTH_BYTES: usize = 256 * 1024;
const HEAD_END: &[u8] = b"\r\n\r\n";

/// A connection of HTTP/1.1.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub async fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            buffer: vec![0; BUFFER_LENGTH_BYTES],
        }
    }

    /// Sends a request and returns the body of the answer, whose status must be 200.
    pub async fn ask(&mut self, request: &[u8]) -> &[u8] {
        self.send(request).await;
        let mut filled = 0;
        loop {
            filled += self.receive(filled).await;
            if let Some(body) = whole_body(&self.buffer[..filled]) {
                return &self.buffer[body];
            }
        }
    }

    async fn send(&mut self, mut request: &[u8]) {
        while !request.is_empty() {
            let sent =
                poll_fn(|context| Pin::new(&mut self.stream).poll_write(context, request)).await;
            request = &request[sent.unwrap()..];
        }
    }

    /// Receives what has come, and returns how many bytes that were.
    async fn receive(&mut self, filled: usize) -> usize {
        let mut free = ReadBuf::new(&mut self.buffer[filled..]);
        poll_fn(|context| Pin::new(&mut self.stream).poll_read(context, &mut free))
            .await
            .unwrap();
        let received = free.filled().len();
        assert_ne!(
            received, 0,
            "the server closed a connection in the middle of an answer"
        );
        received
    }
}

/// Where the body of an answer stands, once all of it has come.
fn whole_body(answer: &[u8]) -> Option<Range<usize>> {
    let head_length = answer
        .windows(HEAD_END.len())
        .position(|window| window == HEAD_END)?;
    let head = str::from_utf8(&answer[..head_length]).unwrap();
    assert!(
        head.starts_with("HTTP/1.1 200 "),
        "{}",
        String::from_utf8_lossy(answer)
    );
    let start = head_length + HEAD_END.len();
    let end = start + content_length(head);
    (answer.len() >= end).then_some(start..end)
}

fn content_length(head: &str) -> usize {
    head.split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map(|(_, length)| length.trim().parse().unwrap())
        .expect("an answer without a length")
}
