//! The pages: what is served where, with which headers.
