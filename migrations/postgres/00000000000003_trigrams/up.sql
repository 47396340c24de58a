-- The trigrams of a name. Those of pg_trgm are of words alone: they do not tell that no name has the `y-a` of `key-api`, and all names
-- with a `key` and an `api` are gone through. What builds indexes has another search path than the server: nothing is found by it here.
CREATE FUNCTION credential_trigrams(name text) RETURNS text[]
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$
        SELECT ARRAY(
            SELECT DISTINCT pg_catalog.substr(name, place, 3)
            FROM pg_catalog.generate_series(1, pg_catalog.length(name) - 2) AS place
        )
    $$;

DROP INDEX credential_trigrams;
CREATE INDEX credentials_by_trigram ON credentials USING gin (credential_trigrams(name_key));
