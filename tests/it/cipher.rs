//! The cipher against another implementation of it, and against what was published.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use credence::crypto::digest::derive_key;
use credence::crypto::locked_key::LockedKey;
use credence::crypto::seal::SealingKey;

use crate::support::audit::Numbers;

const HEADER_LENGTH: usize = 7;
const NONCE_LENGTH: usize = 24;

fn random(numbers: &mut Numbers, length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend_from_slice(&numbers.next().to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// What is authenticated beside the content, as `docs/security.md` has it: each part with its length before it, the header last.
fn associated(context: &[Vec<u8>], header: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in context.iter().map(Vec::as_slice).chain([header]) {
        bytes.extend_from_slice(&u64::try_from(part.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

/// The content with its length before it, filled up with zeros.
fn padded(content: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(content.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend_from_slice(content);
    let length = bytes.len();
    let step = if length <= 256 {
        32
    } else {
        length.next_power_of_two() / 16
    };
    bytes.resize(length.next_multiple_of(step), 0);
    bytes
}

/// What orion seals, the other one opens, and the other way round: 100,000 of each.
#[test]
fn two_hundred_thousand_random_cases_are_the_same_to_another_implementation() {
    let mut numbers = Numbers(4);
    for case in 0..100_000_u32 {
        let key_bytes: [u8; 32] = random(&mut numbers, 32).try_into().unwrap();
        let number = u32::try_from(numbers.next() >> 32).unwrap();
        let own = SealingKey::new(number, LockedKey::copy_of(&key_bytes).unwrap());
        let other = XChaCha20Poly1305::new(&Key::from(key_bytes));
        // Mostly as long as the keys of the usual services, and some longer.
        let limit = if case % 100 == 0 { 5_000 } else { 100 };
        let length = numbers.below(limit);
        let content = random(&mut numbers, length);
        let context: Vec<Vec<u8>> = (0..numbers.below(5))
            .map(|_| {
                let length = numbers.below(40);
                random(&mut numbers, length)
            })
            .collect();
        let parts: Vec<&[u8]> = context.iter().map(Vec::as_slice).collect();

        let sealed = own.seal(&content, &parts).unwrap();
        let (header, rest) = sealed.split_at(HEADER_LENGTH);
        let (nonce, ciphertext) = rest.split_at(NONCE_LENGTH);
        assert_eq!(header[..3], [0x43, 1, 1]);
        assert_eq!(header[3..], number.to_be_bytes());
        let nonce: [u8; NONCE_LENGTH] = nonce.try_into().unwrap();
        let aad = associated(&context, header);
        let payload = Payload {
            msg: ciphertext,
            aad: &aad,
        };
        let opened = other.decrypt(&XNonce::from(nonce), payload);
        assert_eq!(opened.unwrap(), padded(&content), "case {case}");

        let nonce: [u8; NONCE_LENGTH] = random(&mut numbers, NONCE_LENGTH).try_into().unwrap();
        let payload = Payload {
            msg: &padded(&content),
            aad: &aad,
        };
        let ciphertext = other.encrypt(&XNonce::from(nonce), payload).unwrap();
        let mut sealed = [header, &nonce, &ciphertext].concat();
        assert_eq!(
            own.open(&sealed, &parts).unwrap().as_slice(),
            content,
            "case {case}"
        );
        let place = numbers.below(sealed.len());
        sealed[place] ^= 1 << numbers.below(8);
        assert!(own.open(&sealed, &parts).is_err(), "case {case}");
    }
}

/// RFC 5869, appendix A.3: SHA-256, without salt and info. What is derived here has the length of a key, and is the beginning of theirs.
#[test]
fn keys_are_derived_as_rfc_5869_has_it() {
    let derived = derive_key(&[0x0b; 22], &[], "").unwrap();
    let published = [
        0x8d, 0xa4, 0xe7, 0x75, 0xa5, 0x63, 0xc1, 0x8f, 0x71, 0x5f, 0x80, 0x2a, 0x06, 0x3c, 0x5a,
        0x31, 0xb8, 0xa1, 0x1f, 0x5c, 0x5e, 0xe1, 0x87, 0x9e, 0xc3, 0x45, 0x4e, 0x5f, 0x3c, 0x73,
        0x8d, 0x2d,
    ];
    assert_eq!(&*derived, published);
}

/// draft-irtf-cfrg-xchacha-03, appendix A.3.1. The same for orion stands beside its use, in `src/crypto/seal.rs`.
#[test]
fn the_other_implementation_is_that_of_the_draft_too() {
    let key: [u8; 32] = std::array::from_fn(|place| 0x80 + u8::try_from(place).unwrap());
    let nonce: [u8; 24] = std::array::from_fn(|place| 0x40 + u8::try_from(place).unwrap());
    let payload = Payload {
        msg: b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, \
               sunscreen would be it.",
        aad: &[
            0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7,
        ],
    };
    let cipher = XChaCha20Poly1305::new(&Key::from(key));
    let ciphertext = cipher.encrypt(&XNonce::from(nonce), payload).unwrap();
    assert_eq!(
        ciphertext[..8],
        [0xbd, 0x6d, 0x17, 0x9d, 0x3e, 0x83, 0xd4, 0x3b]
    );
    let tag = [
        0xc0, 0x87, 0x59, 0x24, 0xc1, 0xc7, 0x98, 0x79, 0x47, 0xde, 0xaf, 0xd8, 0x78, 0x0a, 0xcf,
        0x49,
    ];
    assert_eq!(ciphertext[ciphertext.len() - 16..], tag);
}
