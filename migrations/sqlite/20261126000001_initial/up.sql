-- Times are microseconds since 1970-01-01T00:00:00Z. IDs are the 16 bytes of a UUID of version 7, so that they sort by time.

CREATE TABLE keyring (
    deployment_id BLOB NOT NULL PRIMARY KEY CHECK (length(deployment_id) = 16),
    -- Never more than one row.
    only_row INTEGER NOT NULL UNIQUE DEFAULT 1 CHECK (only_row = 1),
    format INTEGER NOT NULL,
    -- What servers are to be started with.
    primary_master_key_id BLOB NOT NULL CHECK (length(primary_master_key_id) = 8),
    -- Rises with each change of the keyring.
    generation INTEGER NOT NULL,
    -- Authenticates all that the four tables say.
    tag BLOB NOT NULL
) STRICT;

-- One for each master key.
CREATE TABLE master_key_slots (
    number INTEGER NOT NULL PRIMARY KEY CHECK (number BETWEEN 1 AND 4),
    master_key_id BLOB NOT NULL UNIQUE CHECK (length(master_key_id) = 8),
    purpose TEXT NOT NULL CHECK (purpose IN ('SERVE', 'RECOVER')),
    generation INTEGER NOT NULL,
    added_at_us INTEGER NOT NULL,
    check_value BLOB NOT NULL
) STRICT;

CREATE TABLE data_keys (
    id INTEGER NOT NULL PRIMARY KEY,
    purpose TEXT NOT NULL CHECK (purpose IN ('VALUE', 'CURSOR', 'AUDIT', 'KEYRING')),
    state TEXT NOT NULL CHECK (state IN ('PENDING', 'ACTIVE', 'RETIRING', 'DESTROYED')),
    changed_at_us INTEGER NOT NULL
) STRICT;

-- A data key, wrapped by each master key.
CREATE TABLE data_key_copies (
    data_key_id INTEGER NOT NULL REFERENCES data_keys (id),
    master_key_id BLOB NOT NULL CHECK (length(master_key_id) = 8),
    wrapped BLOB NOT NULL,
    PRIMARY KEY (data_key_id, master_key_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE users (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    name TEXT,
    email TEXT,
    -- The folded name to show: what users are ordered by.
    name_key TEXT NOT NULL,
    -- Folded name, subject and email, a line each: what users are searched in.
    search_key TEXT NOT NULL,
    created_at_us INTEGER NOT NULL,
    -- The `iat` claim of the token that said so, in seconds since 1970: older ones do not count.
    profile_issued_at INTEGER NOT NULL,
    UNIQUE (issuer, subject)
) STRICT, WITHOUT ROWID;

CREATE INDEX users_by_name ON users (name_key, id);

-- Tokens of these users that were issued up to then are refused.
CREATE TABLE removed_users (
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    removed_at_us INTEGER NOT NULL,
    PRIMARY KEY (issuer, subject)
) STRICT, WITHOUT ROWID;

CREATE TABLE credentials (
    -- The row's number, for the trigram index: without it, VACUUM could number the rows anew.
    sequence INTEGER NOT NULL PRIMARY KEY,
    id BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    name TEXT NOT NULL,
    -- The folded name: what makes names unique, and what they are ordered by and searched in.
    name_key TEXT NOT NULL UNIQUE,
    owner_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    value_version INTEGER NOT NULL CHECK (value_version >= 1),
    created_at_us INTEGER NOT NULL,
    updated_at_us INTEGER NOT NULL,
    value_updated_at_us INTEGER NOT NULL,
    data_key_id INTEGER NOT NULL REFERENCES data_keys (id),
    -- Last, so that a large value is not read with the rest.
    sealed_value BLOB NOT NULL
) STRICT;

CREATE INDEX credentials_by_creation ON credentials (created_at_us, id);
CREATE INDEX credentials_by_update ON credentials (updated_at_us, id);
CREATE INDEX credentials_by_owner ON credentials (owner_id, name_key);
-- How many values a data key still has, and which.
CREATE INDEX credentials_by_data_key ON credentials (data_key_id, id);

-- The trigrams of folded names. Positions are not kept (detail = none): candidates are compared with the term afterwards.
CREATE VIRTUAL TABLE credential_trigrams USING fts5 (
    name_key,
    content = 'credentials',
    content_rowid = 'sequence',
    detail = none,
    columnsize = 0,
    tokenize = 'trigram case_sensitive 1'
);

CREATE TRIGGER credential_trigrams_insert AFTER INSERT ON credentials BEGIN
    INSERT INTO credential_trigrams (rowid, name_key) VALUES (new.sequence, new.name_key);
END;

CREATE TRIGGER credential_trigrams_delete AFTER DELETE ON credentials BEGIN
    INSERT INTO credential_trigrams (credential_trigrams, rowid, name_key)
    VALUES ('delete', old.sequence, old.name_key);
END;

CREATE TRIGGER credential_trigrams_update AFTER UPDATE OF name_key ON credentials
WHEN new.name_key <> old.name_key BEGIN
    INSERT INTO credential_trigrams (credential_trigrams, rowid, name_key)
    VALUES ('delete', old.sequence, old.name_key);
    INSERT INTO credential_trigrams (rowid, name_key) VALUES (new.sequence, new.name_key);
END;

-- What became of IDs that workflows may still hold. Never pruned.
CREATE TABLE deleted_credentials (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    name TEXT NOT NULL,
    deleted_at_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Each event is authenticated together with the one before it in its chain.
CREATE TABLE audit_events (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    occurred_at_us INTEGER NOT NULL,
    action TEXT NOT NULL,
    actor_issuer TEXT NOT NULL,
    actor_subject TEXT NOT NULL,
    credential_id BLOB,
    credential_name TEXT,
    value_version INTEGER,
    -- Who was removed, or who owns the credential from then on.
    user_id BLOB,
    user_subject TEXT,
    consumer_kind TEXT,
    consumer_external_id TEXT,
    consumer_name TEXT,
    request_id TEXT NOT NULL,
    -- Who owns the credential, as it is after what was done.
    owner_id BLOB,
    -- Why something was refused, or what was changed of the keyring or the log.
    reason TEXT,
    -- How often it happened: more than once where refusals are counted together.
    times INTEGER NOT NULL,
    -- Where all chains ended, for an anchor.
    heads BLOB,
    chain INTEGER NOT NULL,
    chain_sequence INTEGER NOT NULL,
    -- Authenticates all of the above, and the event before it in the chain.
    mac BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX audit_events_by_credential ON audit_events (credential_id, id) WHERE credential_id IS NOT NULL;
CREATE INDEX audit_events_by_actor ON audit_events (actor_subject, id);
CREATE UNIQUE INDEX audit_events_by_chain ON audit_events (chain, chain_sequence);
-- Which keyring there was: a start looks for the newest of these few.
CREATE INDEX audit_events_of_keyring ON audit_events (id) WHERE action IN ('KEYRING_CHANGED', 'LOG_PRUNED');

-- Where each chain ends. Changed with each transaction that adds to it.
CREATE TABLE audit_chains (
    chain INTEGER NOT NULL PRIMARY KEY,
    chain_sequence INTEGER NOT NULL,
    mac BLOB NOT NULL,
    -- Authenticates the end: that of an earlier one cannot be made from what the events hold.
    tag BLOB NOT NULL
) STRICT;

-- Up to where each chain was pruned.
CREATE TABLE audit_checkpoints (
    chain INTEGER NOT NULL PRIMARY KEY,
    chain_sequence INTEGER NOT NULL,
    mac BLOB NOT NULL,
    tag BLOB NOT NULL
) STRICT;
