//! Tests through the public door: HTTP and the command. A file a noun; `support` has what they share.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unexpected has failed"
)]
#![expect(
    clippy::format_collect,
    clippy::format_push_string,
    clippy::items_after_statements,
    clippy::needless_pass_by_value,
    clippy::too_many_lines,
    clippy::type_complexity,
    reason = "a test is read from the top to the bottom, and runs once"
)]

mod access;
mod architecture;
mod audit;
mod audit_attack;
mod audit_chain;
mod backup;
mod check;
mod check_declaring;
mod check_indentation;
mod check_reading;
mod cipher;
mod client;
mod command;
mod completions;
mod connection;
mod crash;
mod credential;
mod database_url;
mod document;
mod hardening;
mod health;
mod http;
mod http_2;
mod http_2_place;
mod id_token;
mod input;
mod keyring;
mod limit;
mod limit_proof;
mod manual;
mod master_key;
mod mcp;
mod memory;
mod metrics;
mod metrics_access;
mod model;
mod old_copies;
mod overload;
mod packaging;
mod page;
mod pages;
mod persisted;
mod public_url;
mod readme;
mod reference;
mod resolve;
mod rotation;
mod rotation_bar;
mod rotation_kill;
mod run;
mod run_start;
mod schema;
mod search;
mod secrecy;
mod session;
mod session_code;
mod session_command;
mod session_cookie;
mod session_guard;
mod session_provider;
mod session_provider_start;
mod session_stream;
mod stop;
mod store;
mod subscription;
mod support;
mod tampering;
mod telemetry_docs;
mod tls;
mod token;
mod token_cache;
mod token_claims;
mod token_forgery;
mod token_key;
mod token_url;
mod token_url_outage;
mod tool;
mod traces;
mod user;
