//! Randomness. No other file asks for it.

use aws_lc_rs::rand;
use zeroize::Zeroizing;

use super::locked_key::LockedKey;

/// The system's random source failed: nothing secret can be made.
#[derive(Debug)]
pub struct RandomUnavailable;

/// `N` random bytes, wiped when dropped.
///
/// # Errors
/// [`RandomUnavailable`] when the system's source fails.
pub fn bytes<const N: usize>() -> Result<Zeroizing<[u8; N]>, RandomUnavailable> {
    let mut bytes = Zeroizing::new([0; N]);
    match rand::fill(bytes.as_mut_slice()) {
        Ok(()) => Ok(bytes),
        Err(aws_lc_rs::error::Unspecified) => Err(RandomUnavailable),
    }
}

/// A random key, in locked memory.
///
/// # Errors
/// [`RandomUnavailable`] when the system's source fails.
pub fn key() -> Result<LockedKey, RandomUnavailable> {
    let mut key = LockedKey::zeroed();
    match rand::fill(&mut key) {
        Ok(()) => Ok(key),
        Err(aws_lc_rs::error::Unspecified) => Err(RandomUnavailable),
    }
}
