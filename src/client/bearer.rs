//! Values as headers. A value is kept byte for byte and may hold anything; a header may not, and one with a line break in it
//! would be two.

use std::fmt;

use http::HeaderValue;
use zeroize::Zeroizing;

use crate::types::secret::SecretValue;

const SCHEME: &[u8] = b"Bearer ";

/// Why a value cannot be a header. It does not say where in the value: that would tell its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderProblem {
    /// It begins or ends with a space, a tab or a line break.
    SpaceAtEnd,
    /// There is a line break, a null byte or another control character in it.
    Control,
    /// There are characters in it that are not ASCII.
    NotAscii,
}

impl fmt::Display for HeaderProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::SpaceAtEnd => {
                "it begins or ends with a space, a tab or a line break, as pasted text often does"
            }
            Self::Control => "there is a line break or another control character in it",
            Self::NotAscii => "there are characters in it that are not ASCII",
        })
    }
}

/// The value of the header `Authorization` (RFC 6750, section 2.1), marked sensitive, so that its `Debug` does not show it.
///
/// What may stand in a header is what RFC 9110, section 5.5, lets senders write: visible ASCII, and space and tab between such.
/// At the ends, space and tab belong to the header and not to its value: the other side would take them off, and see another
/// value than the one that was set. Bytes from 128 on (`obs-text`) are refused too: servers disagree on what they stand for.
///
/// # Errors
/// A [`HeaderProblem`] when the value cannot be a header.
pub fn bearer(value: &SecretValue) -> Result<HeaderValue, HeaderProblem> {
    let value = value.expose().as_bytes();
    check(value)?;
    let text = Zeroizing::new([SCHEME, value].concat());
    let mut header = HeaderValue::from_bytes(&text).map_err(|_invalid| HeaderProblem::Control)?;
    header.set_sensitive(true);
    Ok(header)
}

fn check(value: &[u8]) -> Result<(), HeaderProblem> {
    let ends = [value.first(), value.last()];
    if ends.into_iter().flatten().any(u8::is_ascii_whitespace) {
        return Err(HeaderProblem::SpaceAtEnd);
    }
    if !value.is_ascii() {
        return Err(HeaderProblem::NotAscii);
    }
    let is_fit = |byte: &u8| byte.is_ascii_graphic() || matches!(byte, b' ' | b'\t');
    if value.iter().all(is_fit) {
        Ok(())
    } else {
        Err(HeaderProblem::Control)
    }
}
