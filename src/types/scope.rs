//! Scopes: what a token allows. Roles are a way to write scopes.

/// One thing that a token may allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Read credentials, never their values.
    CredentialsRead,
    /// Create credentials; change and delete one's own.
    CredentialsWrite,
    /// Change, delete and transfer anybody's credentials.
    CredentialsManage,
    /// Resolve credentials to their values. No role of a person has it, and no ID token of a provider gives it.
    CredentialsResolve,
    /// Declare what uses credentials, and ask what became of them by their IDs.
    ReferencesDeclare,
    /// See and remove users.
    UsersManage,
    /// Read the audit log.
    AuditRead,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::CredentialsRead,
        Self::CredentialsWrite,
        Self::CredentialsManage,
        Self::CredentialsResolve,
        Self::ReferencesDeclare,
        Self::UsersManage,
        Self::AuditRead,
    ];

    /// The word in a token's `scope` claim (RFC 8693, section 4.2).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CredentialsRead => "credentials:read",
            Self::CredentialsWrite => "credentials:write",
            Self::CredentialsManage => "credentials:manage",
            Self::CredentialsResolve => "credentials:resolve",
            Self::ReferencesDeclare => "references:declare",
            Self::UsersManage => "users:manage",
            Self::AuditRead => "audit:read",
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::CredentialsRead => 1,
            Self::CredentialsWrite => 2,
            Self::CredentialsManage => 4,
            Self::CredentialsResolve => 8,
            Self::ReferencesDeclare => 16,
            Self::UsersManage => 32,
            Self::AuditRead => 64,
        }
    }
}

/// A set of scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScopeSet(u8);

impl ScopeSet {
    /// Reads a space-separated list. Words that are not ours are other servers' scopes, and are passed over.
    #[must_use]
    pub fn parse(list: &str) -> Self {
        Self::of_words(&list.split(' ').collect::<Vec<_>>())
    }

    /// The scopes among these words. Others are passed over.
    #[must_use]
    pub fn of_words(words: &[&str]) -> Self {
        Scope::ALL
            .into_iter()
            .filter(|scope| words.contains(&scope.as_str()))
            .collect()
    }

    /// Whether the set has this scope.
    #[must_use]
    pub const fn has(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// All of the set but this scope.
    #[must_use]
    pub const fn without(self, scope: Scope) -> Self {
        Self(self.0 & !scope.bit())
    }

    /// The words of its scopes.
    #[must_use]
    pub fn words(self) -> Vec<&'static str> {
        let scopes = Scope::ALL.into_iter().filter(|scope| self.has(*scope));
        scopes.map(Scope::as_str).collect()
    }

    /// The space-separated list, as a token holds it.
    #[must_use]
    pub fn to_claim(self) -> String {
        self.words().join(" ")
    }
}

impl FromIterator<Scope> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

/// A usual set of scopes, under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Reads.
    Viewer,
    /// Reads and writes.
    Editor,
    /// Does everything but resolve.
    Admin,
    /// Resolves, finds single credentials and follows changes.
    Runtime,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Editor, Self::Admin, Self::Runtime];

    /// The word on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Admin => "admin",
            Self::Runtime => "runtime",
        }
    }

    /// What it allows.
    #[must_use]
    pub fn scopes(self) -> ScopeSet {
        let scopes: &[Scope] = match self {
            Self::Viewer => &[Scope::CredentialsRead],
            Self::Editor => &[Scope::CredentialsRead, Scope::CredentialsWrite],
            Self::Admin => &[
                Scope::CredentialsRead,
                Scope::CredentialsWrite,
                Scope::CredentialsManage,
                Scope::UsersManage,
                Scope::AuditRead,
            ],
            Self::Runtime => &[Scope::CredentialsResolve],
        };
        scopes.iter().copied().collect()
    }
}
