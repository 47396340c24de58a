//! What names a place of master keys. A key itself in its place is refused: the log would have what is named.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};

use crate::crypto::master_key::holds_master_key;

/// Clap puts what was typed before it; whoever tells it leaves that out.
const KEY_GIVEN: &str = "a master key itself stands where its place is to be named";

/// Reads the name of a file with master keys.
#[must_use]
pub fn key_file() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().try_map(|name: OsString| {
        if holds_master_key(&name.to_string_lossy()) {
            return Err(KEY_GIVEN);
        }
        Ok(PathBuf::from(name))
    })
}

/// Reads the name of an environment variable.
pub(super) fn key_variable(name: &str) -> Result<String, &'static str> {
    if holds_master_key(name) {
        return Err(KEY_GIVEN);
    }
    Ok(name.to_owned())
}
