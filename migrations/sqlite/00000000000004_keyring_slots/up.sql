-- The keyring gets a slot for each master key, and a copy of each data key for each slot. A keyring that was made before this has no
-- slots: a database that holds one is refused at the start.
DROP TABLE keyring;

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

CREATE TABLE master_key_slots (
    number INTEGER NOT NULL PRIMARY KEY CHECK (number BETWEEN 1 AND 4),
    master_key_id BLOB NOT NULL UNIQUE CHECK (length(master_key_id) = 8),
    purpose TEXT NOT NULL CHECK (purpose IN ('SERVE', 'RECOVER')),
    generation INTEGER NOT NULL,
    added_at_us INTEGER NOT NULL,
    check_value BLOB NOT NULL
) STRICT;

-- SQLite changes no constraint of a table: it is made anew. Values refer to its rows, which are there again when the transaction ends.
PRAGMA defer_foreign_keys = ON;
CREATE TABLE data_keys_before AS SELECT id, purpose FROM data_keys;
DROP TABLE data_keys;
CREATE TABLE data_keys (
    id INTEGER NOT NULL PRIMARY KEY,
    purpose TEXT NOT NULL CHECK (purpose IN ('VALUE', 'CURSOR', 'AUDIT', 'KEYRING')),
    state TEXT NOT NULL CHECK (state IN ('PENDING', 'ACTIVE', 'RETIRING', 'DESTROYED')),
    changed_at_us INTEGER NOT NULL
) STRICT;
INSERT INTO data_keys (id, purpose, state, changed_at_us) SELECT id, purpose, 'ACTIVE', 0 FROM data_keys_before;
DROP TABLE data_keys_before;

CREATE TABLE data_key_copies (
    data_key_id INTEGER NOT NULL REFERENCES data_keys (id),
    master_key_id BLOB NOT NULL CHECK (length(master_key_id) = 8),
    wrapped BLOB NOT NULL,
    PRIMARY KEY (data_key_id, master_key_id)
) STRICT, WITHOUT ROWID;

-- How many values a data key still has, and which.
CREATE INDEX credentials_by_data_key ON credentials (data_key_id, id);
