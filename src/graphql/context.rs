//! What resolvers find in the context of a request.

use std::sync::Arc;

use async_graphql::Context;

use crate::domain::Domain;
use crate::domain::caller::Caller;

/// The rules and the caller. Both are put there before anything is executed.
pub trait RequestContext<'a> {
    /// The rules.
    fn domain(&self) -> &'a Arc<Domain>;
    /// Who asks.
    fn caller(&self) -> &'a Caller;
}

impl<'a> RequestContext<'a> for Context<'a> {
    fn domain(&self) -> &'a Arc<Domain> {
        self.data_unchecked()
    }

    fn caller(&self) -> &'a Caller {
        self.data_unchecked::<Caller>()
    }
}
