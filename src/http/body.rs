//! The bodies of requests: JSON, bounded in size and in time.

use std::ops::Deref;
use std::time::Duration;

use poem::Body;
use poem::error::ReadBodyError;
use poem::http::{HeaderMap, header};
use tokio::time::timeout;

use super::failure::Failure;

/// How long a body may take to come.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Lets pass what says that it is JSON in UTF-8, without an encoding.
///
/// # Errors
/// [`Failure::UnsupportedMediaType`] for anything else.
pub fn check_content(headers: &HeaderMap) -> Result<(), Failure> {
    let is_one = headers.get_all(header::CONTENT_TYPE).iter().count() == 1;
    if !is_one || headers.contains_key(header::CONTENT_ENCODING) {
        return Err(Failure::UnsupportedMediaType);
    }
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let mut parts = content_type.unwrap_or_default().split(';').map(str::trim);
    let is_json = parts
        .next()
        .is_some_and(|name| name.eq_ignore_ascii_case("application/json"));
    let is_utf8 = parts
        .filter(|parameter| !parameter.is_empty())
        .all(|parameter| {
            parameter.split_once('=').is_some_and(|(key, value)| {
                key.eq_ignore_ascii_case("charset")
                    && value.trim_matches('"').eq_ignore_ascii_case("utf-8")
            })
        });
    if is_json && is_utf8 {
        Ok(())
    } else {
        Err(Failure::UnsupportedMediaType)
    }
}

/// Reads a body of at most so many bytes.
///
/// # Errors
/// A [`Failure`] that says what is wrong with it.
pub async fn read_body(
    body: Body,
    limit_bytes: usize,
) -> Result<impl AsRef<[u8]> + Deref<Target = [u8]>, Failure> {
    match timeout(BODY_TIMEOUT, body.into_bytes_limit(limit_bytes)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(ReadBodyError::PayloadTooLarge)) => Err(Failure::BodyTooLarge),
        Ok(Err(_incomplete)) => Err(Failure::BodyIncomplete),
        Err(_elapsed) => Err(Failure::BodyTimeout),
    }
}
