//! Bytes in, bytes out: keys, sealing with associated data, tokens. Knows no table and no rule.

pub mod audit_key;
pub mod cursor;
pub mod digest;
pub mod id_token;
pub mod keyring;
pub mod keyring_change;
pub mod local_token;
pub mod locked_key;
pub mod master_key;
pub mod opened_keys;
pub mod random;
pub mod seal;
pub mod session;
pub mod token;
mod token_algorithm;
mod token_claims;
mod token_header;
pub mod token_key;
pub mod token_rules;
pub mod wrapping;
