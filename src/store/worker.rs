//! Threads that call a database which may never answer. A call cannot be broken off: a thread that hangs in one is left behind, and
//! another takes its place. What is left behind ends by itself when its call does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use super::error::{Cause, StoreError};

/// How often it is looked whether a worker hangs.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// How many threads that were left behind may hang at a time: each has a connection. When there are so many, whoever hangs next keeps its
/// place.
const LEFT_LIMIT: usize = 4;
/// How often it is looked whether workers have ended.
const END_INTERVAL: Duration = Duration::from_millis(5);

/// A worker's turn at the work: from its start until it ends or is left behind.
#[derive(Default)]
pub struct Turn {
    overdue_at: Mutex<Option<Instant>>,
    is_left: AtomicBool,
}

impl Turn {
    /// Makes a call. The worker is left behind when it takes longer than `limit`.
    pub fn call<T>(&self, limit: Duration, call: impl FnOnce() -> T) -> T {
        self.set_overdue_at(Instant::now().checked_add(limit));
        let answer = call();
        self.set_overdue_at(None);
        answer
    }

    /// Whether another worker has taken the place of this one: then nothing that it does counts any more.
    pub fn is_left(&self) -> bool {
        self.is_left.load(Ordering::SeqCst)
    }

    fn set_overdue_at(&self, at: Option<Instant>) {
        *self
            .overdue_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = at;
    }

    /// Whether its call takes too long.
    fn is_overdue(&self) -> bool {
        let overdue_at = self
            .overdue_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        overdue_at.is_some_and(|at| at <= Instant::now())
    }
}

/// What a worker does from its start to its end.
pub type Work = Arc<dyn Fn(&Turn) + Send + Sync>;

struct Worker {
    turn: Arc<Turn>,
    thread: JoinHandle<()>,
}

impl Worker {
    fn start(name: &str, work: &Work) -> Result<Self, StoreError> {
        let turn = Arc::new(Turn::default());
        let (work, own_turn) = (Arc::clone(work), Arc::clone(&turn));
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || work(&own_turn))
            .map_err(|_no_thread| StoreError::Internal(Cause("no thread for the database")))?;
        Ok(Self { turn, thread })
    }
}

/// The workers that do the same work, and the thread that looks after them.
pub struct Workers {
    present: Arc<Mutex<Vec<Worker>>>,
    _end: Sender<()>,
}

impl Workers {
    /// Starts so many workers. `left` is called each time that one is left behind, before another takes its place.
    ///
    /// # Errors
    /// [`StoreError::Internal`] when no thread can be had.
    pub fn start(
        name: &'static str,
        count: usize,
        work: Work,
        left: impl Fn() + Send + 'static,
    ) -> Result<Self, StoreError> {
        let workers: Result<Vec<_>, _> = (0..count).map(|_| Worker::start(name, &work)).collect();
        let present = Arc::new(Mutex::new(workers?));
        let (end, ended) = crossbeam_channel::bounded(0);
        let looked_after = Arc::clone(&present);
        std::thread::Builder::new()
            .name(format!("{name} relief"))
            .spawn(move || relieve(name, &looked_after, &work, &left, &ended))
            .map_err(|_no_thread| StoreError::Internal(Cause("no thread for the database")))?;
        Ok(Self { present, _end: end })
    }

    /// Waits until all have ended that were told to, but no longer than `limit`.
    pub fn wait(self, limit: Duration) {
        let waits_since = Instant::now();
        while waits_since.elapsed() < limit {
            let present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
            if present.iter().all(|worker| worker.thread.is_finished()) {
                return;
            }
            drop(present);
            std::thread::sleep(END_INTERVAL);
        }
    }
}

/// Puts another worker in the place of each that hangs, until the workers are dropped.
fn relieve(
    name: &str,
    workers: &Mutex<Vec<Worker>>,
    work: &Work,
    left: &impl Fn(),
    ended: &Receiver<()>,
) {
    let mut behind: Vec<Worker> = Vec::new();
    while ended.recv_timeout(LOOK_INTERVAL) == Err(RecvTimeoutError::Timeout) {
        behind.retain(|worker| !worker.thread.is_finished());
        let mut present = workers.lock().unwrap_or_else(PoisonError::into_inner);
        for worker in present.iter_mut() {
            if behind.len() >= LEFT_LIMIT || !worker.turn.is_overdue() {
                continue;
            }
            // Without a thread it stays as it is, and the next look tries again.
            let Ok(fresh) = Worker::start(name, work) else {
                continue;
            };
            worker.turn.is_left.store(true, Ordering::SeqCst);
            behind.push(std::mem::replace(worker, fresh));
            tracing::warn!(
                thread = name,
                "PostgreSQL does not answer: the connection is left"
            );
            left();
        }
    }
}
