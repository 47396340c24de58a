DROP TABLE audit_checkpoints;
DROP TABLE audit_chains;
DROP TABLE audit_events;

CREATE TABLE audit_events (
    id bytea NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    occurred_at_us bigint NOT NULL,
    action text NOT NULL,
    actor_issuer text NOT NULL,
    actor_subject text COLLATE "C" NOT NULL,
    credential_id bytea,
    credential_name text,
    value_version integer,
    -- Who was removed, or who owns the credential from then on.
    user_id bytea,
    user_subject text,
    consumer_kind text,
    consumer_external_id text,
    consumer_name text,
    request_id text NOT NULL
);

CREATE INDEX audit_events_by_credential ON audit_events (credential_id, id) WHERE credential_id IS NOT NULL;
CREATE INDEX audit_events_by_actor ON audit_events (actor_subject, id);
