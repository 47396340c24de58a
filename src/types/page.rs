//! Pages of a list, by keyset: a page starts behind the place of an item, not behind a number of items.

/// How many items a page has when the client does not say.
pub const PAGE_SIZE_DEFAULT: usize = 20;
/// How many items a page may have.
pub const PAGE_SIZE_LIMIT: usize = 100;

/// From which end a page is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The first items of the range.
    First,
    /// The last items of the range.
    Last,
}

/// Which items of a list are wanted; `P` is the place of an item.
#[derive(Clone, Debug)]
pub struct PageRequest<P> {
    /// Only items behind this place.
    pub after: Option<P>,
    /// Only items before this place.
    pub before: Option<P>,
    /// From which end of what is left.
    pub side: Side,
    /// How many, 1 to [`PAGE_SIZE_LIMIT`].
    pub size: usize,
}

impl<P> PageRequest<P> {
    /// How many rows to ask the database for: one more than the page has tells whether there are more.
    #[must_use]
    pub fn row_limit(&self) -> i64 {
        i64::try_from(self.size.saturating_add(1)).unwrap_or(i64::MAX)
    }

    /// Makes the page from rows that were read from its side, at most [`Self::row_limit`] of them.
    #[must_use]
    pub fn page<T>(&self, mut rows: Vec<T>) -> Page<T> {
        let more = rows.len() > self.size;
        rows.truncate(self.size);
        if self.side == Side::Last {
            rows.reverse();
        }
        // What lies beyond the other end is not looked for: the Relay specification (section 5.4) lets a server answer
        // from the cursor, and an item was there when the cursor was made.
        let (has_previous_page, has_next_page) = match self.side {
            Side::First => (self.after.is_some(), more),
            Side::Last => (more, self.before.is_some()),
        };
        Page {
            items: rows,
            has_previous_page,
            has_next_page,
        }
    }
}

/// Some consecutive items of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The items, in the order of the list whichever side they were cut from.
    pub items: Vec<T>,
    /// Whether there are items before these.
    pub has_previous_page: bool,
    /// Whether there are items behind these.
    pub has_next_page: bool,
}

/// The two directions of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

impl Direction {
    /// The direction in which rows are read so that those of `side` come first.
    #[must_use]
    pub const fn read_from(self, side: Side) -> Self {
        match (self, side) {
            (direction, Side::First) => direction,
            (Self::Ascending, Side::Last) => Self::Descending,
            (Self::Descending, Side::Last) => Self::Ascending,
        }
    }
}
