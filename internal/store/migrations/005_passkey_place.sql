-- serves: 3
-- place tells passkeys that one person made within one second apart.
ALTER TABLE passkeys ADD COLUMN place BIGINT NOT NULL DEFAULT 0;
