//! The text of a file: UTF-8, or UTF-16 behind a byte order mark, as some editors and shells write it (YAML 1.2.2, section 5.2).

use std::borrow::Cow;

use super::document::Place;
use super::problem::{Problem, Reason};

/// The text, without its byte order mark.
///
/// # Errors
/// From where on the bytes are no text.
pub fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, Problem> {
    match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes).map(Cow::Owned),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes).map(Cow::Owned),
        _ => utf8(bytes).map(Cow::Borrowed),
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, Problem> {
    let text = std::str::from_utf8(bytes).map_err(|malformed| {
        let before = bytes.get(..malformed.valid_up_to()).unwrap_or_default();
        Problem {
            place: end_of(&String::from_utf8_lossy(before)),
            reason: Reason::NoUtf8,
        }
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, Problem> {
    let (pairs, rest) = bytes.as_chunks();
    let units = pairs.iter().map(|pair| unit(*pair));
    let mut text = String::with_capacity(bytes.len());
    let mut is_whole = rest.is_empty();
    for character in char::decode_utf16(units) {
        match character {
            Ok(character) => text.push(character),
            Err(_unpaired) => {
                is_whole = false;
                break;
            }
        }
    }
    if is_whole {
        return Ok(text);
    }
    Err(Problem {
        place: end_of(&text),
        reason: Reason::NoUtf16,
    })
}

/// The place behind a text.
fn end_of(text: &str) -> Place {
    let last_line = text.rsplit('\n').next().unwrap_or_default();
    Place {
        line: text.matches('\n').count() + 1,
        column: last_line.chars().count() + 1,
    }
}
