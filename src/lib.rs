//! Credence: a GraphQL API server for named secrets.
//!
//! ```text
//! main ─ app ─► http ─► graphql ─► domain ─┬─► store  ─► types
//!                                          └─► crypto ─► types
//! ```
//!
//! [`types`] has the words, [`crypto`] the bytes, [`store`] the SQL, [`domain`] the rules, [`graphql`] the public words and
//! [`http`] the bytes of HTTP. A noun has the same file name in each layer. [`config`] has the settings, and [`app`]
//! puts it all together.

pub mod app;
pub mod config;
pub mod crypto;
pub mod data_directory;
pub mod domain;
pub mod failure;
pub mod graphql;
pub mod http;
pub mod keyring_start;
pub mod local_mode;
pub mod store;
pub mod types;
