-- Who registered a client, with what it may change itself, and its secret
-- where that is a key (sealed). last_used is 0 until the first time.
ALTER TABLE clients ADD COLUMN source TEXT NOT NULL DEFAULT '';
ALTER TABLE clients ADD COLUMN token_hash BYTEA;
ALTER TABLE clients ADD COLUMN secret_key TEXT NOT NULL DEFAULT '';
ALTER TABLE clients ADD COLUMN last_used BIGINT NOT NULL DEFAULT 0;

-- They are counted at each registration, make room for others, and are swept.
CREATE INDEX clients_unused ON clients (created_at) WHERE source = 'registered' AND last_used = 0;

-- With a client's logo go those that it had.
CREATE INDEX logos_client ON logos (client_id);

-- One (kind, owner, id) is used once, whatever time it names. What was used
-- before is dropped with the table: no kind was in use.
DROP TABLE used;

CREATE TABLE used (
	kind  TEXT NOT NULL,
	hash  BYTEA NOT NULL,
	until BIGINT NOT NULL,
	PRIMARY KEY (kind, hash)
);

CREATE INDEX used_until ON used (until);

CREATE TABLE pushed (
	handle     TEXT PRIMARY KEY,
	client_id  TEXT NOT NULL,
	address    TEXT NOT NULL,
	content    BYTEA NOT NULL,
	expires_at BIGINT NOT NULL,
	keep_until BIGINT NOT NULL,
	spent      BOOLEAN NOT NULL
);

CREATE INDEX pushed_client ON pushed (client_id, expires_at);

CREATE INDEX pushed_address ON pushed (client_id, address, expires_at);

CREATE INDEX pushed_keep ON pushed (keep_until);

-- Codes are kept as hashes; strangers make the rows, so they are counted.
-- too_soon tells of the latest poll.
CREATE TABLE devices (
	device_hash BYTEA PRIMARY KEY,
	user_hash   BYTEA NOT NULL UNIQUE,
	client_id   TEXT NOT NULL,
	address     TEXT NOT NULL,
	content     BYTEA NOT NULL,
	poll_every  BIGINT NOT NULL,
	polled_at   BIGINT NOT NULL,
	too_soon    BOOLEAN NOT NULL,
	created_at  BIGINT NOT NULL,
	expires_at  BIGINT NOT NULL,
	decision    TEXT NOT NULL,
	granted     BYTEA
);

CREATE INDEX devices_client ON devices (client_id, expires_at);

CREATE INDEX devices_address ON devices (address, expires_at);

CREATE INDEX devices_expiry ON devices (expires_at);

CREATE TABLE initial_tokens (
	id         TEXT PRIMARY KEY,
	hash       BYTEA NOT NULL UNIQUE,
	note       TEXT NOT NULL,
	uses_left  BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL
);

-- Apps that must be told of an ended session.
CREATE TABLE logouts (
	id         TEXT PRIMARY KEY,
	client_id  TEXT NOT NULL,
	subject    TEXT NOT NULL,
	session_id TEXT NOT NULL,
	tries      BIGINT NOT NULL,
	due_at     BIGINT NOT NULL,
	expires_at BIGINT NOT NULL
);

CREATE INDEX logouts_due ON logouts (due_at);

CREATE INDEX logouts_expiry ON logouts (expires_at);

-- Where a session was used, once the authorization that said so is swept.
CREATE TABLE session_clients (
	session_id TEXT NOT NULL,
	client_id  TEXT NOT NULL,
	PRIMARY KEY (session_id, client_id)
);

-- The revocation feed: what ended before its time. kind says what name names:
-- an authorization (that ended, or was narrowed) or a client, or of a subject a
-- session, the client of a consent, or nothing, which is all of the user's.
-- What is of a subject is spelled out into authorizations when the feed is
-- read. Single tokens are in the table revoked.
CREATE TABLE revocations (
	at      BIGINT NOT NULL,
	kind    TEXT NOT NULL,
	subject TEXT NOT NULL,
	name    TEXT NOT NULL,
	PRIMARY KEY (at, kind, subject, name)
);

CREATE INDEX revoked_feed ON revoked (revoked_at);
