//! Users: who tokens speak for.

use super::clock::Timestamp;
use super::id::Id;

/// The longest name or email that is kept from a token, in characters.
pub const PROFILE_LIMIT_CHARACTERS: usize = 255;

/// What makes a user one and the same: the issuer and the subject of their tokens, compared byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UserKey {
    /// The `iss` claim.
    pub issuer: String,
    /// The `sub` claim.
    pub subject: String,
}

/// What a token says of its user beside the key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// The `name` claim.
    pub name: Option<String>,
    /// The `email` claim.
    pub email: Option<String>,
}

/// A user.
#[derive(Clone, Debug)]
pub struct User {
    /// An ID of ours.
    pub id: Id<User>,
    /// Who they are to the issuer.
    pub key: UserKey,
    /// What the latest tokens said of them.
    pub profile: Profile,
    /// The `iat` claim of the latest of these tokens, in seconds since 1970.
    pub profile_issued_at_seconds: i64,
    /// When they were first seen.
    pub created_at: Timestamp,
}

impl User {
    /// The name to show: the `name` claim, or else the subject.
    #[must_use]
    pub fn display_name(&self) -> &str {
        self.profile.name.as_deref().unwrap_or(&self.key.subject)
    }
}

/// A user's place in a list: the folded name to show, then the ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserPlace {
    /// The folded name.
    pub name_key: String,
    /// The ID.
    pub id: Id<User>,
}
