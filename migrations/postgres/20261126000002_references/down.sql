DROP TABLE reference_progress;
DROP TABLE credential_references;
