//! What goes on on a connection of HTTP/2: which requests are not answered yet, and since when nothing has moved. hyper limits the time of
//! nothing there: not that of headers, not that of silence, not that of an answer that nobody takes.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::connection::{HEADER_TIMEOUT, IDLE_TIMEOUT};
use super::frame::{Frame, Frames};
use super::request_place::RequestPlace;

/// How long nothing may be sent of an answer that is not at its end: longer than any answer takes to begin, and streams of events are
/// never silent for so long. By then the client takes no more of it.
const STILL_TIMEOUT: Duration = Duration::from_secs(40);
/// How long a request may take until its answer was sent to the end, unless that is a stream: for the longest answers, of some MiB, a client
/// on a slow line needs less. Who takes a byte now and then is not to have them kept for longer.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(5);
/// How long a stream goes on by then, at least: it begins within 20 seconds of its request.
const LASTING: Duration = Duration::from_secs(280);
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

/// Requests that are not answered to the end.
#[derive(Default)]
struct Open {
    requests: HashMap<u32, Times>,
    // One for each of them that got one. Which is whose does not matter: there are never more than requests.
    places: Vec<RequestPlace>,
    // When those of the answers began that are streams.
    streams: Vec<Instant>,
}

#[derive(Clone, Copy)]
struct Times {
    began_at: Instant,
    // When something was last sent for it.
    moved_at: Instant,
}

impl Open {
    fn begin(&mut self, stream: u32, now: Instant) {
        let times = Times {
            began_at: now,
            moved_at: now,
        };
        self.requests.insert(stream, times);
    }

    /// Something is sent for a request.
    fn go_on(&mut self, stream: u32, now: Instant) {
        if let Some(times) = self.requests.get_mut(&stream) {
            times.moved_at = now;
        }
    }

    /// A request needs nothing more. Returns whether it was the last one.
    fn close(&mut self, stream: u32) -> bool {
        let was_open = self.requests.remove(&stream).is_some();
        self.places.truncate(self.requests.len());
        was_open && self.requests.is_empty()
    }

    /// Whether an answer is not taken, or takes too long.
    fn is_stuck(&self, now: Instant) -> bool {
        let is_over = |since: Instant, limit: Duration| now.duration_since(since) >= limit;
        let requests = self.requests.values();
        let is_late = |times: &&Times| is_over(times.began_at, ANSWER_TIMEOUT);
        let late = requests.clone().filter(is_late).count();
        // The frames do not tell which of them are streams, but there are as many that last for so long.
        let is_lasting = |began_at: &&Instant| is_over(**began_at, LASTING);
        let lasting = self.streams.iter().filter(is_lasting).count();
        let mut still = requests.filter(|times| is_over(times.moved_at, STILL_TIMEOUT));
        late > lasting || still.next().is_some()
    }
}

/// The requests of a connection, as the frames of both directions tell.
pub struct Multiplex {
    incoming: Frames,
    outgoing: Frames,
    open: Open,
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
            open: Open::default(),
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
                open.begin(frame.stream, now);
            } else if frame.resets_stream() && open.close(frame.stream) {
                *idle_since = now;
            }
        });
        if !self.incoming.is_within_header() {
            self.header_since = None;
        }
        self.idle_talk <= IDLE_TALK_LIMIT_FRAMES && self.open.requests.len() <= OPEN_LIMIT
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
            if !frame.ends_stream() && !frame.resets_stream() {
                open.go_on(frame.stream, now);
            } else if open.close(frame.stream) {
                *idle_since = now;
            }
        });
    }

    /// Keeps the place of a request until that is answered to the end.
    pub fn keep(&mut self, place: RequestPlace) {
        self.open.places.push(place);
        // It may have been given up by now.
        self.open.places.truncate(self.open.requests.len());
    }

    /// An answer begins that is a stream. Returns what it ends by.
    pub fn begin_stream(&mut self, now: Instant) -> Instant {
        self.open.streams.push(now);
        now
    }

    /// A stream that began then has ended.
    pub fn end_stream(&mut self, began_at: Instant) {
        let streams = &mut self.open.streams;
        if let Some(place) = streams.iter().position(|began| *began == began_at) {
            streams.swap_remove(place);
        }
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
        if header_is_late || self.open.is_stuck(now) {
            return Verdict::Cut;
        }
        if !self.open.requests.is_empty() {
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

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::super::request_place::RequestPlaces;
    use super::*;
    use crate::types::peer::Peer;

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
    fn an_answer_that_goes_on_byte_by_byte_is_given_up_after_five_minutes_and_a_stream_is_not() {
        for is_stream in [false, true] {
            let (mut multiplex, now) = asked();
            let began_at = multiplex.begin_stream(now + seconds(15));
            for step in 1..10 {
                multiplex.take_out(&frame(0, 0, 1), now + seconds(30 * step));
            }
            if !is_stream {
                multiplex.end_stream(began_at);
                // One that has just begun is another one.
                multiplex.begin_stream(now + seconds(270));
            }
            assert_eq!(multiplex.look(now + seconds(299)), Verdict::Keep);
            multiplex.take_out(&frame(0, 0, 1), now + seconds(299));
            let expected = if is_stream {
                Verdict::Keep
            } else {
                Verdict::Cut
            };
            assert_eq!(multiplex.look(now + seconds(300)), expected);
        }
    }

    #[test]
    fn a_place_is_kept_until_the_answer_was_sent_or_the_request_given_up() {
        let places = RequestPlaces::default().of(Peer::of(Ipv4Addr::LOCALHOST.into()));
        let all: Vec<RequestPlace> = std::iter::from_fn(|| places.take()).collect();
        let (mut multiplex, now) = asked();
        let mut all = all.into_iter();
        multiplex.keep(all.next().unwrap());
        multiplex.take_out(&frame(HEADERS, 0x4, 1), now);
        multiplex.take_out(&frame(0, 0, 1), now);
        assert!(places.take().is_none());
        multiplex.take_out(&frame(0, 1, 1), now);
        let place = places.take().expect("its answer was sent");
        assert!(multiplex.take_in(&frame(HEADERS, END_BOTH, 3), now));
        multiplex.keep(place);
        assert!(multiplex.take_in(&frame(RST_STREAM, 0, 3), now));
        let place = places.take().expect("it was given up");
        // It was given up before anybody heard of it.
        multiplex.keep(place);
        assert!(places.take().is_some());
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
