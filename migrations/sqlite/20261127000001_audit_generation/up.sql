-- The generation of the keyring when the end was written: authenticated with it. 0 for ends of before.
ALTER TABLE audit_chains ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
