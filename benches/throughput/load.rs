//! The load: connections that each send their next request when they have the answer to the last one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::connection::Connection;
use super::workload::Exchange;

pub const CONNECTIONS: usize = 16;
/// How far apart the credentials of two requests are, so that they do not come in the order in which they are stored. It has
/// no divisor in common with their number.
const STRIDE: usize = 617;

/// The connections to one server, and what is asked over them.
pub struct Load {
    connections: Vec<Connection>,
    exchanges: Arc<[Exchange]>,
}

/// What was measured of one server in one round.
pub struct Round {
    pub elapsed: Duration,
    /// How long each answer took.
    pub latencies: Vec<Duration>,
}

impl Load {
    pub async fn open(address: &str, exchanges: Vec<Exchange>) -> Self {
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            connections.push(Connection::open(address).await);
        }
        Self {
            connections,
            exchanges: exchanges.into(),
        }
    }

    /// Asks for this long, and waits for the answers that are then still to come.
    pub async fn run(&mut self, duration: Duration) -> Round {
        let turn = Arc::new(AtomicUsize::new(0));
        let start = Instant::now();
        let mut tasks = JoinSet::new();
        for connection in self.connections.drain(..) {
            tasks.spawn(keep_asking(
                connection,
                Arc::clone(&self.exchanges),
                Arc::clone(&turn),
                start + duration,
            ));
        }
        let mut latencies = Vec::new();
        while let Some(ended) = tasks.join_next().await {
            let (connection, measured) = ended.unwrap();
            self.connections.push(connection);
            latencies.extend(measured);
        }
        Round {
            elapsed: start.elapsed(),
            latencies,
        }
    }
}

async fn keep_asking(
    mut connection: Connection,
    exchanges: Arc<[Exchange]>,
    turn: Arc<AtomicUsize>,
    end: Instant,
) -> (Connection, Vec<Duration>) {
    let mut latencies = Vec::new();
    let mut now = Instant::now();
    while now < end {
        let place = turn.fetch_add(STRIDE, Ordering::Relaxed) % exchanges.len();
        let exchange = &exchanges[place];
        let answer = connection.ask(&exchange.request).await;
        assert!(
            answer == exchange.answer,
            "an answer is another one than before: {}",
            String::from_utf8_lossy(answer)
        );
        let sent = std::mem::replace(&mut now, Instant::now());
        latencies.push(now - sent);
    }
    (connection, latencies)
}
