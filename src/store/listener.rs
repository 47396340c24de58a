//! The connection by which an instance over PostgreSQL hears of changes. When it is lost, changes may have been missed, and who follows
//! is told so.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use diesel::PgConnection;
use diesel::connection::SimpleConnection;
use tokio::sync::broadcast;

use super::availability::Availability;
use super::batch::CONNECT_LIMIT;
use super::change;
use super::error::StoreError;
use super::postgres::{ConnectProblem, PostgresUrl};
use super::worker::{Turn, Workers};
use crate::types::change::Told;

/// How many writers may wait to be told at once.
const REQUESTS_LIMIT: usize = 64;
/// How often the connection is looked at: diesel tells of notifications only when it is asked.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// How often the server is asked whether it is still there: a connection that breaks silently tells nothing.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// How long the answer may take.
const CHECK_LIMIT: Duration = Duration::from_secs(2);
/// How long the end waits for the server.
const END_LIMIT: Duration = Duration::from_secs(1);
/// How long after a failed attempt to connect the next one follows.
const CONNECT_INTERVAL: Duration = Duration::from_millis(250);

/// How long a writer waits at most until a change of its own was told.
const TOLD_LIMIT: Duration = Duration::from_secs(1);

/// What the thread of the listener is asked for.
enum Request {
    /// To tell all changes that were committed by now, and then to answer.
    Tell(Sender<()>),
    /// To end.
    Stop,
}

/// The thread of the listener, to bring it to its end.
pub struct Listener {
    workers: Workers,
    requests: Sender<Request>,
}

/// Asks the listener. Its clones ask the same one.
#[derive(Clone)]
pub struct ListenerHandle(Sender<Request>);

impl ListenerHandle {
    /// Returns when all changes that were committed by now were told, so that whoever is answered after that, and follows then, is not
    /// told of what is past. When the listener cannot tell, followers hear of that from it.
    pub fn wait_until_told(&self) {
        let (answer, answered) = crossbeam_channel::bounded(1);
        if self.0.try_send(Request::Tell(answer)).is_ok() {
            let _told = answered.recv_timeout(TOLD_LIMIT);
        }
    }
}

impl Listener {
    /// Follows the changes of all instances, and tells them to those who follow this one. It finds out whether the server is there.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached, [`StoreError::Internal`] when no thread can be had.
    pub fn start(
        url: &PostgresUrl,
        changes: broadcast::Sender<Told>,
        availability: &Availability,
    ) -> Result<Self, StoreError> {
        let (requests, requested) = crossbeam_channel::bounded(REQUESTS_LIMIT);
        let first = connect(url).map_err(|_problem| StoreError::Unavailable)?;
        let listening = Listening {
            url: url.clone(),
            first: Mutex::new(Some(first)),
            changes,
            requests: requested,
            availability: availability.clone(),
        };
        let left = availability.clone();
        let workers = Workers::start(
            "listener",
            1,
            Arc::new(move |turn: &Turn| listening.follow(turn)),
            move || left.leave_connections(),
        )?;
        Ok(Self { workers, requests })
    }

    /// Asks this listener.
    pub fn handle(&self) -> ListenerHandle {
        ListenerHandle(self.requests.clone())
    }

    /// Waits for its end, unless the server does not answer.
    pub fn stop(self) {
        // It fails when the thread has ended already.
        let _stopping = self.requests.send_timeout(Request::Stop, END_LIMIT);
        self.workers.wait(END_LIMIT);
    }
}

/// Why following a connection ends.
#[derive(PartialEq, Eq)]
enum End {
    Stopped,
    Lost,
}

/// What the listener needs.
struct Listening {
    url: PostgresUrl,
    // For the first turn. The next ones find that a connection was lost.
    first: Mutex<Option<PgConnection>>,
    changes: broadcast::Sender<Told>,
    requests: Receiver<Request>,
    availability: Availability,
}

impl Listening {
    /// Follows one connection after the other, until it is told to end.
    fn follow(&self, turn: &Turn) {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        let mut present = { first }.take();
        loop {
            if let Some(connection) = &mut present
                && (self.follow_connection(turn, connection) == End::Stopped || turn.is_left())
            {
                return;
            }
            tracing::warn!("the connection that tells of changes was lost: who follows is told");
            self.tell(Told::Missed);
            present = self.reconnect(turn);
            if present.is_none() {
                return;
            }
            // Who began to follow meanwhile has missed changes, too.
            self.tell(Told::Missed);
            tracing::info!("changes are told again");
        }
    }

    /// A new connection; `None` when the turn ends meanwhile.
    fn reconnect(&self, turn: &Turn) -> Option<PgConnection> {
        loop {
            let connected = turn.call(CONNECT_LIMIT, || connect(&self.url));
            if turn.is_left() {
                return None;
            }
            match connected {
                Ok(connection) => {
                    self.availability.regain();
                    return Some(connection);
                }
                // There is a server, and other connections may be good.
                Err(ConnectProblem::Full) => self.availability.regain(),
                Err(_problem) => self.availability.lose(),
            }
            // Who waits to be told goes on without.
            let request = self.requests.recv_timeout(CONNECT_INTERVAL);
            if matches!(
                request,
                Ok(Request::Stop) | Err(RecvTimeoutError::Disconnected)
            ) {
                return None;
            }
        }
    }

    fn follow_connection(&self, turn: &Turn, connection: &mut PgConnection) -> End {
        let mut checked_at = Instant::now();
        loop {
            if !self.tell_all(connection) {
                return End::Lost;
            }
            match self.requests.recv_timeout(LOOK_INTERVAL) {
                Ok(Request::Tell(answer)) => {
                    // With the answer to any statement come the notifications of all that was committed before it.
                    if !is_there(turn, connection) || !self.tell_all(connection) {
                        return End::Lost;
                    }
                    // It fails when nobody waits any more.
                    let _answered = answer.send(());
                }
                Ok(Request::Stop) | Err(RecvTimeoutError::Disconnected) => return End::Stopped,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if checked_at.elapsed() >= CHECK_INTERVAL {
                checked_at = Instant::now();
                if !is_there(turn, connection) {
                    return End::Lost;
                }
            }
        }
    }

    /// Tells what has come. Returns whether the connection is still there.
    fn tell_all(&self, connection: &mut PgConnection) -> bool {
        for notification in connection.notifications_iter() {
            match notification {
                Ok(notification) => self.tell(change::read(&notification.payload)),
                Err(_lost) => return false,
            }
        }
        true
    }

    fn tell(&self, told: Told) {
        // Nobody follows: then nobody is told.
        let _followers = self.changes.send(told);
    }
}

/// Whether the server answers, in this turn.
fn is_there(turn: &Turn, connection: &mut PgConnection) -> bool {
    let answered = turn.call(CHECK_LIMIT, || connection.batch_execute("SELECT 1"));
    answered.is_ok() && !turn.is_left()
}

fn connect(url: &PostgresUrl) -> Result<PgConnection, ConnectProblem> {
    let mut connection = url.connect()?;
    change::listen(&mut connection).map_err(|_lost| ConnectProblem::Unreachable)?;
    Ok(connection)
}
