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

/// How often the connection is looked at: diesel tells of notifications only when it is asked.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// How often the server is asked whether it is still there: a connection that breaks silently tells nothing.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);
/// How long after a failed attempt to connect the next one follows.
const CONNECT_INTERVAL: Duration = Duration::from_millis(250);

/// The thread of the listener, to bring it to its end.
pub struct Listener {
    thread: JoinHandle<()>,
    stop: Sender<()>,
}

impl Listener {
    /// Follows the changes of all instances, and tells them to those who follow this one.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached, [`StoreError::Internal`] when no thread can be had.
    pub fn start(url: &PostgresUrl, changes: broadcast::Sender<Told>) -> Result<Self, StoreError> {
        let (stop, stopped) = crossbeam_channel::bounded(1);
        let connection = connect(url)?;
        let url = url.clone();
        let thread = std::thread::Builder::new()
            .name("listener".to_owned())
            .spawn(move || follow(&url, connection, &changes, &stopped))
            .map_err(|_no_thread| StoreError::Internal(Cause("no thread for the listener")))?;
        Ok(Self { thread, stop })
    }

    /// Waits for its end.
    pub fn stop(self) {
        // It fails when the thread has ended already.
        let _stopping = self.stop.send(());
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
    stopped: &Receiver<()>,
) {
    // Nobody follows: then nobody is told.
    let tell = |told: Told| drop(changes.send(told));
    while follow_connection(&mut connection, &tell, stopped) == End::Lost {
        tracing::warn!("the connection that tells of changes was lost: who follows is told");
        tell(Told::Missed);
        connection = loop {
            if stops_within(stopped, CONNECT_INTERVAL) {
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
    stopped: &Receiver<()>,
) -> End {
    let mut checked_at = Instant::now();
    loop {
        for notification in connection.notifications_iter() {
            match notification {
                Ok(notification) => tell(change::read(&notification.payload)),
                Err(_lost) => return End::Lost,
            }
        }
        if stops_within(stopped, LOOK_INTERVAL) {
            return End::Stopped;
        }
        if checked_at.elapsed() >= CHECK_INTERVAL {
            checked_at = Instant::now();
            if connection.batch_execute("SELECT 1").is_err() {
                return End::Lost;
            }
        }
    }
}

/// Waits a while. Returns whether the server stops.
fn stops_within(stopped: &Receiver<()>, interval: Duration) -> bool {
    !matches!(
        stopped.recv_timeout(interval),
        Err(RecvTimeoutError::Timeout)
    )
}

fn connect(url: &PostgresUrl) -> Result<PgConnection, StoreError> {
    let mut connection = url.connect().map_err(|_problem| StoreError::Unavailable)?;
    change::listen(&mut connection)?;
    Ok(connection)
}
