-- Who signed in with a browser. The cookie holds a random ID; here is its SHA-256 only.
CREATE TABLE sessions (
    id_hash bytea NOT NULL PRIMARY KEY CHECK (length(id_hash) = 32),
    -- By what way they signed in and what their proof was verified with, under a key: the session is good while that is configured.
    authenticator bytea NOT NULL CHECK (length(authenticator) = 32),
    user_id bytea NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- As in a token: a list with spaces between.
    scopes text NOT NULL,
    -- The only credentials that it resolves, 16 bytes each; null for all.
    credential_ids bytea CHECK (length(credential_ids) % 16 = 0),
    -- The `iat` claim of the token that it was made of, in seconds since 1970.
    issued_at bigint NOT NULL,
    created_at_us bigint NOT NULL,
    ends_at_us bigint NOT NULL,
    -- Authenticates all of the row: who can write here makes no session, and gives none more rights.
    mac bytea NOT NULL CHECK (length(mac) = 32)
);

CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_end ON sessions (ends_at_us);

-- What one-time links of local mode lead to.
CREATE TABLE login_codes (
    code_hash bytea NOT NULL PRIMARY KEY CHECK (length(code_hash) = 32),
    subject text NOT NULL,
    scopes text NOT NULL,
    created_at_us bigint NOT NULL,
    ends_at_us bigint NOT NULL,
    mac bytea NOT NULL CHECK (length(mac) = 32)
);

CREATE INDEX login_codes_by_end ON login_codes (ends_at_us);
