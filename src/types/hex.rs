//! Bytes as hexadecimal digits, in lower case.

use std::fmt::Write;

/// The digits of these bytes.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let text = String::with_capacity(2 * bytes.len());
    bytes.iter().fold(text, |mut text, byte| {
        let _written = write!(text, "{byte:02x}");
        text
    })
}
