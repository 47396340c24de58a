-- Each event is authenticated together with the one before it. Events that were written before this have nothing to show for themselves:
-- a database that holds any is refused at the start.
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
