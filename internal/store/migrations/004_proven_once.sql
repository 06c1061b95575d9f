-- serves: 3
-- A proven address is one account's. Where several had proven one, it stays with
-- the oldest; the others keep it unproven, and their owners can prove another.
-- An older program that comes too late is told of a conflict, and writes nothing.
UPDATE users SET email_verified = FALSE WHERE email_verified AND email_key <> '' AND EXISTS (
	SELECT 1 FROM users AS older WHERE older.email_key = users.email_key AND older.email_verified
	AND (older.created_at < users.created_at OR older.created_at = users.created_at AND older.subject < users.subject));

CREATE UNIQUE INDEX users_proven_email ON users (email_key) WHERE email_verified AND email_key <> '';
