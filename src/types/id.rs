//! Typed IDs: an `Id<Credential>` is not an `Id<User>`.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use uuid::Uuid;

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

    /// The latest time that it can have been made at, in microseconds.
    fn latest_us(&self) -> i64 {
        let milliseconds = self.uuid.as_u128() >> 80;
        i64::try_from(milliseconds.saturating_mul(1_000).saturating_add(999)).unwrap_or(i64::MAX)
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

/// How far IDs may be ahead of the clock before that means that the clock was set back, in microseconds.
const LEAD_LIMIT_US: i64 = 1_000;

/// Makes IDs that rise strictly, even when the clock steps back: no two of a source are of the same microsecond.
#[derive(Clone)]
pub struct IdSource {
    clock: Clock,
    last_us: Arc<AtomicI64>,
}

impl IdSource {
    /// A source whose IDs carry the time of `clock`.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            last_us: Arc::default(),
        }
    }

    /// Goes on behind an ID that was made before: IDs rise over a restart, too, whatever the clock says then.
    pub fn follow<T>(&self, last: Id<T>) {
        self.last_us.fetch_max(last.latest_us(), Ordering::Relaxed);
    }

    /// A new ID.
    #[must_use]
    pub fn next<T>(&self) -> Id<T> {
        self.next_at(self.clock.now())
    }

    /// A new ID of a time, or of a later one.
    #[must_use]
    pub fn next_at<T>(&self, at: Timestamp) -> Id<T> {
        id_of(self.reserve(at, 1))
    }

    /// The times of two new IDs, and the time that they carry: that of the second one, so that an ID of any later microsecond is later than
    /// both, whoever makes it. When the clock was set back, IDs go on rising, and the time is that of the clock.
    #[must_use]
    pub fn reserve_two_at(&self, at: Timestamp) -> (ReservedIds, Timestamp) {
        let first_us = self.reserve(at, 2);
        let second_us = first_us.saturating_add(1);
        let was_set_back = second_us.saturating_sub(at.0) > LEAD_LIMIT_US;
        let carried = if was_set_back { at.0 } else { second_us };
        (ReservedIds(first_us..=second_us), Timestamp(carried))
    }

    /// Takes so many microseconds that no other ID gets. Returns the first one.
    fn reserve(&self, at: Timestamp, count: i64) -> i64 {
        let first = |last_us: i64| at.0.max(last_us.saturating_add(1));
        let last = |last_us| Some(first(last_us).saturating_add(count - 1));
        let (Ok(before_us) | Err(before_us)) =
            self.last_us
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, last);
        first(before_us)
    }
}

/// The times of IDs that nobody else makes.
#[derive(Clone)]
pub struct ReservedIds(RangeInclusive<i64>);

impl ReservedIds {
    /// The next of them; `None` when there is none left.
    pub fn take<T>(&mut self) -> Option<Id<T>> {
        self.0.next().map(id_of)
    }
}

/// An ID whose first 60 bits that count are a time in microseconds: milliseconds, and the rest in 12 bits in place of random ones
/// (RFC 9562, section 6.2, method 3).
fn id_of<T>(at_us: i64) -> Id<T> {
    let at_us = at_us.unsigned_abs();
    let (seconds, rest_us) = (at_us / 1_000_000, at_us % 1_000_000);
    let nanoseconds = u32::try_from(rest_us).unwrap_or(0) * 1_000;
    let fraction = u128::from(rest_us % 1_000) * (1 << FRACTION_BITS) / 1_000;
    let timestamp = uuid::Timestamp::from_unix_time(seconds, nanoseconds, fraction, FRACTION_BITS);
    Id::from_uuid(Uuid::new_v7(timestamp))
}

/// How many bits of an ID hold the part of a millisecond.
const FRACTION_BITS: u8 = 12;
