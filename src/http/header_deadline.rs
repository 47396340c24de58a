//! The time limit for headers: the first one must come soon after the connection is made, and each that has begun must end soon.
//! Between two requests a client may be silent for longer: that is hyper's timer.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// The time that is left for a header.
pub struct HeaderDeadline {
    limit: Duration,
    // Armed while the first header is awaited, and while one has begun.
    deadline: Pin<Box<Sleep>>,
    is_armed: bool,
}

impl HeaderDeadline {
    /// Limits the time of headers on a new connection.
    pub fn new(limit: Duration) -> Self {
        Self {
            limit,
            deadline: Box::pin(sleep(limit)),
            is_armed: true,
        }
    }

    /// Whether the header that is awaited, if one is, takes too long.
    pub fn is_over(&mut self, is_awaited: bool, context: &mut Context<'_>) -> bool {
        if is_awaited && !self.is_armed {
            self.deadline.as_mut().reset(Instant::now() + self.limit);
        }
        self.is_armed = is_awaited;
        is_awaited && matches!(self.deadline.as_mut().poll(context), Poll::Ready(()))
    }
}
