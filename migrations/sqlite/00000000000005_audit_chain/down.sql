DROP TABLE audit_checkpoints;
DROP TABLE audit_chains;
DROP TABLE audit_events;

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
    request_id TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX audit_events_by_credential ON audit_events (credential_id, id) WHERE credential_id IS NOT NULL;
CREATE INDEX audit_events_by_actor ON audit_events (actor_subject, id);
