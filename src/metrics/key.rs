//! The keyring, and the values under its keys.

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::counts::Gauges;
use crate::types::keyring::KeyState;

/// The keyring, and the values under its keys.
pub struct KeyMetrics {
    generation: Gauge,
    values: Gauges<1>,
    left: Gauge,
}

impl KeyMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            generation: Gauge::default(),
            values: Gauges::new(["data_key_state"]),
            left: Gauge::default(),
        };
        registry.register(
            "keyring_generation",
            "The generation of the keyring that this server has; it rises with each change",
            metrics.generation.clone(),
        );
        metrics.values.register(
            registry,
            "values",
            "Values in the database, by the state of the data key that sealed them",
        );
        registry.register(
            "rotation_left_values",
            "Values that a rotation of the data key has still to seal anew",
            metrics.left.clone(),
        );
        metrics
    }

    /// Notes the generation of the keyring.
    pub fn set_generation(&self, generation: i32) {
        self.generation.set(i64::from(generation));
    }

    /// Notes how many values there are under the data keys of each state.
    pub fn set_values(&self, counts: &[(KeyState, i64)]) {
        for state in KeyState::ALL {
            let of_state = counts.iter().filter(|(of, _)| *of == state);
            self.values
                .set([word(state)], of_state.map(|(_, count)| *count).sum());
        }
        let old = counts
            .iter()
            .filter(|(state, _)| matches!(state, KeyState::Retiring | KeyState::Destroyed));
        self.left.set(old.map(|(_, count)| *count).sum());
    }
}

/// The state, as labels have it.
const fn word(state: KeyState) -> &'static str {
    match state {
        KeyState::Pending => "pending",
        KeyState::Active => "active",
        KeyState::Retiring => "retiring",
        KeyState::Destroyed => "destroyed",
    }
}
