//! The connection by which an instance over PostgreSQL hears of changes. When it is lost, changes may have been missed, and who follows
//! is told so.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use diesel::PgConnection;
use diesel::connection::SimpleConnection;
use tokio::sync::broadcast;

use super::change;
use super::error::{Cause, StoreError};
use super::postgres::PostgresUrl;
use crate::types::change::Told;

/// How many writers may wait to be told at once.
const REQUESTS_LIMIT: usize = 64;
/// How often the connection is looked at: diesel tells of notifications only when it is asked.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// How often the server is asked whether it is still there: a connection that breaks silently tells nothing.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);
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
    thread: JoinHandle<()>,
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
    /// Follows the changes of all instances, and tells them to those who follow this one.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached, [`StoreError::Internal`] when no thread can be had.
    pub fn start(url: &PostgresUrl, changes: broadcast::Sender<Told>) -> Result<Self, StoreError> {
        let (requests, requested) = crossbeam_channel::bounded(REQUESTS_LIMIT);
        let connection = connect(url)?;
        let url = url.clone();
        let thread = std::thread::Builder::new()
            .name("listener".to_owned())
            .spawn(move || follow(&url, connection, &changes, &requested))
            .map_err(|_no_thread| StoreError::Internal(Cause("no thread for the listener")))?;
        Ok(Self { thread, requests })
    }

    /// Asks this listener.
    pub fn handle(&self) -> ListenerHandle {
        ListenerHandle(self.requests.clone())
    }

    /// Waits for its end.
    pub fn stop(self) {
        // It fails when the thread has ended already.
        let _stopping = self.requests.send(Request::Stop);
        let _ended = self.thread.join();
    }
}

/// Why following a connection ends.
#[derive(PartialEq, Eq)]
enum End {
    Stopped,
    Lost,
}

fn follow(
    url: &PostgresUrl,
    mut connection: PgConnection,
    changes: &broadcast::Sender<Told>,
    requests: &Receiver<Request>,
) {
    // Nobody follows: then nobody is told.
    let tell = |told: Told| drop(changes.send(told));
    while follow_connection(&mut connection, &tell, requests) == End::Lost {
        tracing::warn!("the connection that tells of changes was lost: who follows is told");
        tell(Told::Missed);
        connection = loop {
            // Who waits to be told goes on without.
            let request = requests.recv_timeout(CONNECT_INTERVAL);
            if matches!(
                request,
                Ok(Request::Stop) | Err(RecvTimeoutError::Disconnected)
            ) {
                return;
            }
            if let Ok(connection) = connect(url) {
                break connection;
            }
        };
        // Who began to follow meanwhile has missed changes, too.
        tell(Told::Missed);
        tracing::info!("changes are told again");
    }
}

fn follow_connection(
    connection: &mut PgConnection,
    tell: &impl Fn(Told),
    requests: &Receiver<Request>,
) -> End {
    let mut checked_at = Instant::now();
    loop {
        if !tell_all(connection, tell) {
            return End::Lost;
        }
        match requests.recv_timeout(LOOK_INTERVAL) {
            Ok(Request::Tell(answer)) => {
                // With the answer to any statement come the notifications of all that was committed before it.
                if connection.batch_execute("SELECT 1").is_err() || !tell_all(connection, tell) {
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
            if connection.batch_execute("SELECT 1").is_err() {
                return End::Lost;
            }
        }
    }
}

/// Tells what has come. Returns whether the connection is still there.
fn tell_all(connection: &mut PgConnection, tell: &impl Fn(Told)) -> bool {
    for notification in connection.notifications_iter() {
        match notification {
            Ok(notification) => tell(change::read(&notification.payload)),
            Err(_lost) => return false,
        }
    }
    true
}

fn connect(url: &PostgresUrl) -> Result<PgConnection, StoreError> {
    let mut connection = url.connect().map_err(|_problem| StoreError::Unavailable)?;
    change::listen(&mut connection)?;
    Ok(connection)
}
