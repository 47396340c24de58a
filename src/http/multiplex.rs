//! What goes on on a connection of HTTP/2: which requests are not answered yet, and since when nothing has moved. hyper limits the time of
//! nothing there: not that of headers, not that of silence, not that of an answer that nobody takes.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::connection::{HEADER_TIMEOUT, IDLE_TIMEOUT};
use super::frame::{Frame, Frames};

/// How long nothing may be sent of an answer that is not at its end: longer than any answer takes to begin, and streams of events are
/// never silent for so long. By then the client takes no more of it.
const STILL_TIMEOUT: Duration = Duration::from_secs(40);
/// How long a client that was told to make no more requests may take to close the connection.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);
/// How many frames may come between two looks that bring no request nearer to its answer: requests that are given up among them.
const IDLE_TALK_LIMIT_FRAMES: u32 = 200;
/// How many requests may be known as not answered: more than are ever under way, those that are refused for their number included. Who was
/// told to make no more, and goes on, gets no answers that would take them away.
const OPEN_LIMIT: usize = 2_000;

/// What is to become of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It stays.
    Keep,
    /// The client is told to make no more requests on it.
    Retire,
    /// It is closed at once.
    Cut,
}

/// The requests of a connection, as the frames of both directions tell.
pub struct Multiplex {
    incoming: Frames,
    outgoing: Frames,
    // Those that are not answered to the end, and when something was last sent for them, or they began.
    open: HashMap<u32, Instant>,
    last_stream: u32,
    header_since: Option<Instant>,
    idle_since: Instant,
    idle_talk: u32,
    is_leaving: bool,
}

impl Multiplex {
    /// A connection that was made then.
    pub fn new(now: Instant) -> Self {
        Self {
            incoming: Frames::of_client(),
            outgoing: Frames::of_server(),
            open: HashMap::new(),
            last_stream: 0,
            header_since: None,
            idle_since: now,
            idle_talk: 0,
            is_leaving: false,
        }
    }

    /// Takes in bytes that have come. Returns whether the client means well.
    pub fn take_in(&mut self, bytes: &[u8], now: Instant) -> bool {
        let Self {
            incoming,
            open,
            last_stream,
            header_since,
            idle_since,
            idle_talk,
            ..
        } = self;
        incoming.take(bytes, |frame: Frame| {
            *idle_talk = idle_talk.saturating_add(u32::from(frame.is_idle_talk()));
            if frame.begins_header() {
                *header_since = Some(now);
            }
            if frame.begins_header() && frame.stream > *last_stream {
                *last_stream = frame.stream;
                open.insert(frame.stream, now);
            } else if frame.resets_stream() {
                close(open, frame.stream, idle_since, now);
            }
        });
        if !self.incoming.is_within_header() {
            self.header_since = None;
        }
        self.idle_talk <= IDLE_TALK_LIMIT_FRAMES && self.open.len() <= OPEN_LIMIT
    }

    /// Takes in bytes that were sent.
    pub fn take_out(&mut self, bytes: &[u8], now: Instant) {
        let Self {
            outgoing,
            open,
            idle_since,
            ..
        } = self;
        outgoing.take(bytes, |frame: Frame| {
            if frame.ends_stream() || frame.resets_stream() {
                close(open, frame.stream, idle_since, now);
            } else if let Some(moved_at) = open.get_mut(&frame.stream) {
                *moved_at = now;
            }
        });
    }

    /// From now on the connection is only to end.
    pub const fn leave(&mut self, now: Instant) {
        self.is_leaving = true;
        self.idle_since = now;
    }

    /// Looks at the connection, as is to be done every second.
    pub fn look(&mut self, now: Instant) -> Verdict {
        self.idle_talk = 0;
        let is_over = |since: Instant, limit: Duration| now.duration_since(since) >= limit;
        let header_is_late = self
            .header_since
            .is_some_and(|since| is_over(since, HEADER_TIMEOUT));
        let mut open = self.open.values();
        if header_is_late || open.any(|moved_at| is_over(*moved_at, STILL_TIMEOUT)) {
            return Verdict::Cut;
        }
        if !self.open.is_empty() {
            return Verdict::Keep;
        }
        let (limit, verdict) = if self.is_leaving {
            (LEAVE_TIMEOUT, Verdict::Cut)
        } else if self.last_stream == 0 {
            (HEADER_TIMEOUT, Verdict::Cut)
        } else {
            (IDLE_TIMEOUT, Verdict::Retire)
        };
        if is_over(self.idle_since, limit) {
            verdict
        } else {
            Verdict::Keep
        }
    }
}

/// A request needs nothing more.
fn close(open: &mut HashMap<u32, Instant>, stream: u32, idle_since: &mut Instant, now: Instant) {
    if open.remove(&stream).is_some() && open.is_empty() {
        *idle_since = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    const HEADERS: u8 = 1;
    const RST_STREAM: u8 = 3;
    const CONTINUATION: u8 = 9;
    const END_BOTH: u8 = 0x5;

    fn frame(kind: u8, flags: u8, stream: u32) -> Vec<u8> {
        [&[0, 0, 0, kind, flags], stream.to_be_bytes().as_slice()].concat()
    }

    /// A connection on which one request has begun, and the time.
    fn asked() -> (Multiplex, Instant) {
        let now = Instant::now();
        let mut multiplex = Multiplex::new(now);
        assert!(multiplex.take_in(PREFACE, now));
        assert!(multiplex.take_in(&frame(HEADERS, END_BOTH, 1), now));
        (multiplex, now)
    }

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn the_first_request_must_come_within_10_seconds_and_each_header_must_end() {
        let began_at = Instant::now();
        let mut silent = Multiplex::new(began_at);
        assert!(silent.take_in(PREFACE, began_at + seconds(9)));
        assert_eq!(silent.look(began_at + seconds(9)), Verdict::Keep);
        assert_eq!(silent.look(began_at + seconds(10)), Verdict::Cut);

        let (mut slow, now) = asked();
        slow.take_out(&frame(HEADERS, END_BOTH, 1), now);
        assert!(slow.take_in(&frame(HEADERS, 0, 3), now + seconds(5)));
        slow.take_out(&frame(HEADERS, 0, 3), now + seconds(14));
        assert_eq!(slow.look(now + seconds(14)), Verdict::Keep);
        assert_eq!(slow.look(now + seconds(15)), Verdict::Cut);
    }

    #[test]
    fn silence_ends_in_good_order_and_what_is_under_way_is_not_silence() {
        let (mut multiplex, now) = asked();
        assert_eq!(multiplex.look(now + seconds(39)), Verdict::Keep);
        multiplex.take_out(&frame(HEADERS, 0x4, 1), now + seconds(39));
        assert_eq!(multiplex.look(now + seconds(78)), Verdict::Keep);
        multiplex.take_out(&frame(0, 1, 1), now + seconds(78));
        assert_eq!(multiplex.look(now + seconds(137)), Verdict::Keep);
        assert_eq!(multiplex.look(now + seconds(138)), Verdict::Retire);
        multiplex.leave(now + seconds(138));
        assert_eq!(multiplex.look(now + seconds(138)), Verdict::Keep);
        assert_eq!(multiplex.look(now + seconds(139)), Verdict::Cut);
    }

    #[test]
    fn an_answer_that_does_not_move_is_given_up_and_one_that_was_given_up_is_forgotten() {
        let (mut multiplex, now) = asked();
        assert_eq!(multiplex.look(now + seconds(40)), Verdict::Cut);
        for side in [
            Multiplex::take_out,
            |multiplex: &mut Multiplex, bytes: &[u8], now| {
                assert!(multiplex.take_in(bytes, now));
            },
        ] {
            let (mut multiplex, now) = asked();
            side(&mut multiplex, &frame(RST_STREAM, 0, 1), now);
            assert_eq!(multiplex.look(now + seconds(40)), Verdict::Keep);
        }
    }

    #[test]
    fn who_makes_work_for_nothing_is_found_out() {
        let (mut multiplex, now) = asked();
        let reset = frame(RST_STREAM, 0, 1);
        assert!(multiplex.take_in(&reset.repeat(200), now));
        assert_eq!(multiplex.look(now), Verdict::Keep);
        assert!(multiplex.take_in(&reset.repeat(200), now));
        assert!(!multiplex.take_in(&reset, now));
    }

    #[test]
    fn a_header_has_its_own_time_though_it_comes_with_the_end_of_another() {
        let (mut multiplex, now) = asked();
        multiplex.take_out(&frame(HEADERS, END_BOTH, 1), now);
        assert!(multiplex.take_in(&frame(HEADERS, 0, 3), now));
        let ended_and_begun = [frame(CONTINUATION, 0x4, 3), frame(HEADERS, 0, 5)].concat();
        assert!(multiplex.take_in(&ended_and_begun, now + seconds(9)));
        assert_eq!(multiplex.look(now + seconds(18)), Verdict::Keep);
        assert_eq!(multiplex.look(now + seconds(19)), Verdict::Cut);
    }

    #[test]
    fn requests_that_nobody_answers_any_more_are_not_remembered_without_end() {
        let (mut multiplex, now) = asked();
        multiplex.leave(now);
        let stream = |number: u32| frame(HEADERS, END_BOTH, 1 + 2 * number);
        for number in 1..2_000 {
            assert!(multiplex.take_in(&stream(number), now));
        }
        assert!(!multiplex.take_in(&stream(2_000), now));
    }
}
