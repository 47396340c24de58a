//! The words of every layer: names, IDs, secrets, times, pages. Parsed once, valid for ever. No I/O.

pub mod audit;
pub mod change;
pub mod clock;
pub mod consumer;
pub mod credential;
pub mod hex;
pub mod id;
pub mod keyring;
pub mod page;
pub mod peer;
pub mod reference;
pub mod scope;
pub mod secret;
pub mod session;
pub mod text;
pub mod user;
