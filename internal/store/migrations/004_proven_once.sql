-- serves: 3
-- A proven address is one account's. Where several had proven one, it stays with
-- the oldest that is in use; the others keep it unproven, and their owners can
-- prove another.
-- An older program that comes too late is told of a conflict, and writes nothing.
UPDATE users SET email_verified = FALSE WHERE email_verified AND email_key <> '' AND EXISTS (
	SELECT 1 FROM users AS older WHERE older.email_key = users.email_key AND older.email_verified
	AND (CASE WHEN older.disabled OR older.locked THEN 1 ELSE 0 END, older.created_at, older.subject)
		< (CASE WHEN users.disabled OR users.locked THEN 1 ELSE 0 END, users.created_at, users.subject));

CREATE UNIQUE INDEX users_proven_email ON users (email_key) WHERE email_verified AND email_key <> '';
