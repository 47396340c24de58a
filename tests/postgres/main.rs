//! The tests of `it`, over PostgreSQL: each test has a schema of its own. What is about SQLite's file, or about no database, is not
//! among them.
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

#[path = "../it/access.rs"]
mod access;
mod anchors;
#[path = "../it/audit.rs"]
mod audit;
#[path = "../it/audit_attack.rs"]
mod audit_attack;
#[path = "../it/audit_chain.rs"]
mod audit_chain;
#[path = "../it/check.rs"]
mod check;
#[path = "../it/check_declaring.rs"]
mod check_declaring;
#[path = "../it/check_indentation.rs"]
mod check_indentation;
#[path = "../it/check_reading.rs"]
mod check_reading;
#[path = "../it/client.rs"]
mod client;
mod cluster;
mod commit;
mod conflict;
#[path = "../it/connection.rs"]
mod connection;
mod copy;
#[path = "../it/crash.rs"]
mod crash;
#[path = "../it/credential.rs"]
mod credential;
mod destroyed;
#[path = "../it/document.rs"]
mod document;
#[path = "../it/http.rs"]
mod http;
#[path = "../it/input.rs"]
mod input;
mod instances;
#[path = "../it/keyring.rs"]
mod keyring;
#[path = "../it/limit.rs"]
mod limit;
#[path = "../it/limit_proof.rs"]
mod limit_proof;
mod log;
mod long_copy;
#[path = "../it/mcp.rs"]
mod mcp;
#[path = "../it/memory.rs"]
mod memory;
#[path = "../it/metrics.rs"]
mod metrics;
#[path = "../it/metrics_access.rs"]
mod metrics_access;
#[path = "../it/model.rs"]
mod model;
mod outage;
#[path = "../it/overload.rs"]
mod overload;
#[path = "../it/page.rs"]
mod page;
#[path = "../it/pages.rs"]
mod pages;
#[path = "../it/persisted.rs"]
mod persisted;
mod profile;
#[path = "../it/readme.rs"]
mod readme;
#[path = "../it/reference.rs"]
mod reference;
mod requirement;
#[path = "../it/resolve.rs"]
mod resolve;
#[path = "../it/rotation.rs"]
mod rotation;
#[path = "../it/rotation_kill.rs"]
mod rotation_kill;
#[path = "../it/run.rs"]
mod run;
#[path = "../it/run_start.rs"]
mod run_start;
#[path = "../it/search.rs"]
mod search;
#[path = "../it/secrecy.rs"]
mod secrecy;
#[path = "../it/session.rs"]
mod session;
#[path = "../it/session_code.rs"]
mod session_code;
#[path = "../it/session_command.rs"]
mod session_command;
#[path = "../it/session_cookie.rs"]
mod session_cookie;
#[path = "../it/session_guard.rs"]
mod session_guard;
mod session_instances;
#[path = "../it/session_provider.rs"]
mod session_provider;
#[path = "../it/session_provider_start.rs"]
mod session_provider_start;
#[path = "../it/session_stream.rs"]
mod session_stream;
mod start;
#[path = "../it/stop.rs"]
mod stop;
mod store;
#[path = "../it/subscription.rs"]
mod subscription;
#[path = "../it/support/mod.rs"]
mod support;
#[path = "../it/tampering.rs"]
mod tampering;
mod tls;
#[path = "../it/token.rs"]
mod token;
#[path = "../it/token_cache.rs"]
mod token_cache;
#[path = "../it/token_claims.rs"]
mod token_claims;
#[path = "../it/token_forgery.rs"]
mod token_forgery;
#[path = "../it/token_key.rs"]
mod token_key;
#[path = "../it/token_url.rs"]
mod token_url;
#[path = "../it/token_url_outage.rs"]
mod token_url_outage;
#[path = "../it/traces.rs"]
mod traces;
mod upgrade;
#[path = "../it/user.rs"]
mod user;
