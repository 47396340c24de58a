//! Requests that say twice where their body ends. hyper follows `Transfer-Encoding` and takes `Content-Length` away, so that nobody behind
//! it can see that both were there; a proxy in front may have followed the other one (RFC 9112, section 6.1). The header is looked at
//! while it comes.

use super::connection::HEADER_LIMIT_BYTES;

const HEADER_END: &[u8] = b"\r\n\r\n";

/// Marks a request that says twice where its body ends.
#[derive(Clone, Copy)]
pub struct AmbiguousLength;

/// Looks at the header of a request as its bytes come.
#[derive(Default)]
pub struct HeaderScan {
    header: Vec<u8>,
    is_over: bool,
}

impl HeaderScan {
    /// A new request begins.
    pub fn restart(&mut self) {
        self.header.clear();
        self.is_over = false;
    }

    /// Takes bytes in. Returns whether the header, now that it is whole, has both fields.
    pub fn take(&mut self, bytes: &[u8]) -> bool {
        if self.is_over {
            return false;
        }
        let from = self.header.len().saturating_sub(HEADER_END.len());
        self.header.extend_from_slice(bytes);
        let new = self.header.get(from..).unwrap_or_default();
        let end = new
            .windows(HEADER_END.len())
            .position(|window| window == HEADER_END);
        // One that is too long is refused by hyper.
        self.is_over = end.is_some() || self.header.len() > HEADER_LIMIT_BYTES;
        let whole = end.and_then(|end| self.header.get(..from + end));
        whole.is_some_and(|header| {
            has_field(header, b"content-length") && has_field(header, b"transfer-encoding")
        })
    }
}

fn has_field(header: &[u8], name: &[u8]) -> bool {
    header.split(|byte| *byte == b'\n').any(|line| {
        let field = line.get(..name.len()).unwrap_or_default();
        field.eq_ignore_ascii_case(name) && line.get(name.len()) == Some(&b':')
    })
}
