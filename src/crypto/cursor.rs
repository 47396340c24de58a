//! Cursors: the place of an item in a list, authenticated so that a client can only send back what it was given, to the
//! list that it was given for.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::digest::hmac_sha256;
use super::keyring::Keyring;

const TAG_LENGTH_BYTES: usize = 16;
/// Longer than any cursor that is made: the longest folded name, its tag and the growth of base64.
const CURSOR_LIMIT_CHARACTERS: usize = 16 * 1024;

/// Writes the cursor of a place. `list` names the list, its order and what narrows it.
#[must_use]
pub fn seal_cursor(keyring: &Keyring, list: &[u8], place: &[u8]) -> String {
    let tag = tag(keyring, list, place);
    URL_SAFE_NO_PAD.encode([tag.as_slice(), place].concat())
}

/// Reads a cursor of the same list: `None` for what was not made here, or was made for another list.
#[must_use]
pub fn open_cursor(keyring: &Keyring, list: &[u8], cursor: &str) -> Option<Vec<u8>> {
    if cursor.len() > CURSOR_LIMIT_CHARACTERS {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let (given, place) = bytes.split_first_chunk::<TAG_LENGTH_BYTES>()?;
    let expected = tag(keyring, list, place);
    aws_lc_rs::constant_time::verify_slices_are_equal(given, &expected).ok()?;
    Some(place.to_vec())
}

fn tag(keyring: &Keyring, list: &[u8], place: &[u8]) -> [u8; TAG_LENGTH_BYTES] {
    let mac = hmac_sha256(keyring.cursor_key(), &[b"credence/cursor/v1", list, place]);
    let mut tag = [0; TAG_LENGTH_BYTES];
    for (to, from) in tag.iter_mut().zip(mac) {
        *to = from;
    }
    tag
}
