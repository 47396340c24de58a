//! Refusals: who was denied what. They are recorded like all else, but counted together, so that nobody fills the disk by being refused.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Domain;
use super::error::Error;
use crate::metrics::{ALONE, COUNTED, Metrics, WITHOUT_CALLER};
use crate::store::Written;
use crate::types::audit::{AuditAction, AuditEntry, AuditEvent};
use crate::types::user::UserKey;

/// How often refusals that are new are written: each kind once a minute at most.
pub const FLUSH_INTERVAL: Duration = Duration::from_secs(10);
/// How long refusals of one kind are counted together.
const WINDOW: Duration = Duration::from_mins(1);
/// How many refused resolves of one caller, for one reason, are recorded one by one in that time, each with what was asked for.
const SINGLE_LIMIT: u32 = 20;
/// How many kinds are told apart; what is beyond that is counted as one.
const KIND_LIMIT: usize = 1_000;

/// What is counted together: who, and why.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Kind {
    action: AuditAction,
    issuer: String,
    subject: String,
    reason: &'static str,
}

#[derive(Clone, Copy)]
struct Count {
    /// Since they were written last.
    refusals: u32,
    /// How many were recorded one by one since the window began.
    singles: u32,
    began_at: Instant,
    written_at: Option<Instant>,
}

/// What was refused and is not written yet. Its clones are the same.
#[derive(Clone)]
pub struct Refusals {
    kinds: Arc<Mutex<HashMap<Kind, Count>>>,
    metrics: Arc<Metrics>,
}

impl Refusals {
    /// Nothing was refused yet.
    pub(super) fn new(metrics: &Arc<Metrics>) -> Self {
        Self {
            kinds: Arc::default(),
            metrics: Arc::clone(metrics),
        }
    }

    /// Counts a refused request.
    pub(super) fn note(&self, user: &UserKey, reason: &'static str) {
        self.count_one(kind(AuditAction::AccessRefused, user, reason));
    }

    /// Counts a refused resolve without what was asked for.
    pub(super) fn note_resolve(&self, user: &UserKey, reason: &'static str) {
        self.count_one(kind(AuditAction::CredentialResolveRefused, user, reason));
    }

    fn count_one(&self, kind: Kind) {
        let recorded = self.count(kind, |count| {
            count.refusals = count.refusals.saturating_add(1);
        });
        self.metrics.audit.count_refusal(recorded);
    }

    /// Counts what somebody showed that was refused: nobody knows whose it is.
    fn note_proof(&self, reason: &'static str) {
        let nobody = UserKey {
            issuer: String::new(),
            subject: String::new(),
        };
        self.note(&nobody, reason);
    }

    /// Whether a refused resolve is recorded by itself. Otherwise it is counted.
    pub(super) fn admits_resolve(&self, user: &UserKey, reason: &'static str) -> bool {
        let kind = kind(AuditAction::CredentialResolveRefused, user, reason);
        let mut is_single = false;
        let recorded = self.count(kind, |count| {
            if count.began_at.elapsed() >= WINDOW {
                count.began_at = Instant::now();
                count.singles = 0;
            }
            is_single = count.singles < SINGLE_LIMIT;
            if is_single {
                count.singles = count.singles.saturating_add(1);
            } else {
                count.refusals = count.refusals.saturating_add(1);
            }
        });
        let recorded = if is_single { ALONE } else { recorded };
        self.metrics.audit.count_refusal(recorded);
        is_single
    }

    /// Counts among those of a kind. Returns how they are recorded.
    #[must_use]
    fn count(&self, kind: Kind, change: impl FnOnce(&mut Count)) -> &'static str {
        let mut kinds = self.lock();
        let (kind, recorded) = if kinds.len() < KIND_LIMIT || kinds.contains_key(&kind) {
            (kind, COUNTED)
        } else {
            let others = Kind {
                issuer: String::new(),
                subject: String::new(),
                reason: "OTHERS",
                ..kind
            };
            (others, WITHOUT_CALLER)
        };
        change(kinds.entry(kind).or_insert_with(|| Count {
            refusals: 0,
            singles: 0,
            began_at: Instant::now(),
            written_at: None,
        }));
        recorded
    }

    /// Takes what is to be written now; all of it, when the server stops.
    fn take(&self, all: bool) -> Vec<(Kind, u32)> {
        let mut taken = Vec::new();
        let is_over = |at: Instant| at.elapsed() >= WINDOW;
        self.lock().retain(|kind, count| {
            if count.refusals > 0 && (all || count.written_at.is_none_or(is_over)) {
                taken.push((kind.clone(), count.refusals));
                count.refusals = 0;
                count.written_at = Some(Instant::now());
            }
            count.refusals > 0 || !is_over(count.began_at) || !count.written_at.is_none_or(is_over)
        });
        taken
    }

    /// Counts again what could not be written.
    fn give_back(&self, taken: Vec<(Kind, u32)>) {
        for (kind, refusals) in taken {
            let _as_before = self.count(kind, |count| {
                count.refusals = count.refusals.saturating_add(refusals);
                count.written_at = None;
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Kind, Count>> {
        // Counts are whole even when the thread that held them panicked.
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn kind(action: AuditAction, user: &UserKey, reason: &'static str) -> Kind {
    Kind {
        action,
        issuer: user.issuer.clone(),
        subject: user.subject.clone(),
        reason,
    }
}

impl Domain {
    /// Counts a token, a session, a one-time code or an ID token that was refused.
    pub fn note_refused_proof(&self, reason: &'static str) {
        self.refusals.note_proof(reason);
    }

    /// Writes the refusals that were counted: those that are due, or all of them.
    ///
    /// # Errors
    /// That it could not be done now: the next time it is.
    pub async fn write_refusals(&self, all: bool) -> Result<(), Error> {
        let taken = self.refusals.take(all);
        if taken.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        let events: Vec<AuditEvent> = taken
            .iter()
            .map(|(kind, refusals)| {
                let actor = UserKey {
                    issuer: kind.issuer.clone(),
                    subject: kind.subject.clone(),
                };
                AuditEvent {
                    reason: Some(kind.reason.to_owned()),
                    times: i32::try_from(*refusals).unwrap_or(i32::MAX),
                    ..AuditEvent::new(self.ids.next(), now, kind.action, actor)
                }
            })
            .collect();
        let written = self.store.write_changes(move |_connection| {
            let entries = events.iter().cloned().map(Box::new).map(AuditEntry::Event);
            Ok::<_, Error>(Written {
                answer: (),
                changes: Vec::new(),
                entries: entries.collect(),
            })
        });
        let outcome = written.await;
        if outcome.is_err() {
            self.refusals.give_back(taken);
        }
        outcome
    }
}
