//! The keys of the tokens' issuer. Those of a file stay as they are. Those at a URL come and go: they are asked for every ten minutes, and
//! when somebody shows a token of a key that is not among them; when there is no answer, the last ones are used for a day.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use super::token_cache::VerifiedTokens;
use crate::crypto::token::TokenVerifier;
use crate::crypto::token_key::{RsaAlgorithm, TokenKeyProblem, TokenKeys};
use crate::crypto::token_rules::TokenRules;
use crate::types::clock::{Clock, Timestamp};

/// Asks the issuer for its key set, a JSON Web Key Set, within 5 seconds; otherwise why there is none, for the log.
pub type KeySetSource =
    Box<dyn Fn() -> BoxFuture<'static, Result<Vec<u8>, &'static str>> + Send + Sync>;

/// How long keys are used before they are asked for again, in seconds.
const REFRESH_SECONDS: i64 = 10 * 60;
/// How soon they are asked for again when there was no good answer, in seconds.
const RETRY_SECONDS: i64 = 10;
/// How soon they are asked for again because one is missing, in seconds.
const MISSING_SECONDS: i64 = 30;
/// How long the last good ones are used when there are no others, in seconds.
const KEPT_SECONDS: i64 = 24 * 60 * 60;
/// How often it is looked whether they are due.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// How long a request waits for them: somewhat longer than the issuer has for its answer.
const WAITING_LIMIT: Duration = Duration::from_secs(6);

/// The keys as they are now.
pub struct IssuerKeys {
    state: watch::Sender<State>,
    followed: Option<Followed>,
}

/// Keys that come and go.
struct Followed {
    source: KeySetSource,
    rules: TokenRules,
    rsa: RsaAlgorithm,
    wanted: Notify,
}

#[derive(Default)]
struct State {
    present: Option<Present>,
    // When they were asked for last, and whether that gave any.
    asked: Option<(Timestamp, bool)>,
    // When one was missing that they were asked for again for.
    missed_at: Option<Timestamp>,
    is_one_missing: bool,
    is_asking: bool,
    // How often there was an answer, or none in time.
    answers: u64,
}

struct Present {
    tokens: Arc<VerifiedTokens>,
    since: Timestamp,
}

impl State {
    /// Whether it is time to ask. A clock that was set back is a reason too.
    fn is_due(&self, now: Timestamp) -> bool {
        self.asked.is_none_or(|(at, has_succeeded)| {
            let interval_seconds = if has_succeeded {
                REFRESH_SECONDS
            } else {
                RETRY_SECONDS
            };
            !is_within(interval_seconds, at, now)
        })
    }

    /// Whether they may be asked for because one is missing.
    fn may_miss(&self, now: Timestamp) -> bool {
        let is_too_soon = |at| is_within(MISSING_SECONDS, at, now);
        !self.missed_at.is_some_and(is_too_soon)
    }
}

fn is_within(seconds: i64, since: Timestamp, now: Timestamp) -> bool {
    (0..seconds).contains(&now.seconds().saturating_sub(since.seconds()))
}

impl IssuerKeys {
    /// Keys that stay as they are.
    #[must_use]
    pub fn fixed(verifier: TokenVerifier) -> Self {
        let present = Present {
            tokens: Arc::new(VerifiedTokens::new(verifier)),
            since: Timestamp(0),
        };
        let state = State {
            present: Some(present),
            ..State::default()
        };
        Self {
            state: watch::Sender::new(state),
            followed: None,
        }
    }

    /// Keys that are asked for at `source`, once they are followed. `rsa` is the algorithm of those RSA keys that do not say theirs.
    #[must_use]
    pub fn followed(rules: TokenRules, rsa: RsaAlgorithm, source: KeySetSource) -> Self {
        Self {
            state: watch::Sender::default(),
            followed: Some(Followed {
                source,
                rules,
                rsa,
                wanted: Notify::new(),
            }),
        }
    }

    /// The keys, and what they verified; `None` when there never were any, or none that are new enough.
    pub(super) fn present(&self, now: Timestamp) -> Option<Arc<VerifiedTokens>> {
        let state = self.state.borrow();
        if let Some(followed) = &self.followed {
            if state.is_due(now) {
                followed.wanted.notify_one();
            }
            let age_seconds = |since: Timestamp| now.seconds().saturating_sub(since.seconds());
            if age_seconds(state.present.as_ref()?.since) >= KEPT_SECONDS {
                return None;
            }
        }
        state
            .present
            .as_ref()
            .map(|present| Arc::clone(&present.tokens))
    }

    /// Waits for an answer of the issuer that is under way, or due, or may be had because a key is missing. Returns at once, and false,
    /// when it is too soon to ask again.
    pub(super) async fn renewed(&self, is_one_missing: bool, now: Timestamp) -> bool {
        let Some(followed) = &self.followed else {
            return false;
        };
        let mut changes = self.state.subscribe();
        let (mut answers_before, mut is_under_way) = (0, false);
        self.state.send_if_modified(|state| {
            if is_one_missing && state.may_miss(now) {
                state.missed_at = Some(now);
                state.is_one_missing = true;
            }
            answers_before = state.answers;
            is_under_way = state.is_asking || state.is_one_missing || state.is_due(now);
            false
        });
        if !is_under_way {
            return false;
        }
        followed.wanted.notify_one();
        // The answer is not waited for by who asks for it: they may go away.
        let answered = async {
            let has_answered = |state: &State| state.answers > answers_before;
            changes.wait_for(has_answered).await.is_ok()
        };
        timeout(WAITING_LIMIT, answered).await.unwrap_or(false)
    }

    /// Asks for the keys when they are due, or one is missing, for ever. Those of a file are not asked for.
    pub async fn follow(&self, clock: &Clock) {
        let Some(followed) = &self.followed else {
            return;
        };
        let (mut told, mut had_keys) = (None, false);
        loop {
            let now = clock.now();
            if self.begins(now) {
                let answer = (followed.source)().await;
                let problem = self.take_over(followed, answer, now).err();
                tell(told, problem);
                told = problem;
                let has_keys = self.present(now).is_some();
                if had_keys && !has_keys {
                    tracing::error!(
                        "the keys of --jwks-url are 24 hours old: no token is accepted until it gives keys again"
                    );
                }
                had_keys = has_keys;
            }
            tokio::select! {
                () = followed.wanted.notified() => {}
                () = sleep(CHECK_INTERVAL) => {}
            }
        }
    }

    /// Whether it is time to ask for them; if so, that has begun.
    fn begins(&self, now: Timestamp) -> bool {
        let mut begins = false;
        self.state.send_if_modified(|state| {
            begins = state.is_due(now) || state.is_one_missing;
            if begins {
                state.is_one_missing = false;
                state.is_asking = true;
                state.asked = Some((now, false));
            }
            false
        });
        begins
    }

    /// Uses the keys of an answer, unless they are those that are used already: then what they verified stays known.
    fn take_over(
        &self,
        followed: &Followed,
        answer: Result<Vec<u8>, &'static str>,
        now: Timestamp,
    ) -> Result<(), &'static str> {
        let opened = answer.and_then(|key_set| {
            let keys = TokenKeys::from_key_set(&key_set, followed.rsa);
            let keys = keys.map_err(TokenKeyProblem::as_str)?;
            Ok(TokenVerifier::new(keys, followed.rules.clone()))
        });
        let problem = opened.as_ref().err().copied();
        self.state.send_modify(|state| {
            state.is_asking = false;
            state.answers = state.answers.wrapping_add(1);
            let Ok(verifier) = opened else {
                return;
            };
            state.asked = Some((now, true));
            if let Some(present) = &mut state.present
                && present.tokens.has_keys_of(&verifier)
            {
                present.since = now;
                return;
            }
            let keys = verifier.fingerprints().count();
            tracing::info!(keys, "the issuer's keys were taken over");
            state.present = Some(Present {
                tokens: Arc::new(VerifiedTokens::new(verifier)),
                since: now,
            });
        });
        problem.map_or(Ok(()), Err)
    }
}

/// Tells the log what has become of the issuer, when that is something else than before.
fn tell(before: Option<&'static str>, now: Option<&'static str>) {
    match now {
        Some(problem) if before != now => tracing::warn!(
            "what is at --jwks-url cannot be used: it {problem}. The keys that are known are used for 24 hours; without any, no token is \
             accepted"
        ),
        None if before.is_some() => tracing::info!("the issuer's keys can be had again"),
        _ => {}
    }
}
