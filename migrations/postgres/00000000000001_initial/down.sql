DROP TABLE audit_events;
DROP TABLE deleted_credentials;
DROP TABLE credentials;
DROP TABLE removed_users;
DROP TABLE users;
DROP TABLE data_keys;
DROP TABLE keyring;
