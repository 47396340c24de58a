DROP TABLE audit_events;
DROP TABLE deleted_credentials;
DROP TABLE credentials;
DROP FUNCTION credential_ngrams(text);
DROP TABLE removed_users;
DROP TABLE users;
DROP TABLE data_keys;
DROP TABLE keyring;
