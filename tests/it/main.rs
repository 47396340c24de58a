//! Tests through the public door: HTTP and the command. A file a noun; `support` has what they share.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unexpected has failed"
)]

mod access;
mod architecture;
mod audit;
mod command;
mod crash;
mod credential;
mod document;
mod http;
mod input;
mod page;
mod resolve;
mod schema;
mod search;
mod secrecy;
mod store;
mod support;
mod token;
mod user;
