//! What a verification of the audit log finds.

use std::fmt;

use crate::types::credential::Credential;
use crate::types::id::Id;

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The end of a chain is not authentic.
    HeadChanged(i32),
    /// A chain has events or a checkpoint, and no end.
    HeadMissing(i32),
    /// The checkpoint of a chain is not authentic.
    CheckpointChanged(i32),
    /// Events stand before the beginning of a chain.
    EventsBeforeBeginning {
        /// The number of the chain.
        chain: i32,
        /// The place behind which it begins.
        through: i64,
    },
    /// What a damaged log has left before the beginning of a chain is not as it was left.
    KeptEventsChanged(i32),
    /// An event was changed, or is not at its place.
    EventChanged {
        /// The number of the chain.
        chain: i32,
        /// The number of the event in it.
        sequence: i64,
    },
    /// Events are missing.
    EventsMissing {
        /// The number of the chain.
        chain: i32,
        /// The first of them.
        from: i64,
        /// The last of them.
        to: i64,
    },
    /// Events stand behind the end of a chain.
    EventsBehindEnd {
        /// The number of the chain.
        chain: i32,
        /// The first of them.
        from: i64,
    },
    /// The last event of a chain is not the one that it ended with.
    EndChanged {
        /// The number of the chain.
        chain: i32,
        /// The number of the event in it.
        sequence: i64,
    },
    /// An anchor names an event that is not there, or is another one.
    NotAnchored {
        /// The number of the chain.
        chain: i32,
        /// The number of the event in it.
        sequence: i64,
    },
    /// A line of the second place is not authentic.
    AnchorChanged {
        /// The number of the line, from 1.
        line: usize,
    },
    /// The log says that a credential exists, and it does not.
    CredentialMissing(Id<Credential>),
    /// A credential exists, and the log says nothing of it.
    CredentialUnknown(Id<Credential>),
    /// A credential exists, and the log says that it was deleted.
    CredentialBack(Id<Credential>),
    /// A credential has another version than the log says.
    VersionDiffers {
        /// The credential.
        credential_id: Id<Credential>,
        /// What the log says.
        logged: i32,
        /// What there is.
        found: i32,
    },
    /// A credential has another name than the log says.
    NameDiffers(Id<Credential>),
    /// A credential has another owner than the log says.
    OwnerDiffers(Id<Credential>),
    /// The keyring is another one than the log says.
    KeyringDiffers {
        /// What the log says.
        logged: i32,
        /// What there is.
        found: i32,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeadChanged(chain) => write!(formatter, "chain {chain}: its end was changed"),
            Self::HeadMissing(chain) => write!(formatter, "chain {chain}: its end is missing"),
            Self::CheckpointChanged(chain) => {
                write!(formatter, "chain {chain}: its checkpoint was changed")
            }
            Self::EventsBeforeBeginning { chain, through } => write!(
                formatter,
                "chain {chain}, up to event {through}: events stand before the beginning of the chain"
            ),
            Self::KeptEventsChanged(chain) => write!(
                formatter,
                "chain {chain}: the events that `prune --damaged` left before its beginning were changed"
            ),
            Self::EventChanged { chain, sequence } => write!(
                formatter,
                "chain {chain}, event {sequence}: it was changed, or belongs to another place"
            ),
            Self::EventsMissing { chain, from, to } if from == to => {
                write!(formatter, "chain {chain}, event {from}: it is missing")
            }
            Self::EventsMissing { chain, from, to } => {
                write!(
                    formatter,
                    "chain {chain}, events {from} to {to}: they are missing"
                )
            }
            Self::EventsBehindEnd { chain, from } => write!(
                formatter,
                "chain {chain}, from event {from} on: they stand behind the end of the chain"
            ),
            Self::EndChanged { chain, sequence } => write!(
                formatter,
                "chain {chain}, event {sequence}: it is not the one that the chain ended with"
            ),
            Self::NotAnchored { chain, sequence } => write!(
                formatter,
                "chain {chain}, event {sequence}: an anchor names it, and it is missing or another one"
            ),
            Self::AnchorChanged { line } => write!(
                formatter,
                "line {line} of the anchors: it was changed, or is of another deployment"
            ),
            Self::CredentialMissing(id) => write!(
                formatter,
                "credential {id}: the log says that it exists, and it is not there"
            ),
            Self::CredentialUnknown(id) => {
                write!(formatter, "credential {id}: the log says nothing of it")
            }
            Self::CredentialBack(id) => write!(
                formatter,
                "credential {id}: the log says that it was deleted, and it is there"
            ),
            Self::VersionDiffers {
                credential_id,
                logged,
                found,
            } => write!(
                formatter,
                "credential {credential_id}: its value has version {found}, and the log says {logged}"
            ),
            Self::NameDiffers(id) => {
                write!(
                    formatter,
                    "credential {id}: it has another name than the log says"
                )
            }
            Self::OwnerDiffers(id) => {
                write!(
                    formatter,
                    "credential {id}: it has another owner than the log says"
                )
            }
            Self::KeyringDiffers { logged, found } => write!(
                formatter,
                "the keyring is of generation {found}, and the log says {logged}"
            ),
        }
    }
}
