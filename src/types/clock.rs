//! Time. No other file asks the machine what time it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, Utc};

/// A point in time: microseconds since 1970-01-01T00:00:00Z. Both databases keep it exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Whole seconds since 1970, rounded down: the resolution of a token's claims (RFC 7519, section 2).
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// RFC 3339 in UTC with milliseconds, such as `2026-01-31T09:30:00.000Z`.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        DateTime::<Utc>::from_timestamp_micros(self.0)
            .unwrap_or_default()
            .to_rfc3339_opts(SecondsFormat::Millis, true)
    }

    /// Reads an RFC 3339 date-time with any offset.
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let time = DateTime::parse_from_rfc3339(text).ok()?;
        Some(Self(time.timestamp_micros()))
    }
}

/// The clock of the whole process. Its clones are the same clock.
#[derive(Clone, Debug)]
pub struct Clock {
    shift_us: Arc<AtomicI64>,
    started_at: Instant,
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            shift_us: Arc::default(),
            started_at: Instant::now(),
        }
    }
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::default()
    }

    /// The present time, in microseconds: what both databases can keep.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks")]
    pub fn now(&self) -> Timestamp {
        let machine_us = Utc::now().timestamp_micros();
        Timestamp(machine_us.saturating_add(self.shift_us.load(Ordering::Relaxed)))
    }

    /// How long this clock has been there. Other than the present time, it does not jump when somebody sets the machine's clock.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        let shift_us = self.shift_us.load(Ordering::Relaxed);
        let shift = Duration::from_micros(shift_us.unsigned_abs());
        let elapsed = self.started_at.elapsed();
        if shift_us < 0 {
            elapsed.saturating_sub(shift)
        } else {
            elapsed.saturating_add(shift)
        }
    }

    /// Moves this clock and all its clones, forwards or back. Tests use it in place of waiting.
    pub fn shift_seconds(&self, seconds: i64) {
        self.shift_us
            .fetch_add(seconds.saturating_mul(1_000_000), Ordering::Relaxed);
    }
}
