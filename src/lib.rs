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

pub mod crypto;
pub mod domain;
pub mod store;
pub mod types;
