//! Answers as server-sent events (HTML Living Standard, section 9.2), in the distinct connections mode of the GraphQL over
//! server-sent events protocol: an event `next` for each answer, and `complete` when there are no more.

use std::time::Duration;

use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, Stream, StreamExt};
use poem::http::StatusCode;
use poem::{Body, Response};
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tracing::{Instrument, Span};

use super::connection::stopped;
use crate::graphql::error::{ApiError, ErrorCode};
use crate::graphql::response::GraphqlResponse;

/// How often a comment is sent, so that nothing on the way takes the connection for dead, and a client finds out when it is.
const PING_INTERVAL: Duration = Duration::from_secs(5);
const PING: &str = ":\n\n";
const COMPLETE: &str = "event: complete\ndata:\n\n";

/// The value of `Content-Type`.
pub const CONTENT_TYPE: &str = "text/event-stream; charset=utf-8";

/// Sends answers until there are no more, the token or the session ends, or the server stops. In the last case nothing is said: clients then
/// come again.
pub fn response(
    answers: impl Stream<Item = GraphqlResponse> + Send + 'static,
    expires_in: Duration,
    stop: watch::Receiver<bool>,
) -> Response {
    let mut answers = answers.fuse().boxed();
    // A subscription begins when it is first asked for an answer: who has the header of this answer misses nothing from then on.
    let first = answers.next().now_or_never();
    let answers = match first {
        Some(first) => stream::iter(first).chain(answers).boxed(),
        None => answers,
    };
    let state = State {
        answers,
        expiry: Box::pin(tokio::time::sleep(expires_in)),
        ping: ping_interval(),
        stop,
        ended: false,
    };
    // The body is read when the request has been answered: its errors are still told under the request's ID.
    let span = Span::current();
    let events = stream::unfold(state, move |state| state.next().instrument(span.clone()));
    Response::builder()
        .status(StatusCode::OK)
        .content_type(CONTENT_TYPE)
        .body(Body::from_bytes_stream(
            events.map(Ok::<String, std::io::Error>),
        ))
}

fn ping_interval() -> Interval {
    let mut ping = interval(PING_INTERVAL);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick comes at once.
    ping.reset();
    ping
}

struct State {
    answers: BoxStream<'static, GraphqlResponse>,
    expiry: std::pin::Pin<Box<tokio::time::Sleep>>,
    ping: Interval,
    stop: watch::Receiver<bool>,
    ended: bool,
}

impl State {
    async fn next(mut self) -> Option<(String, Self)> {
        if self.ended {
            return None;
        }
        let event = tokio::select! {
            answer = self.answers.next() => {
                self.ended = answer.is_none();
                answer.as_ref().map_or_else(|| COMPLETE.to_owned(), next_event)
            }
            () = &mut self.expiry => {
                self.ended = true;
                let expired = ApiError::new(ErrorCode::Unauthenticated, "The token or the session has ended. Subscribe again with a new one.");
                next_event(&GraphqlResponse::refused(expired)) + COMPLETE
            }
            _ = self.ping.tick() => PING.to_owned(),
            () = stopped(&mut self.stop) => return None,
        };
        Some((event, self))
    }
}

fn next_event(answer: &GraphqlResponse) -> String {
    // JSON has no line ends outside of texts, and none unescaped within: the data is one line.
    let data = serde_json::to_string(answer).unwrap_or_default();
    format!("event: next\ndata: {data}\n\n")
}
