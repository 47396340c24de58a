//! The frames of HTTP/2 (RFC 9113, section 4), found in the bytes of one direction as they come. Only their headers are looked at: what is
//! wrong with a frame is for hyper to say.

/// What a client sends before its first frame (RFC 9113, section 3.4), in bytes.
const PREFACE_LENGTH_BYTES: usize = 24;
/// The length of a frame's header, in bytes.
const HEADER_LENGTH_BYTES: usize = 9;

const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const RST_STREAM: u8 = 0x3;
const WINDOW_UPDATE: u8 = 0x8;
const CONTINUATION: u8 = 0x9;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    length: usize,
    kind: u8,
    flags: u8,
    /// The stream that it is of; 0 for the connection.
    pub stream: u32,
}

impl Frame {
    fn parse(header: [u8; HEADER_LENGTH_BYTES]) -> Self {
        let [a, b, c, kind, flags, stream @ ..] = header;
        let length = u32::from_be_bytes([0, a, b, c]);
        Self {
            length: usize::try_from(length).unwrap_or(usize::MAX),
            kind,
            flags,
            stream: u32::from_be_bytes(stream) & 0x7fff_ffff,
        }
    }

    /// Whether it begins a header: that of a request, or what follows a body.
    pub const fn begins_header(self) -> bool {
        self.kind == HEADERS
    }

    /// Whether it is a part of a header.
    const fn is_of_header(self) -> bool {
        matches!(self.kind, HEADERS | CONTINUATION)
    }

    /// Whether more of the same header follows it.
    const fn leaves_header_open(self) -> bool {
        self.is_of_header() && self.flags & END_HEADERS == 0
    }

    /// Whether it is the last that its side sends of a stream.
    pub const fn ends_stream(self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }

    /// Whether it gives a stream up.
    pub const fn resets_stream(self) -> bool {
        self.kind == RST_STREAM
    }

    /// Whether it makes work and brings no request nearer to its answer.
    pub const fn is_idle_talk(self) -> bool {
        match self.kind {
            HEADERS | CONTINUATION | WINDOW_UPDATE => false,
            DATA => self.length == 0 && self.flags & END_STREAM == 0,
            // Streams that are given up, settings, pings, and what nobody knows and everybody is to pass over.
            _ => true,
        }
    }
}

/// Cuts the bytes of one direction into frames.
pub struct Frames {
    // How much is left of what is passed over: the preface, or what a frame carries.
    left: usize,
    header: [u8; HEADER_LENGTH_BYTES],
    come: usize,
    last: Option<Frame>,
}

impl Frames {
    /// What a client sends.
    pub const fn of_client() -> Self {
        Self {
            left: PREFACE_LENGTH_BYTES,
            ..Self::of_server()
        }
    }

    /// What a server sends.
    pub const fn of_server() -> Self {
        Self {
            left: 0,
            header: [0; HEADER_LENGTH_BYTES],
            come: 0,
            last: None,
        }
    }

    /// Takes bytes in, and shows each frame whose header has come whole.
    pub fn take(&mut self, bytes: &[u8], mut show: impl FnMut(Frame)) {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.left > 0 {
                let passed = self.left.min(rest.len());
                self.left -= passed;
                rest = rest.get(passed..).unwrap_or_default();
                continue;
            }
            let wanted = self.header.iter_mut().skip(self.come);
            let mut taken = 0;
            for (place, byte) in wanted.zip(rest) {
                *place = *byte;
                taken += 1;
            }
            rest = rest.get(taken..).unwrap_or_default();
            self.come += taken;
            if self.come == HEADER_LENGTH_BYTES {
                self.come = 0;
                let frame = Frame::parse(self.header);
                self.left = frame.length;
                self.last = Some(frame);
                show(frame);
            }
        }
    }

    /// Whether a header has begun that has not ended.
    pub fn is_within_header(&self) -> bool {
        self.last.is_some_and(|frame| {
            frame.leaves_header_open() || frame.is_of_header() && self.left > 0
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: u8 = 0x4;

    fn frame(kind: u8, flags: u8, stream: u32, content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len()).unwrap().to_be_bytes();
        let head = [length[1], length[2], length[3], kind, flags];
        [&head, stream.to_be_bytes().as_slice(), content].concat()
    }

    #[test]
    fn frames_are_the_same_however_their_bytes_are_cut() {
        let bytes = [
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
            frame(SETTINGS, 0, 0, &[0; 12]),
            frame(HEADERS, 0, 1, b"part"),
            frame(CONTINUATION, END_HEADERS, 1, b"rest"),
            frame(DATA, END_STREAM, 1, &[7; 1_000]),
            frame(RST_STREAM, 0, 0x8000_0003, &[0; 4]),
        ]
        .concat();
        for step in [1, 2, 9, 10, 33, bytes.len()] {
            let mut frames = Frames::of_client();
            let mut seen = Vec::new();
            for part in bytes.chunks(step) {
                frames.take(part, |frame| seen.push(frame));
            }
            let told: Vec<_> = seen
                .iter()
                .map(|frame| (frame.kind, frame.stream))
                .collect();
            assert_eq!(told, [(4, 0), (1, 1), (9, 1), (0, 1), (3, 3)], "{step}");
            assert!(seen[3].ends_stream() && seen[4].resets_stream());
        }
    }

    #[test]
    fn a_header_has_ended_when_all_of_it_has_come() {
        let mut frames = Frames::of_server();
        let mut is_within = |bytes: &[u8]| {
            frames.take(bytes, |_| {});
            frames.is_within_header()
        };
        let whole = frame(HEADERS, END_HEADERS, 1, b"header");
        assert!(!is_within(&whole[..8]) && is_within(&whole[8..9]));
        assert!(is_within(&whole[9..14]) && !is_within(&whole[14..]));
        assert!(is_within(&frame(HEADERS, END_STREAM, 3, b"header")));
        assert!(is_within(&frame(CONTINUATION, 0, 3, b"more")));
        assert!(!is_within(&frame(CONTINUATION, END_HEADERS, 3, b"")));
        assert!(!is_within(&frame(DATA, 0, 3, b"body")));
    }
}
