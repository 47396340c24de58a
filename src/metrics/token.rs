//! Tokens: how often one was verified, and how often that was not needed.

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::counts::Counts;

/// The outcome of a token that is good. Of others it is the reason.
const ACCEPTED: &str = "accepted";
const HIT: &str = "hit";
const MISS: &str = "miss";

/// Tokens.
pub struct TokenMetrics {
    verifications: Counts<1>,
    lookups: Counts<1>,
    remembered: Gauge,
}

impl TokenMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            verifications: Counts::new(["outcome"]).expecting([[ACCEPTED]]),
            lookups: Counts::new(["result"]).expecting([[HIT], [MISS]]),
            remembered: Gauge::default(),
        };
        metrics.verifications.register(
            registry,
            "token_verifications",
            "Tokens that were verified, by what was found: accepted, or why not",
        );
        metrics.lookups.register(
            registry,
            "token_cache_lookups",
            "Tokens that were looked for among those that were verified before",
        );
        registry.register(
            "token_cache_tokens",
            "Tokens that are remembered as verified",
            metrics.remembered.clone(),
        );
        metrics
    }

    /// Puts the reasons for which a token may be refused at 0.
    pub fn expect_reasons(&self, reasons: impl IntoIterator<Item = &'static str>) {
        self.verifications
            .expect(reasons.into_iter().map(|reason| [reason]));
    }

    /// Counts a token that was verified and is good.
    pub fn count_accepted(&self) {
        self.verifications.count([ACCEPTED]);
    }

    /// Counts a token that was verified and is not good, for this reason.
    pub fn count_refused(&self, reason: &'static str) {
        self.verifications.count([reason]);
    }

    /// Counts a look for a token among those that were verified before.
    pub fn count_lookup(&self, is_hit: bool) {
        self.lookups.count([if is_hit { HIT } else { MISS }]);
    }

    /// Notes how many tokens are remembered now.
    pub fn set_remembered(&self, tokens: usize) {
        self.remembered
            .set(i64::try_from(tokens).unwrap_or(i64::MAX));
    }
}
