ALTER TABLE audit_chains DROP COLUMN generation;
