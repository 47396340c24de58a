//! JSON of requests, with bounds on what it may be: a request is refused before much is made of it.

use std::fmt;

use async_graphql::indexmap::IndexMap;
use async_graphql::{Name, Value};
use async_graphql_value::Number;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;

use super::failure::Failure;

/// How deep lists and objects may stand in each other.
const DEPTH_LIMIT: usize = 32;
/// How many texts there may be, keys included.
const TEXT_LIMIT: usize = 1_000;
/// How many values there may be of any kind.
const VALUE_LIMIT: usize = 10_000;

/// The members of an object.
pub type Members = IndexMap<Name, Value>;

/// Reads JSON.
///
/// # Errors
/// [`Failure::BadRequest`] for what is no JSON in UTF-8, has a key twice in an object, or is too deep or of too many values.
pub fn parse(bytes: &[u8]) -> Result<Value, Failure> {
    let mut counts = Counts::default();
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let node = Node {
        depth: 0,
        counts: &mut counts,
    };
    // The library's text quotes what it was given.
    node.deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|error| {
            Failure::BadRequest(match error.classify() {
                Category::Data => {
                    "There is JSON that is not taken: no object may have a key twice, and there may be at most 32 levels, 1,000 \
                     texts and 10,000 values."
                }
                _ => "There is no JSON in UTF-8: is a quote missing, a comma left over, or an end cut off?",
            })
        })
}

/// What was read so far.
#[derive(Default)]
struct Counts {
    texts: usize,
    values: usize,
}

/// A value at a depth.
struct Node<'a> {
    depth: usize,
    counts: &'a mut Counts,
}

impl Node<'_> {
    fn deeper(&mut self) -> Node<'_> {
        Node {
            depth: self.depth + 1,
            counts: self.counts,
        }
    }

    fn count_text<E: Error>(&mut self) -> Result<(), E> {
        self.counts.texts += 1;
        if self.counts.texts > TEXT_LIMIT {
            return Err(E::custom("too many texts"));
        }
        Ok(())
    }

    fn check_depth<E: Error>(&self) -> Result<(), E> {
        if self.depth >= DEPTH_LIMIT {
            return Err(E::custom("too deep"));
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.counts.values += 1;
        if self.counts.values > VALUE_LIMIT {
            return Err(D::Error::custom("too many values"));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Boolean(truth))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        Number::from_f64(number)
            .map(Value::Number)
            .ok_or_else(|| E::custom("no number"))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        self.visit_string(text.to_owned())
    }

    fn visit_string<E: Error>(mut self, text: String) -> Result<Value, E> {
        self.count_text()?;
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Value, A::Error> {
        self.check_depth()?;
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(self.deeper())? {
            values.push(value);
        }
        Ok(Value::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<Value, A::Error> {
        self.check_depth()?;
        let mut members = IndexMap::new();
        while let Some(key) = entries.next_key::<String>()? {
            self.count_text()?;
            let value = entries.next_value_seed(self.deeper())?;
            if members.insert(Name::new(key), value).is_some() {
                return Err(A::Error::custom("a key twice"));
            }
        }
        Ok(Value::Object(members))
    }
}
