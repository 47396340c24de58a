//! `credence schema`.

use credence::failure::Failure;
use credence::graphql::sdl::sdl;

/// Prints the schema.
pub fn run() -> Result<(), Failure> {
    super::print(&sdl())
}
