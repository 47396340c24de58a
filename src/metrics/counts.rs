//! Metrics with labels.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// A label and its word, as often as there are labels.
type Labels<const N: usize> = [(&'static str, &'static str); N];

/// The bounds of times, in seconds: from what a cached read takes to what a request may take.
const DURATION_BOUNDS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// A histogram of times, in seconds.
pub(super) fn durations() -> Histogram {
    Histogram::new(DURATION_BOUNDS)
}

fn labels<const N: usize>(names: [&'static str; N], words: [&'static str; N]) -> Labels<N> {
    let mut labels = [("", ""); N];
    for (label, (name, word)) in labels.iter_mut().zip(names.into_iter().zip(words)) {
        *label = (name, word);
    }
    labels
}

/// Counters, one for each combination of words.
#[derive(Clone, Debug)]
pub struct Counts<const N: usize> {
    names: [&'static str; N],
    counters: Family<Labels<N>, Counter>,
}

impl<const N: usize> Counts<N> {
    /// Counters with these labels.
    pub(super) fn new(names: [&'static str; N]) -> Self {
        Self {
            names,
            counters: Family::default(),
        }
    }

    /// The same, with those of these words at 0.
    pub(super) fn expecting(self, words: impl IntoIterator<Item = [&'static str; N]>) -> Self {
        self.expect(words);
        self
    }

    /// Puts those of these words at 0, unless they are there already.
    pub fn expect(&self, words: impl IntoIterator<Item = [&'static str; N]>) {
        for words in words {
            self.add(words, 0);
        }
    }

    pub(super) fn register(&self, registry: &mut Registry, name: &str, help: &str) {
        registry.register(name, help, self.counters.clone());
    }

    /// Counts one.
    pub fn count(&self, words: [&'static str; N]) {
        self.add(words, 1);
    }

    /// Counts several.
    pub fn add(&self, words: [&'static str; N], count: u64) {
        let labels = labels(self.names, words);
        self.counters.get_or_create(&labels).inc_by(count);
    }
}

/// Gauges, one for each combination of words.
#[derive(Clone, Debug)]
pub struct Gauges<const N: usize> {
    names: [&'static str; N],
    gauges: Family<Labels<N>, Gauge>,
}

impl<const N: usize> Gauges<N> {
    pub(super) fn new(names: [&'static str; N]) -> Self {
        Self {
            names,
            gauges: Family::default(),
        }
    }

    pub(super) fn register(&self, registry: &mut Registry, name: &str, help: &str) {
        registry.register(name, help, self.gauges.clone());
    }

    /// Sets the one of these words.
    pub fn set(&self, words: [&'static str; N], value: i64) {
        let labels = labels(self.names, words);
        self.gauges.get_or_create(&labels).set(value);
    }
}

/// Histograms of times, one for each word.
#[derive(Clone, Debug)]
pub struct Histograms {
    name: &'static str,
    histograms: Family<Labels<1>, Histogram>,
}

impl Histograms {
    pub(super) fn new(name: &'static str, words: impl IntoIterator<Item = &'static str>) -> Self {
        let make: fn() -> Histogram = durations;
        let histograms = Family::new_with_constructor(make);
        for word in words {
            // It is made, and dropped is only what leads to it.
            let _made = histograms.get_or_create(&labels([name], [word]));
        }
        Self { name, histograms }
    }

    pub(super) fn register(&self, registry: &mut Registry, name: &str, help: &str) {
        registry.register(name, help, self.histograms.clone());
    }

    /// Notes how long something of this word took.
    pub fn observe(&self, word: &'static str, took: Duration) {
        let labels = labels([self.name], [word]);
        let histogram = self.histograms.get_or_create(&labels);
        histogram.observe(took.as_secs_f64());
    }
}
