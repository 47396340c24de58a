//! Typed IDs: an `Id<Credential>` is not an `Id<User>`.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use uuid::{ContextV7, Uuid};

use super::clock::{Clock, Timestamp};

/// The ID of a `T`: a UUID of version 7 (RFC 9562), so that IDs sort by the time they were made.
pub struct Id<T> {
    uuid: Uuid,
    noun: PhantomData<fn() -> T>,
}

/// The length of a hyphenated UUID in characters (RFC 9562, section 4).
const HYPHENATED_LENGTH: usize = 36;

impl<T> Id<T> {
    /// Reads a hyphenated UUID in either case. Braces, URNs and the bare 32 digits are not IDs here:
    /// one thing has one spelling.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != HYPHENATED_LENGTH {
            return None;
        }
        Uuid::try_parse(text).ok().map(Self::from_uuid)
    }

    /// The ID that nothing has (RFC 9562, section 5.9): what a malformed one is taken for.
    pub const NIL: Self = Self::from_uuid(Uuid::nil());

    /// The ID with these 16 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self::from_uuid(Uuid::from_bytes(bytes))
    }

    /// Its 16 bytes, in the order in which they sort.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.uuid.as_bytes()
    }

    /// The smallest ID that could have been made at this time (RFC 9562, section 5.7: 48 bits of milliseconds come first).
    #[must_use]
    pub fn earliest(at: Timestamp) -> Self {
        let milliseconds = u64::try_from(at.0.max(0) / 1_000).unwrap_or(0);
        let bits = u128::from(milliseconds) << 80;
        Self::from_bytes(bits.to_be_bytes())
    }

    const fn from_uuid(uuid: Uuid) -> Self {
        Self {
            uuid,
            noun: PhantomData,
        }
    }

    /// The same ID, of another noun: for `node(id:)`, which does not know the noun beforehand.
    #[must_use]
    pub const fn of<U>(self) -> Id<U> {
        Id::from_uuid(self.uuid)
    }
}

impl<T> Clone for Id<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Id<T> {}

impl<T> PartialEq for Id<T> {
    fn eq(&self, other: &Self) -> bool {
        self.uuid == other.uuid
    }
}

impl<T> Eq for Id<T> {}

impl<T> Hash for Id<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.uuid.hash(state);
    }
}

impl<T> fmt::Display for Id<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uuid.hyphenated().fmt(formatter)
    }
}

impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// Makes IDs that rise strictly, even when the clock steps back.
#[derive(Clone)]
pub struct IdSource {
    clock: Clock,
    context: Arc<Mutex<ContextV7>>,
}

impl IdSource {
    /// A source whose IDs carry the time of `clock`.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            context: Arc::new(Mutex::new(ContextV7::new())),
        }
    }

    /// A new ID.
    #[must_use]
    pub fn next<T>(&self) -> Id<T> {
        self.next_at(self.clock.now())
    }

    /// A new ID of a time: that of an event is that of its ID.
    #[must_use]
    pub fn next_at<T>(&self, Timestamp(now_us): Timestamp) -> Id<T> {
        let now_us = now_us.unsigned_abs();
        let seconds = now_us / 1_000_000;
        let nanoseconds = u32::try_from(now_us % 1_000_000).unwrap_or(0) * 1_000;
        let context = self.context.lock().unwrap_or_else(PoisonError::into_inner);
        let timestamp = uuid::Timestamp::from_unix(&*context, seconds, nanoseconds);
        Id::from_uuid(Uuid::new_v7(timestamp))
    }
}
