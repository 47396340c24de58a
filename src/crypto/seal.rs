//! Authenticated encryption with associated data: XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) from orion.
//!
//! # Use case
//! Sealing values under a data key, and data keys under a master key.
//!
//! # Format
//! `0x43 | format 1 | algorithm 1 | key number (4 bytes, big endian) | nonce (24) | ciphertext | tag (16)`:
//! 47 bytes more than the padded content. The header is part of the associated data.
//!
//! # Padding
//! The content is preceded by its length (4 bytes) and filled with zeros to a multiple of 32 bytes up to 256, and above
//! that to the next eighth of a power of two: the ciphertext tells no more of the length than that.
//!
//! # Errors
//! [`SealError`] says what is wrong with the bytes, and nothing of what they hold.
//!
//! # Security
//! Nonces are random: with 192 bits, no number of seals that one key can make brings a collision near. What was sealed is
//! opened again and compared before it is handed out, so that a fault of the machine cannot lose a value.

use orion::errors::UnknownCryptoError;
use orion::hazardous::aead::xchacha20poly1305::{Nonce, SecretKey, XChaCha20Poly1305};
use zeroize::Zeroizing;

use super::digest::length_prefix;
use super::locked_key::LockedKey;
use super::random;

const MAGIC: u8 = 0x43;
const FORMAT: u8 = 1;
const ALGORITHM_XCHACHA20_POLY1305: u8 = 1;
const HEADER_LENGTH_BYTES: usize = 7;
const NONCE_LENGTH_BYTES: usize = 24;
const TAG_LENGTH_BYTES: usize = 16;
const CONTENT_PREFIX_BYTES: usize = 4;

/// The largest content, in bytes: far above the largest value, far below what `XChaCha20` allows.
const CONTENT_LIMIT_BYTES: usize = 16 * 1024 * 1024;

/// What is wrong with bytes that were to be opened, or with a seal that was just made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealError {
    /// They are shorter than any sealed content.
    TooShort,
    /// Their format or algorithm is not one that this version knows.
    UnknownFormat,
    /// They were made with the key of another number.
    OtherKey,
    /// They do not open: other key, other associated data, or damage.
    NotAuthentic,
    /// The random source failed, or what was sealed did not open again.
    SealFailed,
}

/// What encrypts, as orion has it: key, nonce, content, associated data, and where the ciphertext goes.
type Encrypt =
    fn(&SecretKey, &Nonce, &[u8], Option<&[u8]>, &mut [u8]) -> Result<(), UnknownCryptoError>;

/// A key that seals and opens. The cipher gets a copy of it each time, which it wipes.
pub struct SealingKey {
    number: u32,
    key: LockedKey,
}

impl SealingKey {
    /// A key under a number that goes into each header.
    #[must_use]
    pub const fn new(number: u32, key: LockedKey) -> Self {
        Self { number, key }
    }

    /// Seals `content`, bound to the parts of `context`.
    ///
    /// # Errors
    /// [`SealError::SealFailed`] when the content is over 16 MiB, the random source fails, or what was sealed does not
    /// open again.
    pub fn seal(&self, content: &[u8], context: &[&[u8]]) -> Result<Vec<u8>, SealError> {
        self.seal_with(XChaCha20Poly1305::seal, content, context)
    }

    fn seal_with(
        &self,
        encrypt: Encrypt,
        content: &[u8],
        context: &[&[u8]],
    ) -> Result<Vec<u8>, SealError> {
        let padded = pad(content)?;
        let header = self.header();
        let associated = associated_data(context, &header);
        let nonce_bytes = random::bytes::<NONCE_LENGTH_BYTES>()
            .map_err(|random::RandomUnavailable| SealError::SealFailed)?;
        let nonce =
            Nonce::try_from(nonce_bytes.as_slice()).map_err(|_unknown| SealError::SealFailed)?;
        let mut ciphertext = vec![0; padded.len() + TAG_LENGTH_BYTES];
        let key = self.cipher_key().ok_or(SealError::SealFailed)?;
        encrypt(&key, &nonce, &padded, Some(&associated), &mut ciphertext)
            .map_err(|_unknown| SealError::SealFailed)?;
        let sealed = [header.as_slice(), nonce_bytes.as_slice(), &ciphertext].concat();
        match self.open(&sealed, context) {
            Ok(opened) if opened.as_slice() == content => Ok(sealed),
            _ => Err(SealError::SealFailed),
        }
    }

    /// Opens what [`Self::seal`] made with the same key and context.
    ///
    /// # Errors
    /// Each [`SealError`] but `SealFailed`.
    pub fn open(&self, sealed: &[u8], context: &[&[u8]]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (header, rest) = sealed
            .split_at_checked(HEADER_LENGTH_BYTES)
            .ok_or(SealError::TooShort)?;
        let (nonce, ciphertext) = rest
            .split_at_checked(NONCE_LENGTH_BYTES)
            .ok_or(SealError::TooShort)?;
        let padded_length = ciphertext
            .len()
            .checked_sub(TAG_LENGTH_BYTES)
            .ok_or(SealError::TooShort)?;
        self.check_header(header)?;
        let nonce = Nonce::try_from(nonce).map_err(|_unknown| SealError::NotAuthentic)?;
        let associated = associated_data(context, header);
        let mut padded = Zeroizing::new(vec![0; padded_length]);
        let key = self.cipher_key().ok_or(SealError::NotAuthentic)?;
        XChaCha20Poly1305::open(&key, &nonce, ciphertext, Some(&associated), &mut padded)
            .map_err(|_unknown| SealError::NotAuthentic)?;
        unpad(&padded).ok_or(SealError::NotAuthentic)
    }

    /// The key as the cipher takes it; `None` when it cannot be one, which 32 bytes always can.
    fn cipher_key(&self) -> Option<SecretKey> {
        SecretKey::try_from(&*self.key).ok()
    }

    fn header(&self) -> [u8; HEADER_LENGTH_BYTES] {
        let [a, b, c, d] = self.number.to_be_bytes();
        [MAGIC, FORMAT, ALGORITHM_XCHACHA20_POLY1305, a, b, c, d]
    }

    fn check_header(&self, header: &[u8]) -> Result<(), SealError> {
        if !header.starts_with(&[MAGIC, FORMAT, ALGORITHM_XCHACHA20_POLY1305]) {
            Err(SealError::UnknownFormat)
        } else if header == self.header() {
            Ok(())
        } else {
            Err(SealError::OtherKey)
        }
    }
}

/// The parts, each with its length before it, and the header: no two contexts are the same bytes.
fn associated_data(context: &[&[u8]], header: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    for part in context.iter().copied().chain([header]) {
        bytes.extend_from_slice(&length_prefix(part));
        bytes.extend_from_slice(part);
    }
    bytes
}

fn pad(content: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
    if content.len() > CONTENT_LIMIT_BYTES {
        return Err(SealError::SealFailed);
    }
    let length = u32::try_from(content.len()).map_err(|_too_long| SealError::SealFailed)?;
    let padded_length = padded_length(content.len() + CONTENT_PREFIX_BYTES);
    let mut padded = Zeroizing::new(Vec::with_capacity(padded_length));
    padded.extend_from_slice(&length.to_be_bytes());
    padded.extend_from_slice(content);
    padded.resize(padded_length, 0);
    Ok(padded)
}

fn padded_length(length: usize) -> usize {
    let step = if length <= 256 {
        32
    } else {
        (length.next_power_of_two() / 2) / 8
    };
    length.next_multiple_of(step)
}

fn unpad(padded: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (prefix, rest) = padded.split_first_chunk::<CONTENT_PREFIX_BYTES>()?;
    let length = usize::try_from(u32::from_be_bytes(*prefix)).ok()?;
    let content = rest.get(..length)?;
    Some(Zeroizing::new(content.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_of(number: u32, byte: u8) -> SealingKey {
        SealingKey::new(number, LockedKey::copy_of(&[byte; 32]).unwrap())
    }

    fn key() -> SealingKey {
        key_of(7, 9)
    }

    #[test]
    fn what_is_sealed_opens_with_the_same_key_and_context_only() {
        let sealed = key().seal(b"value", &[b"a", b"bc"]).unwrap();
        assert_eq!(
            key().open(&sealed, &[b"a", b"bc"]).unwrap().as_slice(),
            b"value"
        );
        assert_eq!(
            key().open(&sealed, &[b"ab", b"c"]),
            Err(SealError::NotAuthentic)
        );
        let other_number = key_of(8, 9);
        assert_eq!(
            other_number.open(&sealed, &[b"a", b"bc"]),
            Err(SealError::OtherKey)
        );
        let other_key = key_of(7, 8);
        assert_eq!(
            other_key.open(&sealed, &[b"a", b"bc"]),
            Err(SealError::NotAuthentic)
        );
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_found() {
        let sealed = key().seal(b"value", &[b"context"]).unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut damaged = sealed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(key().open(&damaged, &[b"context"]).is_err(), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(
                key().open(&sealed[..length], &[b"context"]).is_err(),
                "{length} bytes"
            );
        }
    }

    #[test]
    fn what_a_faulty_machine_encrypted_is_not_handed_out() {
        let flips_a_bit: Encrypt = |key, nonce, content, associated, ciphertext| {
            XChaCha20Poly1305::seal(key, nonce, content, associated, ciphertext)?;
            ciphertext[3] ^= 4;
            Ok(())
        };
        // What it makes is authentic.
        let takes_other_content: Encrypt = |key, nonce, content, associated, ciphertext| {
            let mut other = content.to_vec();
            other[CONTENT_PREFIX_BYTES] ^= 1;
            XChaCha20Poly1305::seal(key, nonce, &other, associated, ciphertext)
        };
        for faulty in [flips_a_bit, takes_other_content] {
            assert_eq!(
                key().seal_with(faulty, b"value", &[b"context"]),
                Err(SealError::SealFailed)
            );
        }
    }

    #[test]
    fn lengths_are_hidden_in_steps() {
        let length = |content: usize| key().seal(&vec![1; content], &[]).unwrap().len() - 47;
        assert_eq!(
            [length(0), length(28), length(29), length(252)],
            [32, 32, 64, 256]
        );
        assert_eq!([length(253), length(284), length(285)], [288, 288, 320]);
        assert_eq!(length(65_536), 73_728);
    }

    /// The test vector of draft-irtf-cfrg-xchacha-03, appendix A.3.1: that orion's cipher is the standard's.
    #[test]
    fn the_cipher_is_that_of_the_draft() {
        let key: Vec<u8> = (0x80..=0x9f).collect();
        let nonce: Vec<u8> = (0x40..=0x57).collect();
        let associated = [
            0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7,
        ];
        let plaintext = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, \
                          sunscreen would be it.";
        let mut ciphertext = vec![0; plaintext.len() + TAG_LENGTH_BYTES];
        XChaCha20Poly1305::seal(
            &SecretKey::try_from(key.as_slice()).unwrap(),
            &Nonce::try_from(nonce.as_slice()).unwrap(),
            plaintext,
            Some(&associated),
            &mut ciphertext,
        )
        .unwrap();
        let tag = [
            0xc0, 0x87, 0x59, 0x24, 0xc1, 0xc7, 0x98, 0x79, 0x47, 0xde, 0xaf, 0xd8, 0x78, 0x0a,
            0xcf, 0x49,
        ];
        assert_eq!(
            &ciphertext[..8],
            [0xbd, 0x6d, 0x17, 0x9d, 0x3e, 0x83, 0xd4, 0x3b]
        );
        assert_eq!(&ciphertext[plaintext.len()..], tag);
    }
}
