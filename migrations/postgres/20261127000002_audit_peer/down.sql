-- Events that say more than those of before do not verify without it.
ALTER TABLE audit_events DROP COLUMN peer;
ALTER TABLE audit_events DROP COLUMN token_id_hash;
ALTER TABLE audit_events DROP COLUMN actor_client;
