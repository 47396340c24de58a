//! What hyper refuses before anybody else sees it: what is no HTTP, and headers that are too large. hyper's own answers have no body;
//! here they get one, and the headers that all answers have. There is no request, and so no ID of one.

use poem::http::StatusCode;

use super::failure::{HEADER_TOO_LARGE, URL_TOO_LONG};
use crate::graphql::error::{ApiError, ErrorCode};
use crate::graphql::response::GraphqlResponse;

/// How large hyper's own answer is at most: a status line and three fields.
const SIZE_LIMIT_BYTES: usize = 256;

/// Where hyper's own answer begins in what is to be sent, when it ends with one. It is the last thing that is sent, but may stand
/// behind another answer. Every other answer has an ID, and no body has a bare CR in it: JSON escapes them.
pub fn position(answers: &[u8]) -> Option<usize> {
    let tail_start = answers.len().saturating_sub(SIZE_LIMIT_BYTES);
    let tail = answers
        .get(tail_start..)
        .filter(|tail| tail.ends_with(b"\r\n\r\n"))?;
    let start = tail
        .windows(STATUS_LINE_START.len())
        .rposition(|window| window == STATUS_LINE_START)?;
    let header = std::str::from_utf8(tail.get(start..)?).ok()?;
    let is_bare = header.contains("\r\ncontent-length: 0\r\n") && !header.contains("x-request-id");
    (is_bare && refused_status(header).is_some()).then_some(tail_start + start)
}

const STATUS_LINE_START: &[u8] = b"HTTP/1.";

/// What is sent in place of hyper's own answer.
pub fn answer(own: &[u8], is_line_too_long: bool) -> Vec<u8> {
    let own = std::str::from_utf8(own).unwrap_or_default();
    let status = match refused_status(own) {
        Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE) if is_line_too_long => {
            StatusCode::URI_TOO_LONG
        }
        Some(status) => status,
        None => StatusCode::BAD_REQUEST,
    };
    let error = ApiError::new(ErrorCode::BadRequest, message(status));
    // The answer is made of strings, numbers and lists only: it can always be written.
    let body = serde_json::to_string(&GraphqlResponse::refused(error)).unwrap_or_default();
    let date = own.lines().find(|line| line.starts_with("date: "));
    let mut lines = vec![
        format!(
            "HTTP/1.1 {} {}",
            status.as_str(),
            status.canonical_reason().unwrap_or_default()
        ),
        "connection: close".to_owned(),
        "content-type: application/json; charset=utf-8".to_owned(),
        format!("content-length: {}", body.len()),
        "cache-control: no-store".to_owned(),
        "x-content-type-options: nosniff".to_owned(),
    ];
    lines.extend(date.map(str::to_owned));
    format!("{}\r\n\r\n{body}", lines.join("\r\n")).into_bytes()
}

/// The status of hyper's own answer: one of those that the client is at fault for.
fn refused_status(own: &str) -> Option<StatusCode> {
    let status = own.split(' ').nth(1)?;
    StatusCode::from_bytes(status.as_bytes())
        .ok()
        .filter(StatusCode::is_client_error)
}

const fn message(status: StatusCode) -> &'static str {
    match status {
        StatusCode::URI_TOO_LONG => URL_TOO_LONG,
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => HEADER_TOO_LARGE,
        _ => "This cannot be understood as HTTP/1.1.",
    }
}
