DROP INDEX credentials_by_trigram;
DROP FUNCTION credential_trigrams(text);
CREATE INDEX credential_trigrams ON credentials USING gin (name_key gin_trgm_ops);
