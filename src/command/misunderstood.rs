//! What is told of a line that cannot be understood. The words of the library repeat what stands in it, which may be a value.

use clap::Error;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use credence::crypto::master_key::holds_master_key;

/// How long an option may be that is repeated, in bytes.
const OPTION_LIMIT_BYTES: usize = 32;

/// What is wrong with the line, when the library would repeat a part of it that is none of ours.
pub fn misunderstood(error: &Error) -> Option<String> {
    if holds_master_key(&error.to_string()) {
        return Some(master_key_given(error));
    }
    let told = match error.kind() {
        ErrorKind::UnknownArgument => unknown_argument(error),
        ErrorKind::InvalidSubcommand => {
            "there is no such command: `credence help` lists them".to_owned()
        }
        ErrorKind::InvalidValue => unknown_value(error)?,
        ErrorKind::TooManyValues => {
            let option = text(error, ContextKind::InvalidArg)?;
            format!("{option} takes no value, or no other one")
        }
        _ => return None,
    };
    let usage = match error.get(ContextKind::Usage) {
        Some(ContextValue::StyledStr(usage)) => format!("\n{usage}"),
        _ => String::new(),
    };
    Some(format!("{told}{usage}"))
}

/// Wherever it was given, it is not only the log that has it then.
fn master_key_given(error: &Error) -> String {
    let option = text(error, ContextKind::InvalidArg).filter(|option| !holds_master_key(option));
    let option = option.map_or_else(String::new, |option| format!("{option}: "));
    format!(
        "{option}a master key itself was given, and is not repeated here: put it into a file that only its owner can read, and name that. \
         The environment and the line of a command are for others to see: when this was not just tried out, replace the key \
         (`credence keys --help`)"
    )
}

fn unknown_argument(error: &Error) -> String {
    let word = text(error, ContextKind::InvalidArg).unwrap_or_default();
    let option = word.split('=').next().unwrap_or_default();
    let suggested = text(error, ContextKind::SuggestedArg);
    let suggested = suggested.map_or_else(String::new, |other| format!(": is {other} meant?"));
    if is_option(option) {
        return format!("there is no option {option}{suggested}");
    }
    "an argument stands where none belongs; it is not repeated here, in case it is a value. Options have their values behind a space or \
     a =, and each its own"
        .to_owned()
}

fn unknown_value(error: &Error) -> Option<String> {
    let option = text(error, ContextKind::InvalidArg)?;
    let known = match error.get(ContextKind::ValidValue)? {
        ContextValue::Strings(known) => known.join(", "),
        _ => return None,
    };
    // Of a value that is missing, the library says so.
    text(error, ContextKind::InvalidValue).filter(|value| !value.is_empty())?;
    Some(format!("{option} does not have one of its values: {known}"))
}

/// Whether a word has the form of our options.
fn is_option(word: &str) -> bool {
    let name = word.strip_prefix("--").unwrap_or_default();
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
    (1..=OPTION_LIMIT_BYTES).contains(&name.len()) && name.bytes().all(is_letter)
}

fn text(error: &Error, kind: ContextKind) -> Option<&str> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text),
        _ => None,
    }
}
