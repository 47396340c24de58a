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
    let text = value.to_str().map_err(|_not_text| invalid)?;
    let (scheme, token) = text.split_once(' ').ok_or(invalid)?;
    if scheme.eq_ignore_ascii_case("Bearer") {
        Ok(token.trim_matches(' '))
    } else {
        Err(invalid)
    }
}
