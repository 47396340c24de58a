-- From where something was done, and with which token: null where nobody knows, and in events of before.
ALTER TABLE audit_events ADD COLUMN actor_client TEXT;
ALTER TABLE audit_events ADD COLUMN token_id_hash BLOB;
ALTER TABLE audit_events ADD COLUMN peer TEXT;
