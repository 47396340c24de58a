-- The keyring gets a slot for each master key, and a copy of each data key for each slot. A keyring that was made before this has no
-- slots: a database that holds one is refused at the start.
DROP TABLE keyring;

CREATE TABLE keyring (
    deployment_id bytea NOT NULL PRIMARY KEY CHECK (length(deployment_id) = 16),
    -- Never more than one row.
    only_row integer NOT NULL UNIQUE DEFAULT 1 CHECK (only_row = 1),
    format integer NOT NULL,
    -- What servers are to be started with.
    primary_master_key_id bytea NOT NULL CHECK (length(primary_master_key_id) = 8),
    -- Rises with each change of the keyring.
    generation integer NOT NULL,
    -- Authenticates all that the four tables say.
    tag bytea NOT NULL
);

CREATE TABLE master_key_slots (
    number integer NOT NULL PRIMARY KEY CHECK (number BETWEEN 1 AND 4),
    master_key_id bytea NOT NULL UNIQUE CHECK (length(master_key_id) = 8),
    purpose text NOT NULL CHECK (purpose IN ('SERVE', 'RECOVER')),
    generation integer NOT NULL,
    added_at_us bigint NOT NULL,
    check_value bytea NOT NULL
);

ALTER TABLE data_keys DROP COLUMN wrapped;
ALTER TABLE data_keys DROP CONSTRAINT data_keys_purpose_check;
ALTER TABLE data_keys ADD CONSTRAINT data_keys_purpose_check
    CHECK (purpose IN ('VALUE', 'CURSOR', 'AUDIT', 'KEYRING'));
ALTER TABLE data_keys ADD COLUMN state text NOT NULL DEFAULT 'ACTIVE'
    CHECK (state IN ('PENDING', 'ACTIVE', 'RETIRING', 'DESTROYED'));
ALTER TABLE data_keys ADD COLUMN changed_at_us bigint NOT NULL DEFAULT 0;
ALTER TABLE data_keys ALTER COLUMN state DROP DEFAULT, ALTER COLUMN changed_at_us DROP DEFAULT;

CREATE TABLE data_key_copies (
    data_key_id integer NOT NULL REFERENCES data_keys (id),
    master_key_id bytea NOT NULL CHECK (length(master_key_id) = 8),
    wrapped bytea NOT NULL,
    PRIMARY KEY (data_key_id, master_key_id)
);

-- How many values a data key still has, and which.
CREATE INDEX credentials_by_data_key ON credentials (data_key_id, id);
