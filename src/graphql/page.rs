//! What all connections share (Relay's cursor connections specification).

use async_graphql::{Enum, SimpleObject};

use crate::domain::Domain;
use crate::domain::page::{ListKey, PageArguments, Place};
use crate::types::page::{Direction, Page};

/// Information about a page of a connection.
#[derive(SimpleObject, Debug)]
pub struct PageInfo {
    /// Whether there are more items after this page.
    has_next_page: bool,
    /// Whether there are more items before this page.
    has_previous_page: bool,
    /// The cursor of the first item of this page: null when the page is empty.
    start_cursor: Option<String>,
    /// The cursor of the last item of this page: null when the page is empty.
    end_cursor: Option<String>,
}

/// The direction in which a list is ordered.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderDirection {
    /// Smallest first.
    Asc,
    /// Largest first.
    Desc,
}

impl From<OrderDirection> for Direction {
    fn from(direction: OrderDirection) -> Self {
        match direction {
            OrderDirection::Asc => Self::Ascending,
            OrderDirection::Desc => Self::Descending,
        }
    }
}

/// A page of a list, and how to write the cursors of its items.
pub struct Listed<T> {
    /// The page.
    pub page: Page<T>,
    /// Its list.
    pub key: ListKey,
}

impl<T> Listed<T> {
    /// Information about the page, the place of an item being what `place` says.
    pub fn page_info<P: Place>(&self, domain: &Domain, place: impl Fn(&T) -> P) -> PageInfo {
        let cursor = |item: &T| domain.cursor(&self.key, &place(item));
        PageInfo {
            has_next_page: self.page.has_next_page,
            has_previous_page: self.page.has_previous_page,
            start_cursor: self.page.items.first().map(cursor),
            end_cursor: self.page.items.last().map(cursor),
        }
    }

    /// Each item with its cursor.
    pub fn edges<P: Place, E>(
        &self,
        domain: &Domain,
        place: impl Fn(&T) -> P,
        edge: impl Fn(String, &T) -> E,
    ) -> Vec<E> {
        let edge_of = |item: &T| edge(domain.cursor(&self.key, &place(item)), item);
        self.page.items.iter().map(edge_of).collect()
    }
}

/// The arguments that all connections have.
#[must_use]
pub const fn page_arguments(
    after: Option<String>,
    before: Option<String>,
    first: Option<i32>,
    last: Option<i32>,
) -> PageArguments {
    PageArguments {
        after,
        before,
        first,
        last,
    }
}
