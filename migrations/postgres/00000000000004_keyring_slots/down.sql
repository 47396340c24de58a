DROP INDEX credentials_by_data_key;
DROP TABLE data_key_copies;
DROP TABLE master_key_slots;
DROP TABLE keyring;

CREATE TABLE keyring (
    deployment_id bytea NOT NULL PRIMARY KEY CHECK (length(deployment_id) = 16),
    only_row integer NOT NULL UNIQUE DEFAULT 1 CHECK (only_row = 1),
    master_key_id bytea NOT NULL CHECK (length(master_key_id) = 8),
    generation integer NOT NULL,
    check_value bytea NOT NULL
);

UPDATE data_keys SET purpose = 'VALUE' WHERE purpose NOT IN ('VALUE', 'CURSOR');
ALTER TABLE data_keys DROP COLUMN state, DROP COLUMN changed_at_us;
ALTER TABLE data_keys DROP CONSTRAINT data_keys_purpose_check;
ALTER TABLE data_keys ADD CONSTRAINT data_keys_purpose_check CHECK (purpose IN ('VALUE', 'CURSOR'));
ALTER TABLE data_keys ADD COLUMN wrapped bytea NOT NULL DEFAULT '\x00';
ALTER TABLE data_keys ALTER COLUMN wrapped DROP DEFAULT;
