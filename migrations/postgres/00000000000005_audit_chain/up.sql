-- Each event is authenticated together with the one before it. Events that were written before this have nothing to show for themselves:
-- a database that holds any is refused at the start.
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
    request_id text NOT NULL,
    -- Who owns the credential, as it is after what was done.
    owner_id bytea,
    -- Why something was refused, or what was changed of the keyring or the log.
    reason text,
    -- How often it happened: more than once where refusals are counted together.
    times integer NOT NULL,
    -- Where all chains ended, for an anchor.
    heads bytea,
    chain integer NOT NULL,
    chain_sequence bigint NOT NULL,
    -- Authenticates all of the above, and the event before it in the chain.
    mac bytea NOT NULL
);

CREATE INDEX audit_events_by_credential ON audit_events (credential_id, id) WHERE credential_id IS NOT NULL;
CREATE INDEX audit_events_by_actor ON audit_events (actor_subject, id);
CREATE UNIQUE INDEX audit_events_by_chain ON audit_events (chain, chain_sequence);

-- Where each chain ends. Changed with each transaction that adds to it.
CREATE TABLE audit_chains (
    chain integer NOT NULL PRIMARY KEY,
    chain_sequence bigint NOT NULL,
    mac bytea NOT NULL,
    -- Authenticates the end: that of an earlier one cannot be made from what the events hold.
    tag bytea NOT NULL
);

-- Up to where each chain was pruned.
CREATE TABLE audit_checkpoints (
    chain integer NOT NULL PRIMARY KEY,
    chain_sequence bigint NOT NULL,
    mac bytea NOT NULL,
    tag bytea NOT NULL
);
