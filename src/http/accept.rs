//! Content negotiation (RFC 9110, section 12.5.1) between the types of GraphQL over HTTP.

use std::cmp::Reverse;

use poem::http::{HeaderMap, header};

use super::event_stream;

/// The types that an answer can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerType {
    /// `application/json`: a request that is refused by GraphQL is answered with 200.
    Json,
    /// `application/graphql-response+json`: such a request is answered with 400.
    GraphqlResponse,
    /// `text/event-stream`: a stream of events.
    EventStream,
}

impl AnswerType {
    const ALL: [Self; 3] = [Self::Json, Self::GraphqlResponse, Self::EventStream];

    /// The value of `Content-Type`.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json; charset=utf-8",
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
            Self::EventStream => event_stream::CONTENT_TYPE,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::GraphqlResponse => "application/graphql-response+json",
            Self::EventStream => "text/event-stream",
        }
    }
}

/// What a client accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The type that it likes best.
    pub best: AnswerType,
    /// Whether it names a stream of events, however little it likes that: a subscription can be answered by nothing else.
    pub event_stream: bool,
}

impl Accepted {
    /// Looks for the best type; `None` when none is accepted. Without a wish it is `application/json`, which every client
    /// understands. Of types that are liked equally it is the one that is named first.
    pub fn negotiate(headers: &HeaderMap) -> Option<Self> {
        let mut ranges = Vec::new();
        for value in headers.get_all(header::ACCEPT) {
            ranges.extend(value.to_str().ok()?.split(',').filter_map(Range::parse));
        }
        if ranges.is_empty() {
            return Some(Self {
                best: AnswerType::Json,
                event_stream: false,
            });
        }
        let liked = |answer: &AnswerType| {
            let best = ranges
                .iter()
                .enumerate()
                .filter(|(_, range)| range.covers(*answer))
                .max_by_key(|(_, range)| range.precision());
            // A wildcard names none: behind all names, the types stand in their own order.
            best.map_or((0, Reverse(usize::MAX)), |(place, range)| {
                let place = if range.precision() == 2 {
                    place
                } else {
                    ranges.len()
                };
                (range.weight, Reverse(place))
            })
        };
        // Of equals the last one is the greatest.
        let best = AnswerType::ALL.into_iter().rev().max_by_key(liked)?;
        (liked(&best).0 > 0).then_some(Self {
            best,
            event_stream: liked(&AnswerType::EventStream).0 > 0,
        })
    }
}

struct Range {
    name: String,
    // Thousandths.
    weight: u16,
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let name = parts.next()?.to_ascii_lowercase();
        let mut weight = 1_000;
        let mut can_be_made = true;
        for parameter in parts {
            let (key, value) = parameter.split_once('=')?;
            match key.trim().to_ascii_lowercase().as_str() {
                "q" => weight = parse_weight(value.trim())?,
                "charset" if value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8") => {}
                // It asks for something else than what is made here.
                _ => can_be_made = false,
            }
        }
        let weight = if can_be_made { weight } else { 0 };
        (!name.is_empty()).then_some(Self { name, weight })
    }

    fn covers(&self, answer: AnswerType) -> bool {
        match self.name.strip_suffix('*') {
            // A stream is sent only to who names it: one that takes anything takes JSON.
            Some(_) if answer == AnswerType::EventStream => false,
            Some("*/") => true,
            Some(family) => answer.name().starts_with(family),
            None => self.name == answer.name(),
        }
    }

    fn precision(&self) -> u8 {
        match self.name.as_str() {
            "*/*" => 0,
            name if name.ends_with("/*") => 1,
            _ => 2,
        }
    }
}

/// Reads a weight: a digit, and up to three behind a point (RFC 9110, section 12.4.2).
fn parse_weight(text: &str) -> Option<u16> {
    let (whole, thousandths) = text.split_once('.').unwrap_or((text, ""));
    let are_digits = thousandths.bytes().all(|byte| byte.is_ascii_digit());
    if !["0", "1"].contains(&whole) || thousandths.len() > 3 || !are_digits {
        return None;
    }
    let weight = format!("{whole}{thousandths:0<3}").parse().ok()?;
    (weight <= 1_000).then_some(weight)
}
