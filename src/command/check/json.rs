//! JSON for a reader of YAML. All of JSON is YAML, but for one thing: a character beyond U+FFFF may stand in JSON as two escapes
//! (RFC 8259, section 7), and in YAML as one alone (YAML 1.2.2, section 5.7).

use std::borrow::Cow;

use serde::de::IgnoredAny;

use super::document::Place;

/// By how many characters `\uD83D\uDE80` is longer than `\U0001F680`.
const SHORTER_BY_CHARACTERS: usize = 2;
const ESCAPE_LENGTH: usize = 6;

/// Where escapes were rewritten, in their order.
#[derive(Default)]
pub struct Rewritten(Vec<Place>);

impl Rewritten {
    /// The place in the file of one in the text that was made of it.
    pub fn original(&self, place: Place) -> Place {
        let above = self.0.partition_point(|other| other.line < place.line);
        let before = self.0.partition_point(|other| *other < place);
        Place {
            column: place.column + SHORTER_BY_CHARACTERS * (before - above),
            ..place
        }
    }
}

/// A text whose pairs of escapes are those of YAML, when it is JSON; otherwise the text as it is.
pub fn with_escapes_of_yaml(text: &str) -> (Cow<'_, str>, Rewritten) {
    let mut rewritten = Rewritten::default();
    if !text.contains("\\u") || serde_json::from_str::<IgnoredAny>(text).is_err() {
        return (Cow::Borrowed(text), rewritten);
    }
    let mut made = String::with_capacity(text.len());
    let mut place = Place { line: 1, column: 1 };
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (taken, put) = match (first, pair(rest)) {
            (_, Some(character)) => {
                rewritten.0.push(place);
                (
                    2 * ESCAPE_LENGTH,
                    format!("\\U{:08X}", u32::from(character)),
                )
            }
            // What stands behind a backslash begins no escape.
            ('\\', None) => {
                let length = rest.chars().take(2).map(char::len_utf8).sum();
                (length, rest.get(..length).unwrap_or_default().to_owned())
            }
            (other, None) => (other.len_utf8(), other.to_string()),
        };
        if first == '\n' {
            place = Place {
                line: place.line + 1,
                column: 1,
            };
        } else {
            place.column += put.chars().count();
        }
        made.push_str(&put);
        rest = rest.get(taken..).unwrap_or_default();
    }
    (Cow::Owned(made), rewritten)
}

/// The character of two escapes at the beginning of a text.
fn pair(text: &str) -> Option<char> {
    let units = [escape(text)?, escape(text.get(ESCAPE_LENGTH..)?)?];
    let mut characters = char::decode_utf16(units);
    let character = characters.next()?.ok()?;
    characters.next().is_none().then_some(character)
}

fn escape(text: &str) -> Option<u16> {
    let digits = text.get(..ESCAPE_LENGTH)?.strip_prefix("\\u")?;
    u16::from_str_radix(digits, 16).ok()
}
