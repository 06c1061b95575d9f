-- Times are Unix seconds, 0 for never. Ids are 26 characters in the order of
-- their time. Lists of names are joined by a space.

CREATE TABLE settings (
	name   TEXT PRIMARY KEY,
	value  TEXT NOT NULL,
	number BIGINT NOT NULL
);

INSERT INTO settings (name, value, number) VALUES ('version', '', 1);

CREATE TABLE users (
	subject        TEXT PRIMARY KEY,
	username       TEXT NOT NULL,
	username_key   TEXT NOT NULL UNIQUE,
	email          TEXT NOT NULL,
	email_key      TEXT NOT NULL,
	email_verified BOOLEAN NOT NULL,
	name           TEXT NOT NULL,
	claims         TEXT NOT NULL,
	password       TEXT NOT NULL,
	admin          BOOLEAN NOT NULL,
	disabled       BOOLEAN NOT NULL,
	external       BOOLEAN NOT NULL,
	epoch          BIGINT NOT NULL,
	created_at     BIGINT NOT NULL,
	updated_at     BIGINT NOT NULL
);

CREATE INDEX users_email ON users (email_key);

CREATE TABLE sessions (
	id          TEXT PRIMARY KEY,
	subject     TEXT NOT NULL,
	user_epoch  BIGINT NOT NULL,
	logins      BIGINT NOT NULL,
	auth_time   BIGINT NOT NULL,
	acr         TEXT NOT NULL,
	amr         TEXT NOT NULL,
	secret_hash BYTEA,
	created_at  BIGINT NOT NULL,
	seen_at     BIGINT NOT NULL,
	expires_at  BIGINT NOT NULL,
	ended_at    BIGINT NOT NULL,
	user_agent  TEXT NOT NULL,
	address     TEXT NOT NULL
);

CREATE INDEX sessions_subject ON sessions (subject);

CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE clients (
	id          TEXT PRIMARY KEY,
	owner       TEXT NOT NULL,
	metadata    TEXT NOT NULL,
	secret_hash BYTEA,
	secret_phc  TEXT NOT NULL,
	first_party BOOLEAN NOT NULL,
	verified    BOOLEAN NOT NULL,
	disabled    BOOLEAN NOT NULL,
	epoch       BIGINT NOT NULL,
	logo_id     TEXT NOT NULL,
	created_at  BIGINT NOT NULL,
	updated_at  BIGINT NOT NULL
);

CREATE INDEX clients_owner ON clients (owner);

-- An id that was deleted is never given out again.
CREATE TABLE deleted_clients (
	id         TEXT PRIMARY KEY,
	deleted_at BIGINT NOT NULL
);

CREATE TABLE consents (
	subject    TEXT NOT NULL,
	client_id  TEXT NOT NULL,
	scopes     TEXT NOT NULL,
	declined   TEXT NOT NULL,
	session_id TEXT NOT NULL,
	epoch      BIGINT NOT NULL,
	granted_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	last_used  BIGINT NOT NULL,
	PRIMARY KEY (subject, client_id)
);

CREATE INDEX consents_client ON consents (client_id);

-- The hot table: one secondary index, no more. Sweeping walks the primary key.
CREATE TABLE authorizations (
	id            TEXT PRIMARY KEY,
	client_id     TEXT NOT NULL,
	subject       TEXT NOT NULL,
	session_id    TEXT NOT NULL,
	scopes        TEXT NOT NULL,
	resources     TEXT NOT NULL,
	claims        TEXT NOT NULL,
	auth_time     BIGINT NOT NULL,
	acr           TEXT NOT NULL,
	amr           TEXT NOT NULL,
	offline       BOOLEAN NOT NULL,
	user_epoch    BIGINT NOT NULL,
	client_epoch  BIGINT NOT NULL,
	consent_epoch BIGINT NOT NULL,
	created_at    BIGINT NOT NULL,
	expires_at    BIGINT NOT NULL,
	seed_hash     BYTEA,
	generation    BIGINT NOT NULL,
	rotated_at    BIGINT NOT NULL,
	refresh_until BIGINT NOT NULL,
	ended_at      BIGINT NOT NULL,
	end_reason    TEXT NOT NULL
);

CREATE INDEX authorizations_pair ON authorizations (subject, client_id);

CREATE TABLE revoked (
	token_id   TEXT PRIMARY KEY,
	until      BIGINT NOT NULL,
	revoked_at BIGINT NOT NULL
);

CREATE INDEX revoked_until ON revoked (until);

-- Rows lie in the order in which they are swept.
CREATE TABLE used (
	until BIGINT NOT NULL,
	kind  TEXT NOT NULL,
	hash  BYTEA NOT NULL,
	PRIMARY KEY (until, kind, hash)
);

CREATE TABLE parked (
	handle  TEXT PRIMARY KEY,
	content BYTEA NOT NULL,
	until   BIGINT NOT NULL
);

CREATE INDEX parked_until ON parked (until);

CREATE TABLE logos (
	id         TEXT PRIMARY KEY,
	client_id  TEXT NOT NULL,
	png        BYTEA NOT NULL,
	created_at BIGINT NOT NULL
);

CREATE TABLE scopes (
	name        TEXT PRIMARY KEY,
	title       TEXT NOT NULL,
	description TEXT NOT NULL,
	optional    BOOLEAN NOT NULL,
	restricted  BOOLEAN NOT NULL,
	resource    TEXT NOT NULL
);

CREATE TABLE resources (
	url       TEXT PRIMARY KEY,
	name      TEXT NOT NULL,
	client_id TEXT NOT NULL
);

-- What went wrong for an app, for its owner; strangers cause the rows and
-- write the sent column.
CREATE TABLE problems (
	client_id   TEXT NOT NULL,
	key         TEXT NOT NULL,
	error       TEXT NOT NULL,
	description TEXT NOT NULL,
	parameter   TEXT NOT NULL,
	sent        TEXT NOT NULL,
	expected    TEXT NOT NULL,
	count       BIGINT NOT NULL,
	first_at    BIGINT NOT NULL,
	last_at     BIGINT NOT NULL,
	request_id  TEXT NOT NULL,
	PRIMARY KEY (client_id, key)
);

-- A key has one successor, whichever node makes it.
CREATE TABLE signing_keys (
	kid          TEXT PRIMARY KEY,
	alg          TEXT NOT NULL,
	replaces     TEXT NOT NULL,
	sealed       BYTEA NOT NULL,
	published_at BIGINT NOT NULL,
	signs_at     BIGINT NOT NULL,
	retires_at   BIGINT NOT NULL,
	removed_at   BIGINT NOT NULL,
	UNIQUE (alg, replaces)
);
