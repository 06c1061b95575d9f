-- memberships is a JSON object: who says it ("" the operator, else a
-- connector) with the names of the groups. two_step asks for a second factor
-- after a password. locked is the owner's own: only a way back undoes it.
ALTER TABLE users ADD COLUMN memberships TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN two_step BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE users ADD COLUMN locked BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE users ADD COLUMN must_change BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE users ADD COLUMN picture_id TEXT NOT NULL DEFAULT '';

-- proven_at is when a factor was last proven in the session, and way how it
-- began. upstream is sealed: what another provider wants to hear at its logout;
-- the two keys find the sessions that such a provider ends, by its sid and by its
-- sub.
ALTER TABLE sessions ADD COLUMN proven_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN way TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN upstream BYTEA;
ALTER TABLE sessions ADD COLUMN upstream_sid TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN upstream_sub TEXT NOT NULL DEFAULT '';

CREATE INDEX sessions_upstream_sid ON sessions (upstream_sid) WHERE upstream_sid <> '';

CREATE INDEX sessions_upstream_sub ON sessions (upstream_sub) WHERE upstream_sub <> '';

-- A credential is one person's, whoever brings it: WebAuthn §7.1.
CREATE TABLE passkeys (
	id           BYTEA PRIMARY KEY,
	subject      TEXT NOT NULL,
	name         TEXT NOT NULL,
	credential   BYTEA NOT NULL,
	sign_count   BIGINT NOT NULL,
	created_at   BIGINT NOT NULL,
	used_at      BIGINT NOT NULL,
	used_agent   TEXT NOT NULL,
	used_address TEXT NOT NULL
);

CREATE INDEX passkeys_subject ON passkeys (subject);

-- last_step only grows, so that a code works once: RFC 6238 §5.2.
CREATE TABLE totps (
	id         TEXT PRIMARY KEY,
	subject    TEXT NOT NULL,
	name       TEXT NOT NULL,
	sealed     BYTEA NOT NULL,
	last_step  BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	used_at    BIGINT NOT NULL
);

CREATE INDEX totps_subject ON totps (subject);

CREATE TABLE recovery_codes (
	subject TEXT NOT NULL,
	hash    BYTEA NOT NULL,
	used_at BIGINT NOT NULL,
	PRIMARY KEY (subject, hash)
);

-- Who somebody is at another provider. An email address is never the key.
CREATE TABLE identities (
	issuer           TEXT NOT NULL,
	upstream_subject TEXT NOT NULL,
	subject          TEXT NOT NULL,
	connector        TEXT NOT NULL,
	label            TEXT NOT NULL,
	created_at       BIGINT NOT NULL,
	used_at          BIGINT NOT NULL,
	PRIMARY KEY (issuer, upstream_subject)
);

CREATE INDEX identities_subject ON identities (subject);

-- Browsers in which somebody has signed in; until trusted_until no second
-- factor is asked there.
CREATE TABLE browsers (
	subject       TEXT NOT NULL,
	hash          BYTEA NOT NULL,
	first_at      BIGINT NOT NULL,
	seen_at       BIGINT NOT NULL,
	trusted_until BIGINT NOT NULL,
	agent         TEXT NOT NULL,
	address       TEXT NOT NULL,
	PRIMARY KEY (subject, hash)
);

CREATE INDEX browsers_seen ON browsers (seen_at);

-- What was sent by mail and works once: of one kind and owner the newest only.
CREATE TABLE links (
	hash       BYTEA PRIMARY KEY,
	kind       TEXT NOT NULL,
	owner      TEXT NOT NULL,
	code_hash  BYTEA,
	tries      BIGINT NOT NULL,
	content    BYTEA NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	UNIQUE (kind, owner)
);

CREATE INDEX links_expiry ON links (expires_at);

-- The groups whose members may let an app have a scope, JSON; "" is everybody.
ALTER TABLE scopes ADD COLUMN members TEXT NOT NULL DEFAULT '';

-- Letters that wait to be sent, sealed.
CREATE TABLE mails (
	id         TEXT PRIMARY KEY,
	sealed     BYTEA NOT NULL,
	tries      BIGINT NOT NULL,
	due_at     BIGINT NOT NULL,
	expires_at BIGINT NOT NULL
);

CREATE INDEX mails_due ON mails (due_at);

CREATE TABLE pictures (
	id         TEXT PRIMARY KEY,
	subject    TEXT NOT NULL UNIQUE,
	png        BYTEA NOT NULL,
	created_at BIGINT NOT NULL
);

-- What happened to an account, for its owner.
CREATE TABLE activities (
	id      TEXT PRIMARY KEY,
	subject TEXT NOT NULL,
	kind    TEXT NOT NULL,
	at      BIGINT NOT NULL,
	detail  TEXT NOT NULL,
	agent   TEXT NOT NULL,
	address TEXT NOT NULL
);

CREATE INDEX activities_subject ON activities (subject, id);

CREATE INDEX activities_at ON activities (at);
