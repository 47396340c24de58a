//! Credence: a GraphQL API server for named secrets.
//!
//! ```text
//! main ─ app ─► http ─► graphql ─► domain ─┬─► store  ─► types
//!                                          └─► crypto ─► types
//! ```
//!
//! [`types`] has the words, [`crypto`] the bytes, [`store`] the SQL, [`domain`] the rules, [`graphql`] the public words and
//! [`http`] the bytes of HTTP. A noun has the same file name in each layer. Beside them, [`metrics`] has what all of them count, and
//! [`traces`] what is told of each operation. [`config`] has the settings, and [`app`] puts it all together. `client` is the other side: what runtimes use, made of [`types`] alone. Of the features, `server` has
//! everything but the client, and `client` the client; both are on unless they are turned off.

#[cfg(feature = "server")]
mod anchor_file;
#[cfg(feature = "server")]
pub mod app;
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "server")]
pub mod config;
#[cfg(feature = "server")]
pub mod crypto;
#[cfg(feature = "server")]
pub mod data_directory;
#[cfg(feature = "server")]
pub mod domain;
#[cfg(feature = "server")]
pub mod failure;
#[cfg(feature = "server")]
pub mod graphql;
#[cfg(feature = "server")]
pub mod http;
#[cfg(feature = "server")]
mod issuer;
#[cfg(feature = "server")]
pub mod keyring_start;
#[cfg(feature = "server")]
mod listening;
#[cfg(feature = "server")]
pub mod local_mode;
#[cfg(feature = "server")]
pub mod master_key_source;
#[cfg(feature = "server")]
pub mod metrics;
#[cfg(feature = "server")]
pub mod provider;
#[cfg(feature = "server")]
pub mod store;
#[cfg(feature = "server")]
pub mod telemetry;
#[cfg(feature = "server")]
mod tls_files;
#[cfg(feature = "server")]
pub mod traces;
pub mod types;
#[cfg(feature = "server")]
mod upkeep;
