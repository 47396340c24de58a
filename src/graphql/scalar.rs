//! Scalars, and what arguments hold before the rules have looked at them.

use std::borrow::Cow;

use async_graphql::registry::Registry;
use async_graphql::{ID, InputType, InputValueError, InputValueResult, Scalar, ScalarType, Value};

use crate::types::clock::Timestamp;
use crate::types::id::Id;
use crate::types::secret::UncheckedSecret;

/// Why a scalar cannot be read. Documents and variables are checked before: it does not come to this, and the message says nothing.
const UNREACHED: &str = "of another type";

/// An RFC 3339 date-time in UTC with milliseconds, such as `2026-01-31T09:30:00.000Z`. Any offset is understood in arguments.
pub struct DateTime(pub Timestamp);

impl From<Timestamp> for DateTime {
    fn from(timestamp: Timestamp) -> Self {
        Self(timestamp)
    }
}

/// An RFC 3339 date-time in UTC with milliseconds, such as `2026-01-31T09:30:00.000Z`. Any offset is understood in arguments.
#[Scalar(
    name = "DateTime",
    specified_by_url = "https://scalars.graphql.org/andimarek/date-time.html"
)]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = value else {
            return Err(InputValueError::custom(UNREACHED));
        };
        let timestamp = Timestamp::parse_rfc3339(&text);
        timestamp
            .map(Self)
            .ok_or_else(|| InputValueError::custom(UNREACHED))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_rfc3339())
    }
}

/// A text of an argument that holds a value: a `String` to clients, and shown nowhere.
pub struct SecretText(pub UncheckedSecret);

impl InputType for SecretText {
    type RawValueType = Self;

    fn type_name() -> Cow<'static, str> {
        <String as InputType>::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        <String as InputType>::create_type_info(registry)
    }

    fn parse(value: Option<Value>) -> InputValueResult<Self> {
        match value {
            Some(Value::String(text)) => Ok(Self(UncheckedSecret::new(text))),
            _ => Err(InputValueError::custom(UNREACHED)),
        }
    }

    fn to_value(&self) -> Value {
        Value::Null
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }
}

/// Reads an ID of an argument. A malformed one is one that nothing has.
#[must_use]
pub fn parse_id<T>(id: &ID) -> Id<T> {
    Id::parse(id).unwrap_or(Id::NIL)
}

/// Writes an ID.
#[must_use]
pub fn id<T>(id: Id<T>) -> ID {
    ID(id.to_string())
}
