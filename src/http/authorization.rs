//! The token of a request (RFC 6750, section 2.1): in the `Authorization` header, and nowhere else.

use poem::http::{HeaderMap, header};

use super::failure::{Challenge, Failure};

/// The token.
///
/// # Errors
/// [`Failure::Unauthenticated`] when there is none, [`Failure::BadRequest`] when there are two headers.
pub fn bearer_token(headers: &HeaderMap) -> Result<&str, Failure> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, more) = (values.next(), values.next());
    let Some(value) = value else {
        return Err(Failure::Unauthenticated(Challenge::TokenMissing));
    };
    if more.is_some() {
        return Err(Failure::BadRequest("There are two Authorization headers."));
    }
    let invalid = Failure::Unauthenticated(Challenge::TokenInvalid);
    value.to_str().ok().and_then(token_of).ok_or(invalid)
}

/// The token in the value of an `Authorization` header.
pub fn token_of(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("Bearer")
        .then_some(token.trim_matches(' '))
}
