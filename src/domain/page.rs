//! Pages: what a client may ask for, and cursors.

use super::Domain;
use super::error::{BadArgument, Error};
use crate::crypto::cursor::{open_cursor, seal_cursor};
use crate::crypto::digest::length_prefix;
use crate::types::clock::Timestamp;
use crate::types::credential::CredentialPlace;
use crate::types::id::Id;
use crate::types::page::{PAGE_SIZE_DEFAULT, PAGE_SIZE_LIMIT, PageRequest, Side};
use crate::types::user::UserPlace;

/// The four arguments of a connection (Relay's cursor connections specification, section 4), as they came.
#[derive(Clone, Debug, Default)]
pub struct PageArguments {
    /// Only what is behind this cursor.
    pub after: Option<String>,
    /// Only what is before this cursor.
    pub before: Option<String>,
    /// The first so many.
    pub first: Option<i32>,
    /// The last so many.
    pub last: Option<i32>,
}

/// Tells a list, its order and its filter from all others: a cursor of one is none of another.
#[derive(Clone, Debug)]
pub struct ListKey(Vec<u8>);

impl ListKey {
    /// The key made of these parts.
    #[must_use]
    pub fn new(parts: &[&[u8]]) -> Self {
        let mut key = Vec::new();
        for part in parts {
            key.extend_from_slice(&length_prefix(part));
            key.extend_from_slice(part);
        }
        Self(key)
    }
}

/// A place in a list, as bytes.
pub trait Place: Sized {
    /// Writes it.
    fn to_bytes(&self) -> Vec<u8>;
    /// Reads it.
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

impl Domain {
    /// The cursor of a place in a list.
    #[must_use]
    pub fn cursor(&self, list: &ListKey, place: &impl Place) -> String {
        seal_cursor(&self.keyring.present(), &list.0, &place.to_bytes())
    }

    /// Checks the arguments of a connection.
    ///
    /// # Errors
    /// [`Error::BadArgument`] for sizes that are out of bounds, both sizes at once, and cursors of other lists.
    pub(super) fn page_request<P: Place>(
        &self,
        list: &ListKey,
        arguments: &PageArguments,
    ) -> Result<PageRequest<P>, Error> {
        let (side, size) = match (arguments.first, arguments.last) {
            (Some(_), Some(_)) => return Err(Error::BadArgument(BadArgument::FirstAndLast)),
            (Some(first), None) => (Side::First, page_size(first)?),
            (None, Some(last)) => (Side::Last, page_size(last)?),
            (None, None) => (Side::First, PAGE_SIZE_DEFAULT),
        };
        Ok(PageRequest {
            after: self.place(list, arguments.after.as_deref())?,
            before: self.place(list, arguments.before.as_deref())?,
            side,
            size,
        })
    }

    fn place<P: Place>(&self, list: &ListKey, cursor: Option<&str>) -> Result<Option<P>, Error> {
        let Some(cursor) = cursor else {
            return Ok(None);
        };
        open_cursor(&self.keyring.present(), &list.0, cursor)
            .and_then(|bytes| P::from_bytes(&bytes))
            .map(Some)
            .ok_or(Error::BadArgument(BadArgument::Cursor))
    }
}

fn page_size(size: i32) -> Result<usize, Error> {
    usize::try_from(size)
        .ok()
        .filter(|size| (1..=PAGE_SIZE_LIMIT).contains(size))
        .ok_or(Error::BadArgument(BadArgument::PageSize))
}

impl Place for CredentialPlace {
    fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Name(name_key) => [b"n", name_key.as_bytes()].concat(),
            Self::Time(at, id) => [b"t".as_slice(), &at.0.to_be_bytes(), id.as_bytes()].concat(),
        }
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes.split_first()? {
            (b'n', name_key) => Some(Self::Name(String::from_utf8(name_key.to_vec()).ok()?)),
            (b't', rest) => {
                let (at, id) = rest.split_first_chunk::<8>()?;
                let id = id.try_into().ok()?;
                Some(Self::Time(
                    Timestamp(i64::from_be_bytes(*at)),
                    Id::from_bytes(id),
                ))
            }
            _ => None,
        }
    }
}

impl Place for UserPlace {
    fn to_bytes(&self) -> Vec<u8> {
        [self.id.as_bytes().as_slice(), self.name_key.as_bytes()].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (id, name_key) = bytes.split_first_chunk::<16>()?;
        Some(Self {
            name_key: String::from_utf8(name_key.to_vec()).ok()?,
            id: Id::from_bytes(*id),
        })
    }
}

impl<T> Place for Id<T> {
    fn to_bytes(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Id::from_bytes(bytes.try_into().ok()?))
    }
}
