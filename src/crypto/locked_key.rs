//! Keys in memory of their own: pages that are not swapped out, are left out of core dumps, and are empty in a process that forks from
//! this one.
//!
//! # Use case
//! Every key of the keyring and what is derived from it, for as long as it is kept. What a cipher makes of a key while it works lies on the
//! stack, and is wiped by the cipher.
//!
//! # Security
//! A page is made once, cut into places of 32 bytes, and never given back to the system: a key that is dropped is wiped, and its place is
//! used by the next one. So a page has one owner for each of its bytes at any time, and only making it needs `unsafe`. Where the system
//! refuses to lock memory (`RLIMIT_MEMLOCK`), the log says so once, and the server goes on: its keys can then be swapped out.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, Once, PoisonError};

use zeroize::Zeroize;

/// The length of every key, in bytes.
pub const KEY_LENGTH_BYTES: usize = 32;
/// How much is locked at once, in bytes: the smallest page of any system that this runs on, 128 keys.
const PAGE_LENGTH_BYTES: usize = 4 * 1024;

/// The places without a key.
static FREE: Mutex<Vec<&'static mut [u8]>> = Mutex::new(Vec::new());

/// A key of 32 bytes, wiped when dropped.
pub struct LockedKey(&'static mut [u8]);

impl LockedKey {
    /// A key of zeros: a place to write a key into.
    #[must_use]
    pub fn zeroed() -> Self {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(place) = free.pop() {
                return Self(place);
            }
            free.extend(new_page().chunks_exact_mut(KEY_LENGTH_BYTES));
        }
    }

    /// A copy of a key that lies elsewhere; `None` when it has not 32 bytes.
    #[must_use]
    pub fn copy_of(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != KEY_LENGTH_BYTES {
            return None;
        }
        let mut key = Self::zeroed();
        key.copy_from_slice(bytes);
        Some(key)
    }
}

impl Clone for LockedKey {
    fn clone(&self) -> Self {
        let mut key = Self::zeroed();
        key.copy_from_slice(self);
        key
    }
}

impl Deref for LockedKey {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0
    }
}

impl DerefMut for LockedKey {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.0
    }
}

impl fmt::Debug for LockedKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("LockedKey(…)")
    }
}

impl Drop for LockedKey {
    fn drop(&mut self) {
        let place = std::mem::take(&mut self.0);
        place.zeroize();
        FREE.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(place);
    }
}

/// A new page of zeros: locked, if the system allows it.
fn new_page() -> &'static mut [u8] {
    let page = page::make(PAGE_LENGTH_BYTES);
    if !page.as_ref().is_some_and(|(_, is_locked)| *is_locked) {
        static TELL: Once = Once::new();
        TELL.call_once(|| {
            tracing::warn!(
                "the memory of the keys cannot be locked, so that they may be swapped out: raise the limit on locked memory (ulimit -l, or \
                 LimitMEMLOCK= of systemd) to 64 KiB or more, or run without swap"
            );
        });
    }
    match page {
        Some((bytes, _)) => bytes,
        None => Box::leak(vec![0; PAGE_LENGTH_BYTES].into_boxed_slice()),
    }
}

/// The one place with `unsafe` in it.
#[expect(
    unsafe_code,
    reason = "no safe interface gives memory that is locked and left out of core dumps"
)]
mod page {
    use std::ptr::null_mut;

    use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mlock, mmap_anonymous};

    /// Maps new memory of zeros, for good, and whether it is locked; `None` when there is none.
    pub(super) fn make(length_bytes: usize) -> Option<(&'static mut [u8], bool)> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the system chooses the address, so that no memory is replaced that is in use.
        let mapped =
            unsafe { mmap_anonymous(null_mut(), length_bytes, protection, MapFlags::PRIVATE) };
        let start = mapped.ok()?;
        // SAFETY: the range is what was just mapped. Locking it changes no content.
        let is_locked = unsafe { mlock(start, length_bytes) }.is_ok();
        for advice in [Advice::LinuxDontDump, Advice::LinuxWipeOnFork] {
            // SAFETY: the range is what was just mapped. Neither advice changes its content in this process; in a process that forks from
            // it, which only executes another program, the content is zeros. A kernel that knows no such advice leaves things as they are.
            let _advised = unsafe { madvise(start, length_bytes, advice) };
        }
        // SAFETY: the range is mapped for reading and writing, filled with zeros, never unmapped, aligned for bytes, and no other
        // reference to it exists, as it was just made here.
        let bytes = unsafe { std::slice::from_raw_parts_mut(start.cast::<u8>(), length_bytes) };
        Some((bytes, is_locked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_places_of_their_own_and_are_wiped_when_they_go() {
        let mut keys: Vec<LockedKey> = (0..300).map(|_| LockedKey::zeroed()).collect();
        for (number, key) in keys.iter_mut().enumerate() {
            assert_eq!(&**key, [0; KEY_LENGTH_BYTES]);
            key.fill(u8::try_from(number % 250).unwrap() + 1);
        }
        for (number, key) in keys.iter().enumerate() {
            let byte = u8::try_from(number % 250).unwrap() + 1;
            assert_eq!(&**key, [byte; KEY_LENGTH_BYTES]);
            assert_eq!(&*key.clone(), &**key);
        }
        drop(keys);
        let again: Vec<LockedKey> = (0..300).map(|_| LockedKey::zeroed()).collect();
        assert!(again.iter().all(|key| **key == [0; KEY_LENGTH_BYTES]));
    }

    #[test]
    fn a_key_has_32_bytes() {
        assert!(LockedKey::copy_of(&[1; 31]).is_none() && LockedKey::copy_of(&[1; 33]).is_none());
        assert_eq!(
            LockedKey::copy_of(&[1; 32]).as_deref(),
            Some([1; 32].as_slice())
        );
    }
}
