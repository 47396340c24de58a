-- Who signed in with a browser. The cookie holds a random ID; here is its SHA-256 only.
CREATE TABLE sessions (
    id_hash BLOB NOT NULL PRIMARY KEY CHECK (length(id_hash) = 32),
    -- By what way they signed in and what their proof was verified with, under a key: the session is good while that is configured.
    authenticator BLOB NOT NULL CHECK (length(authenticator) = 32),
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- As in a token: a list with spaces between.
    scopes TEXT NOT NULL,
    -- The only credentials that it resolves, 16 bytes each; null for all.
    credential_ids BLOB CHECK (length(credential_ids) % 16 = 0),
    -- The `iat` claim of the token that it was made of, in seconds since 1970.
    issued_at INTEGER NOT NULL,
    created_at_us INTEGER NOT NULL,
    ends_at_us INTEGER NOT NULL,
    -- Authenticates all of the row: who can write here makes no session, and gives none more rights.
    mac BLOB NOT NULL CHECK (length(mac) = 32)
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_end ON sessions (ends_at_us);

-- What one-time links of local mode lead to.
CREATE TABLE login_codes (
    code_hash BLOB NOT NULL PRIMARY KEY CHECK (length(code_hash) = 32),
    subject TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_at_us INTEGER NOT NULL,
    ends_at_us INTEGER NOT NULL,
    mac BLOB NOT NULL CHECK (length(mac) = 32)
) STRICT, WITHOUT ROWID;

CREATE INDEX login_codes_by_end ON login_codes (ends_at_us);
