//! What the provider said, kept for a while. Whoever finds nothing asks, and the others wait for the same answer; that there is none is kept
//! too, for a few seconds, so that they do not ask one after the other.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::oidc_provider::ProviderProblem;

/// How long it is believed that there is no answer.
const FAILURE_KEPT: Duration = Duration::from_secs(5);

/// An answer, or why there is none.
pub struct Memory<T>(Mutex<State<T>>);

struct State<T> {
    answer: Option<(T, Instant)>,
    failure: Option<(ProviderProblem, Instant)>,
}

impl<T> Default for Memory<T> {
    fn default() -> Self {
        Self(Mutex::new(State {
            answer: None,
            failure: None,
        }))
    }
}

impl<T: Clone> Memory<T> {
    /// What is kept, when it is no older than `kept_for`; otherwise what is said to `ask`.
    ///
    /// # Errors
    /// A [`ProviderProblem`], that of the last 5 seconds if there was one.
    pub async fn get(
        &self,
        kept_for: Duration,
        ask: impl Future<Output = Result<T, ProviderProblem>>,
    ) -> Result<T, ProviderProblem> {
        let mut state = self.0.lock().await;
        if let Some((answer, since)) = &state.answer
            && since.elapsed() < kept_for
        {
            return Ok(answer.clone());
        }
        if let Some((problem, since)) = state.failure
            && since.elapsed() < FAILURE_KEPT
        {
            return Err(problem);
        }
        let asked = ask.await;
        match &asked {
            Ok(answer) => state.answer = Some((answer.clone(), Instant::now())),
            Err(problem) => state.failure = Some((*problem, Instant::now())),
        }
        asked
    }
}
