//! Where each request of a connection begins and ends, found in the bytes as they come.
//!
//! hyper knows it, too, but follows `Transfer-Encoding` and takes `Content-Length` away, so that nobody behind it can see that both
//! were there; a proxy in front may have followed the other one (RFC 9112, section 6.1). What hyper refuses need not be followed;
//! what it takes has to be understood here as it is there: lines of a header may end with a bare LF, empty lines may stand before
//! it, lines of a chunked body end with CR LF.

use std::collections::VecDeque;

use super::connection::HEADER_LIMIT_BYTES;

/// Marks a request that says in another way than every server understands where its body ends: twice, or by a coding that hyper passes
/// over.
#[derive(Clone, Copy)]
pub struct AmbiguousLength;

/// The longest request line, in bytes; one that is longer has a URL that is.
const LINE_LIMIT_BYTES: usize = HEADER_LIMIT_BYTES / 2;

/// Follows the requests of a connection.
#[derive(Default)]
pub struct Framing {
    part: Part,
    // What has come of the header that has not ended.
    header: Vec<u8>,
    // Of each header that has come whole and was not taken: whether the length of its body is ambiguous.
    whole: VecDeque<bool>,
}

/// The part of a request that comes next.
#[derive(Clone, Copy, Default)]
enum Part {
    #[default]
    Header,
    /// A body of a length that is known, of which so many bytes are left.
    Body(u64),
    /// The line with the size of a chunk.
    Size { size: u64, is_over: bool },
    /// So many bytes of a chunk and the end of its line.
    Chunk(u64),
    /// What follows the last chunk, of whose end so many bytes have come.
    Trailer(usize),
    /// What follows is no request, or one that nobody is to answer.
    Unknown,
}

/// The end of the trailer. Its first half may be the end of the last chunk's size.
const TRAILER_END: &[u8] = b"\r\n\r\n";

impl Framing {
    /// Takes bytes in.
    pub fn take(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = match self.part {
                Part::Header => self.take_header(rest),
                Part::Body(left) => self.skip(rest, left, Part::Body, Part::Header),
                Part::Chunk(left) => self.skip(rest, left, Part::Chunk, Part::next_chunk()),
                Part::Size { size, is_over } => self.take_size(rest, size, is_over),
                Part::Trailer(come) => self.take_trailer(rest, come),
                Part::Unknown => return,
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
    }

    /// Takes the header that is to be answered next: whether the length of its body is ambiguous. `None` when none has come.
    pub fn next_header(&mut self) -> Option<bool> {
        self.whole.pop_front()
    }

    /// No more requests follow.
    pub fn end(&mut self) {
        self.part = Part::Unknown;
        self.header = Vec::new();
    }

    /// Whether a header has come whole and was not taken.
    pub fn has_whole_header(&self) -> bool {
        !self.whole.is_empty()
    }

    /// Whether a header has begun that has not ended, and none waits before it.
    pub fn is_within_header(&self) -> bool {
        matches!(self.part, Part::Header) && !self.header.is_empty() && self.whole.is_empty()
    }

    /// Whether all requests that have begun have come whole and were taken.
    pub fn is_between_requests(&self) -> bool {
        matches!(self.part, Part::Header) && self.header.is_empty() && self.whole.is_empty()
    }

    /// Whether the first line is what makes the header too large.
    pub fn is_line_too_long(&self) -> bool {
        let end = self.header.iter().position(|byte| *byte == b'\n');
        end.unwrap_or(self.header.len()) > LINE_LIMIT_BYTES
    }

    fn take_header(&mut self, bytes: &[u8]) -> usize {
        if self.header.is_empty() {
            let is_break = |byte: &&u8| matches!(**byte, b'\r' | b'\n');
            let empty_lines = bytes.iter().take_while(is_break).count();
            if empty_lines > 0 {
                return empty_lines;
            }
        }
        let line_end = bytes.iter().position(|byte| *byte == b'\n');
        let taken = line_end.map_or(bytes.len(), |end| end + 1);
        let line = bytes.get(..taken).unwrap_or_default();
        self.header.extend_from_slice(line);
        if self.header.len() > HEADER_LIMIT_BYTES {
            self.part = Part::Unknown;
        } else if self.header.ends_with(b"\n\n") || self.header.ends_with(b"\n\r\n") {
            self.end_header();
        }
        taken
    }

    fn end_header(&mut self) {
        let header = std::mem::take(&mut self.header);
        let length = fields(&header, b"content-length").next();
        let mut codings = fields(&header, b"transfer-encoding");
        let coding = codings.next();
        let is_chunked = coding.is_some();
        let is_plain = coding.is_none_or(|coding| {
            coding.trim_ascii().eq_ignore_ascii_case(b"chunked") && codings.next().is_none()
        });
        self.whole
            .push_back(!is_plain || is_chunked && length.is_some());
        self.part = match length {
            None if is_chunked => Part::next_chunk(),
            None => Part::Header,
            // It is answered, and the connection closed.
            Some(_) if is_chunked => Part::Unknown,
            Some(length) => match parse_length(length) {
                Some(0) => Part::Header,
                Some(length) => Part::Body(length),
                None => Part::Unknown,
            },
        };
    }

    fn skip(&mut self, bytes: &[u8], left: u64, same: fn(u64) -> Part, next: Part) -> usize {
        let come = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.part = if come < left { same(left - come) } else { next };
        usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()))
    }

    /// Takes a byte of the line of a chunk's size: hexadecimal digits, and what else may follow.
    fn take_size(&mut self, bytes: &[u8], size: u64, is_over: bool) -> usize {
        let byte = bytes.first().copied().unwrap_or_default();
        let digit = char::from(byte).to_digit(16).filter(|_| !is_over);
        self.part = match digit {
            Some(digit) => size
                .checked_mul(16)
                .and_then(|size| size.checked_add(digit.into()))
                .map_or(Part::Unknown, |size| Part::Size { size, is_over }),
            None if byte != b'\n' => Part::Size {
                size,
                is_over: true,
            },
            None if size == 0 => Part::Trailer(TRAILER_END.len() / 2),
            None => size.checked_add(2).map_or(Part::Unknown, Part::Chunk),
        };
        1
    }

    fn take_trailer(&mut self, bytes: &[u8], come: usize) -> usize {
        let byte = bytes.first().copied();
        let come = if byte == TRAILER_END.get(come).copied() {
            come + 1
        } else {
            usize::from(byte == TRAILER_END.first().copied())
        };
        self.part = if come == TRAILER_END.len() {
            Part::Header
        } else {
            Part::Trailer(come)
        };
        1
    }
}

impl Part {
    const fn next_chunk() -> Self {
        Self::Size {
            size: 0,
            is_over: false,
        }
    }
}

/// The values of the fields of a name.
fn fields<'a>(header: &'a [u8], name: &'static [u8]) -> impl Iterator<Item = &'a [u8]> {
    header.split(|byte| *byte == b'\n').filter_map(|line| {
        let (found, rest) = line.split_at_checked(name.len())?;
        let value = rest.strip_prefix(b":")?;
        found.eq_ignore_ascii_case(name).then_some(value)
    })
}

fn parse_length(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value.trim_ascii()).ok()?;
    text.parse().ok()
}
