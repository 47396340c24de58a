//! What the two sides of a connection, the stream of bytes and what answers requests, know of each other.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::framing::Framing;

/// The requests of a connection.
#[derive(Clone, Default)]
pub struct Requests(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    framing: Framing,
    has_begun: bool,
    is_under_way: bool,
    is_upgraded: bool,
}

impl Requests {
    fn state(&self) -> MutexGuard<'_, State> {
        // What is in there is whole between any two statements.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request is to be answered. Returns whether the length of its body is ambiguous.
    pub fn begin(&self) -> bool {
        let mut state = self.state();
        state.has_begun = true;
        state.is_under_way = true;
        // One that was not seen may be anything.
        state.framing.next_header().unwrap_or(true)
    }

    /// The request under way was answered.
    pub fn answer(&self) {
        self.state().is_under_way = false;
    }

    /// The connection has become something else: no more requests follow.
    pub fn upgrade(&self) {
        let mut state = self.state();
        state.is_upgraded = true;
        state.framing.end();
    }

    /// Takes in bytes that have come. Returns whether a header is awaited: the first one, or one that has begun.
    pub fn take(&self, come: &[u8]) -> bool {
        let mut state = self.state();
        state.framing.take(come);
        let is_first = !state.has_begun && !state.framing.has_whole_header();
        is_first || (!state.is_under_way && state.framing.is_within_header())
    }

    /// Whether a header has begun that has not ended: no request is lost with it.
    pub fn is_within_header(&self) -> bool {
        let state = self.state();
        !state.is_under_way && state.framing.is_within_header()
    }

    /// Whether what is sent are answers to requests.
    pub fn are_answered(&self) -> bool {
        !self.state().is_upgraded
    }

    /// Whether more may be on its way than what was answered.
    pub fn may_go_on(&self) -> bool {
        !self.state().framing.is_between_requests()
    }

    /// Whether the header that came last has too long a first line.
    pub fn is_line_too_long(&self) -> bool {
        self.state().framing.is_line_too_long()
    }
}
