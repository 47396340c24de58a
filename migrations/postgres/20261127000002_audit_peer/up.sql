-- From where something was done, and with which token: null where nobody knows, and in events of before.
ALTER TABLE audit_events ADD COLUMN actor_client text;
ALTER TABLE audit_events ADD COLUMN token_id_hash bytea;
ALTER TABLE audit_events ADD COLUMN peer text;
