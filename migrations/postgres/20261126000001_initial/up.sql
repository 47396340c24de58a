-- Times are microseconds since 1970-01-01T00:00:00Z. IDs are the 16 bytes of a UUID of version 7, so that they sort by time.
-- Text is ordered by its bytes (COLLATE "C"), as SQLite orders it.

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

-- One for each master key.
CREATE TABLE master_key_slots (
    number integer NOT NULL PRIMARY KEY CHECK (number BETWEEN 1 AND 4),
    master_key_id bytea NOT NULL UNIQUE CHECK (length(master_key_id) = 8),
    purpose text NOT NULL CHECK (purpose IN ('SERVE', 'RECOVER')),
    generation integer NOT NULL,
    added_at_us bigint NOT NULL,
    check_value bytea NOT NULL
);

CREATE TABLE data_keys (
    id integer NOT NULL PRIMARY KEY,
    purpose text NOT NULL CHECK (purpose IN ('VALUE', 'CURSOR', 'AUDIT', 'KEYRING')),
    state text NOT NULL CHECK (state IN ('PENDING', 'ACTIVE', 'RETIRING', 'DESTROYED')),
    changed_at_us bigint NOT NULL
);

-- A data key, wrapped by each master key.
CREATE TABLE data_key_copies (
    data_key_id integer NOT NULL REFERENCES data_keys (id),
    master_key_id bytea NOT NULL CHECK (length(master_key_id) = 8),
    wrapped bytea NOT NULL,
    PRIMARY KEY (data_key_id, master_key_id)
);

CREATE TABLE users (
    id bytea NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    issuer text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    name text,
    email text,
    -- The folded name to show: what users are ordered by.
    name_key text COLLATE "C" NOT NULL,
    -- Folded name, subject and email, a line each: what users are searched in.
    search_key text COLLATE "C" NOT NULL,
    created_at_us bigint NOT NULL,
    -- The `iat` claim of the token that said so, in seconds since 1970: older ones do not count.
    profile_issued_at bigint NOT NULL,
    UNIQUE (issuer, subject)
);

CREATE INDEX users_by_name ON users (name_key, id);

-- Tokens of these users that were issued up to then are refused.
CREATE TABLE removed_users (
    issuer text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    removed_at_us bigint NOT NULL,
    PRIMARY KEY (issuer, subject)
);

CREATE TABLE credentials (
    id bytea NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    name text NOT NULL,
    -- The folded name: what makes names unique, and what they are ordered by and searched in.
    name_key text COLLATE "C" NOT NULL UNIQUE,
    owner_id bytea NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    value_version integer NOT NULL CHECK (value_version >= 1),
    created_at_us bigint NOT NULL,
    updated_at_us bigint NOT NULL,
    value_updated_at_us bigint NOT NULL,
    data_key_id integer NOT NULL REFERENCES data_keys (id),
    sealed_value bytea NOT NULL
);

CREATE INDEX credentials_by_creation ON credentials (created_at_us, id);
CREATE INDEX credentials_by_update ON credentials (updated_at_us, id);
CREATE INDEX credentials_by_owner ON credentials (owner_id, name_key);
-- How many values a data key still has, and which.
CREATE INDEX credentials_by_data_key ON credentials (data_key_id, id);

-- All parts of a name that are one, two or three characters long: what the names that hold a term have. The trigrams of the extension
-- pg_trgm are of words alone: they do not tell that no name has the `y-a` of `key-api`, and all names with a `key` and an `api` are gone
-- through. What builds indexes has another search path than the server: nothing is found by it here. The cost keeps the planner from
-- calling it for every row.
CREATE FUNCTION credential_ngrams(name text) RETURNS text[]
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 10000
    AS $$
        SELECT ARRAY(
            SELECT DISTINCT pg_catalog.substr(name, place, size)
            FROM pg_catalog.generate_series(1, pg_catalog.length(name)) AS place, pg_catalog.generate_series(1, 3) AS size
        )
    $$;
CREATE INDEX credentials_by_ngram ON credentials USING gin (credential_ngrams(name_key));

-- What became of IDs that workflows may still hold. Never pruned.
CREATE TABLE deleted_credentials (
    id bytea NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    name text NOT NULL,
    deleted_at_us bigint NOT NULL
);

-- Each event is authenticated together with the one before it in its chain.
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
-- Which keyring there was: a start looks for the newest of these few.
CREATE INDEX audit_events_of_keyring ON audit_events (id) WHERE action IN ('KEYRING_CHANGED', 'LOG_PRUNED');

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
