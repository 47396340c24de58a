//! What columns hold, and what it means: bytes and IDs, microseconds and times.

use super::error::StoreError;
use crate::types::id::Id;

/// Reads an ID.
pub fn id<T>(bytes: Vec<u8>) -> Result<Id<T>, StoreError> {
    let bytes: [u8; 16] = bytes.try_into().map_err(|_length| StoreError::Unreadable)?;
    Ok(Id::from_bytes(bytes))
}

/// Reads an ID that may be missing.
pub fn optional_id<T>(bytes: Option<Vec<u8>>) -> Result<Option<Id<T>>, StoreError> {
    bytes.map(id).transpose()
}
