//! Variables: coerced to the types that the operation gives them (GraphQL specification, section 6.1.2), before anything is
//! executed. What is said of a wrong one names the place, and repeats nothing of it.

use apollo_compiler::Schema;
use apollo_compiler::ast::Type;
use apollo_compiler::executable::Operation;
use apollo_compiler::schema::ExtendedType;
use async_graphql::indexmap::IndexMap;
use async_graphql::{Name, Value, Variables};

use super::document_conversion::constant;
use super::error::{ApiError, ErrorCode};
use crate::types::clock::Timestamp;

/// How much of a variable's name a message shows.
const NAME_SHOWN_CHARACTERS: usize = 64;

/// Coerces the variables of a request. What the operation does not define is passed over.
///
/// # Errors
/// [`ErrorCode::BadUserInput`] for one that is missing or of another type.
pub fn coerce(
    schema: &Schema,
    operation: &Operation,
    mut given: IndexMap<Name, Value>,
) -> Result<Variables, ApiError> {
    let mut coerced = Variables::default();
    for variable in &operation.variables {
        let name = variable.name.as_str();
        match given.swap_remove(name) {
            Some(value) => {
                let place = Place::Variable(name);
                coerced.insert(
                    Name::new(name),
                    coerce_value(schema, &variable.ty, value, &place)?,
                );
            }
            None if variable.ty.is_non_null() && variable.default_value.is_none() => {
                return Err(wrong(&Place::Variable(name), "is missing"));
            }
            // The default stands in the document, where it was validated. async-graphql does not look for it in every place.
            None => {
                if let Some(default) = variable.default_value.as_deref().and_then(constant) {
                    coerced.insert(Name::new(name), default);
                }
            }
        }
    }
    Ok(coerced)
}

/// A name as messages show it. A client chooses it, and it may be as long as the document.
#[must_use]
pub fn shortened(name: &str) -> &str {
    // A name has characters of one byte only (GraphQL specification, section 2.1.9).
    name.get(..NAME_SHOWN_CHARACTERS).unwrap_or(name)
}

/// Where a value stands.
enum Place<'a> {
    Variable(&'a str),
    Field(&'a Place<'a>, &'a str),
    Item(&'a Place<'a>, usize),
}

impl Place<'_> {
    fn path(&self) -> String {
        match self {
            Self::Variable(name) => format!("${}", shortened(name)),
            Self::Field(of, name) => format!("{}.{name}", of.path()),
            Self::Item(of, index) => format!("{}[{index}]", of.path()),
        }
    }
}

fn wrong(place: &Place<'_>, what: &str) -> ApiError {
    ApiError::composed(
        ErrorCode::BadUserInput,
        format!("The variable {} {what}.", place.path()),
    )
}

fn coerce_value(
    schema: &Schema,
    ty: &Type,
    value: Value,
    place: &Place<'_>,
) -> Result<Value, ApiError> {
    match (ty, value) {
        (Type::NonNullNamed(_) | Type::NonNullList(_), Value::Null) => {
            Err(wrong(place, "must not be null"))
        }
        (_, Value::Null) => Ok(Value::Null),
        (Type::List(item) | Type::NonNullList(item), Value::List(values)) => {
            let coerced: Result<Vec<Value>, ApiError> = values
                .into_iter()
                .enumerate()
                .map(|(index, value)| coerce_value(schema, item, value, &Place::Item(place, index)))
                .collect();
            Ok(Value::List(coerced?))
        }
        (Type::List(item) | Type::NonNullList(item), value) => {
            Ok(Value::List(vec![coerce_value(schema, item, value, place)?]))
        }
        (Type::Named(name) | Type::NonNullNamed(name), value) => {
            coerce_named(schema, name, value, place)
        }
    }
}

fn coerce_named(
    schema: &Schema,
    name: &str,
    value: Value,
    place: &Place<'_>,
) -> Result<Value, ApiError> {
    match (schema.types.get(name), value) {
        (Some(ExtendedType::InputObject(input)), Value::Object(mut given)) => {
            let mut coerced = IndexMap::new();
            for (field_name, field) in &input.fields {
                let field_place = Place::Field(place, field_name);
                match given.swap_remove(field_name.as_str()) {
                    Some(value) => {
                        let value = coerce_value(schema, &field.ty, value, &field_place)?;
                        coerced.insert(Name::new(field_name), value);
                    }
                    None if field.is_required() => return Err(wrong(&field_place, "is missing")),
                    None => {}
                }
            }
            if given.is_empty() {
                Ok(Value::Object(coerced))
            } else {
                Err(wrong(
                    place,
                    &format!("has a field that {name} does not have"),
                ))
            }
        }
        (Some(ExtendedType::Enum(values)), Value::String(word))
            if values.values.contains_key(word.as_str()) =>
        {
            Ok(Value::Enum(Name::new(word)))
        }
        (Some(ExtendedType::Enum(_)), _) => {
            Err(wrong(place, &format!("must be a value of {name}")))
        }
        (Some(ExtendedType::Scalar(_)), value) => coerce_scalar(name, value, place),
        _ => Err(wrong(place, &format!("must be an object of {name}"))),
    }
}

fn coerce_scalar(name: &str, value: Value, place: &Place<'_>) -> Result<Value, ApiError> {
    match (name, value) {
        ("DateTime", Value::String(text)) if Timestamp::parse_rfc3339(&text).is_none() => {
            Err(wrong(place, "must be an RFC 3339 date-time"))
        }
        ("String" | "DateTime" | "ID", value @ Value::String(_))
        | ("Boolean", value @ Value::Boolean(_))
        | ("Float", value @ Value::Number(_)) => Ok(value),
        ("ID", Value::Number(number)) => whole_text(&number)
            .map(Value::String)
            .ok_or_else(|| wrong(place, "must be a text or a whole number")),
        ("Int", Value::Number(number)) => whole_number(&number)
            .map(Value::from)
            .ok_or_else(|| wrong(place, "must be a 32-bit integer")),
        ("Int", _) => Err(wrong(place, "must be a 32-bit integer")),
        ("DateTime", _) => Err(wrong(place, "must be a text with an RFC 3339 date-time")),
        ("ID", _) => Err(wrong(place, "must be a text or a whole number")),
        (name, _) => Err(wrong(place, &format!("must be a {name}"))),
    }
}

/// A whole number as a text. JSON does not tell 1 from 1.0.
fn whole_text(number: &async_graphql_value::Number) -> Option<String> {
    let text = number.to_string();
    let whole = text.strip_suffix(".0").unwrap_or(&text);
    whole
        .bytes()
        .all(|byte| matches!(byte, b'-' | b'0'..=b'9'))
        .then(|| whole.to_owned())
}

/// A number as an `Int`. JSON does not tell 1 from 1.0, and some clients write the latter.
fn whole_number(number: &async_graphql_value::Number) -> Option<i32> {
    if let Some(whole) = number.as_i64() {
        return i32::try_from(whole).ok();
    }
    let text = number.to_string();
    text.strip_suffix(".0")?.parse().ok()
}
