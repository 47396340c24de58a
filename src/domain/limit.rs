//! How often something may be done, by each who does it: the generic cell rate algorithm (ITU-T I.371), one bucket for each key.
//!
//! There are no more buckets than a limit: beyond it, those go that were used least. They are of this process alone.

use std::convert::Infallible;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::Clock as GovernorClock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::ShrinkableKeyedStateStore;
use governor::{NotUntil, Quota, RateLimiter};
use quick_cache::sync::Cache;

use crate::types::clock::Clock;

/// How many keys have a bucket at a time.
const BUCKET_LIMIT: usize = 100_000;

/// So many times in a period: all at once, and then evenly as the period goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(Quota);

impl Rate {
    /// A rate; `None` for one of more than a billion times in a second.
    #[must_use]
    pub fn new(times: NonZeroU32, period: Duration) -> Option<Self> {
        let interval = period.checked_div(times.get())?;
        let quota = Quota::with_period(interval)?;
        Some(Self(quota.allow_burst(times)))
    }

    /// So many times in a minute.
    #[must_use]
    pub const fn per_minute(times: NonZeroU32) -> Self {
        Self(Quota::per_minute(times))
    }
}

/// Something is done too often: how long to wait before the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooOften(pub Duration);

/// Counts what is done, by keys.
pub struct Limiter<K: Clone + Eq + Hash> {
    limiter: RateLimiter<Asked<K>, Buckets<K>, Ticks, NoOpMiddleware<Nanos>>,
    clock: Ticks,
}

impl<K: Clone + Eq + Hash> Limiter<K> {
    /// Lets each key do something at this rate.
    #[must_use]
    pub fn new(rate: Rate, clock: Clock) -> Self {
        let clock = Ticks(clock);
        Self {
            limiter: RateLimiter::new(rate.0, Buckets::default(), clock.clone()),
            clock,
        }
    }

    /// Does it once.
    ///
    /// # Errors
    /// [`TooOften`] when it was done too often by now: then it does not count.
    pub fn take(&self, key: K) -> Result<(), TooOften> {
        self.ask(&Asked { key, takes: true })
    }

    /// Whether it could be done now.
    ///
    /// # Errors
    /// [`TooOften`] when it could not.
    pub fn look(&self, key: K) -> Result<(), TooOften> {
        self.ask(&Asked { key, takes: false })
    }

    /// Forgets the keys that are as if they had never done anything.
    pub fn sweep(&self) {
        self.limiter.retain_recent();
    }

    fn ask(&self, asked: &Asked<K>) -> Result<(), TooOften> {
        let told = self.limiter.check_key(asked);
        told.map_err(|not_until: NotUntil<Nanos>| {
            TooOften(not_until.wait_time_from(self.clock.now()))
        })
    }
}

/// What a bucket is asked.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Asked<K> {
    key: K,
    takes: bool,
}

/// The state of each bucket that is not full: when the next one would be due if they came evenly, in nanoseconds.
struct Buckets<K> {
    due_at: Cache<K, Arc<AtomicU64>>,
}

impl<K: Clone + Eq + Hash> Default for Buckets<K> {
    fn default() -> Self {
        Self {
            due_at: Cache::new(BUCKET_LIMIT),
        }
    }
}

impl<K: Clone + Eq + Hash> StateStore for Buckets<K> {
    type Key = Asked<K>;

    fn measure_and_replace<T, F, E>(&self, asked: &Asked<K>, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        if !asked.takes {
            let state = self.due_at.get(&asked.key);
            let known = state.and_then(|state| known(state.load(Ordering::Acquire)));
            return decide(known).map(|(answer, _not_taken)| answer);
        }
        let Ok(state) = self
            .due_at
            .get_or_insert_with(&asked.key, || Ok::<_, Infallible>(Arc::default()));
        let mut present = state.load(Ordering::Acquire);
        loop {
            let (answer, next) = decide(known(present))?;
            let replaced = state.compare_exchange_weak(
                present,
                next.as_u64(),
                Ordering::AcqRel,
                Ordering::Acquire,
            );
            match replaced {
                Ok(_before) => return Ok(answer),
                Err(meanwhile) => present = meanwhile,
            }
        }
    }
}

impl<K: Clone + Eq + Hash> ShrinkableKeyedStateStore<Asked<K>> for Buckets<K> {
    fn retain_recent(&self, drop_below: Nanos) {
        let is_recent = |state: &AtomicU64| state.load(Ordering::Acquire) > drop_below.as_u64();
        self.due_at.retain(|_key, state| is_recent(state));
    }

    fn len(&self) -> usize {
        self.due_at.len()
    }

    fn is_empty(&self) -> bool {
        self.due_at.is_empty()
    }
}

/// A bucket that was just made has no state.
fn known(due_at: u64) -> Option<Nanos> {
    (due_at > 0).then(|| Nanos::from(due_at))
}

/// The clock of this process, as the library asks for the time.
#[derive(Clone)]
struct Ticks(Clock);

impl GovernorClock for Ticks {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::from(self.0.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(times: u32, clock: &Clock) -> Limiter<u32> {
        Limiter::new(
            Rate::per_minute(NonZeroU32::new(times).unwrap()),
            clock.clone(),
        )
    }

    #[test]
    fn there_are_no_more_keys_than_the_limit_and_none_after_a_while() {
        let clock = Clock::system();
        let limiter = limiter(2, &clock);
        for key in 0..250_000 {
            limiter.take(key).unwrap();
        }
        let kept = limiter.limiter.len();
        assert!((BUCKET_LIMIT / 2..=BUCKET_LIMIT).contains(&kept), "{kept}");
        limiter.sweep();
        assert!(limiter.limiter.len() >= BUCKET_LIMIT / 2);
        clock.shift_seconds(61);
        limiter.sweep();
        assert_eq!(limiter.limiter.len(), 0);
    }

    #[test]
    fn who_does_much_stays_known_among_many_that_come_once() {
        let clock = Clock::system();
        let limiter = limiter(2, &clock);
        let busy = u32::MAX;
        for key in 0..250_000 {
            let _counted = limiter.take(busy);
            limiter.take(key).unwrap();
        }
        let TooOften(wait) = limiter.look(busy).unwrap_err();
        assert!(
            !wait.is_zero() && wait <= Duration::from_secs(30),
            "{wait:?}"
        );
    }

    #[test]
    fn who_only_looks_takes_nothing() {
        let clock = Clock::system();
        let limiter = limiter(1, &clock);
        for _ in 0..10 {
            limiter.look(1).unwrap();
        }
        limiter.take(1).unwrap();
        assert!(limiter.look(1).is_err() && limiter.take(1).is_err());
        limiter.look(2).unwrap();
        assert_eq!(limiter.limiter.len(), 1);
    }

    #[test]
    fn a_rate_above_what_a_clock_can_tell_is_none() {
        let many = NonZeroU32::new(2_000_000_000).unwrap();
        assert_eq!(Rate::new(many, Duration::from_secs(1)), None);
        let few = NonZeroU32::new(60).unwrap();
        assert_eq!(
            Rate::new(few, Duration::from_mins(1)),
            Some(Rate::per_minute(few))
        );
    }
}
