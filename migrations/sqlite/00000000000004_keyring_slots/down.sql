DROP INDEX credentials_by_data_key;
DROP TABLE data_key_copies;
DROP TABLE master_key_slots;
DROP TABLE keyring;

CREATE TABLE keyring (
    deployment_id BLOB NOT NULL PRIMARY KEY CHECK (length(deployment_id) = 16),
    only_row INTEGER NOT NULL UNIQUE DEFAULT 1 CHECK (only_row = 1),
    master_key_id BLOB NOT NULL CHECK (length(master_key_id) = 8),
    generation INTEGER NOT NULL,
    check_value BLOB NOT NULL
) STRICT;

PRAGMA defer_foreign_keys = ON;
CREATE TABLE data_keys_before AS SELECT id, purpose FROM data_keys;
DROP TABLE data_keys;
CREATE TABLE data_keys (
    id INTEGER NOT NULL PRIMARY KEY,
    purpose TEXT NOT NULL CHECK (purpose IN ('VALUE', 'CURSOR')),
    wrapped BLOB NOT NULL
) STRICT;
INSERT INTO data_keys (id, purpose, wrapped)
SELECT id, CASE purpose WHEN 'CURSOR' THEN 'CURSOR' ELSE 'VALUE' END, x'00' FROM data_keys_before;
DROP TABLE data_keys_before;
