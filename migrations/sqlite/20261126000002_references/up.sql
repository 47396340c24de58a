-- What uses credentials: one row for a consumer and a credential, however often it is used.
CREATE TABLE credential_references (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    -- What the consumer refers to, whether or not it still exists.
    credential_id BLOB NOT NULL CHECK (length(credential_id) = 16),
    -- The same while it exists, and null when the reference dangles.
    present_credential_id BLOB REFERENCES credentials (id) ON DELETE SET NULL,
    consumer_kind TEXT NOT NULL,
    consumer_external_id TEXT NOT NULL,
    consumer_name TEXT,
    declared_at_us INTEGER,
    first_resolved_at_us INTEGER,
    last_resolved_at_us INTEGER,
    last_resolved_version INTEGER,
    resolve_count INTEGER NOT NULL,
    UNIQUE (consumer_kind, consumer_external_id, credential_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX credential_references_by_credential ON credential_references (credential_id, id);
CREATE INDEX credential_references_by_use ON credential_references (credential_id, last_resolved_at_us);
CREATE INDEX credential_references_present ON credential_references (present_credential_id)
WHERE present_credential_id IS NOT NULL;
CREATE INDEX credential_references_dangling ON credential_references (id) WHERE present_credential_id IS NULL;
CREATE INDEX credential_references_declared ON credential_references (credential_id, id)
WHERE declared_at_us IS NOT NULL;

-- How far the audit log was read for what was resolved: later events are not counted in the references yet.
CREATE TABLE reference_progress (
    counted_through BLOB NOT NULL PRIMARY KEY CHECK (length(counted_through) = 16),
    -- Never more than one row.
    only_row INTEGER NOT NULL UNIQUE DEFAULT 1 CHECK (only_row = 1)
) STRICT;

INSERT INTO reference_progress (counted_through) VALUES (zeroblob(16));
