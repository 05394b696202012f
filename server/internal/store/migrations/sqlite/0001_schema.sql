-- The first schema. Times are microseconds since 1970 in UTC, 0 meaning none;
-- truth values are 0 and 1; lists and objects are JSON in TEXT, NULL meaning
-- none given; hashes and sealed parts are bytes. A column whose name ends in
-- _key holds the lower-case form of its neighbour, for finding and uniqueness
-- without regard to case.

-- +goose Up

-- 'WRIT': by this a file is known to be ours before anything is written to it.
PRAGMA application_id = 1465010516;

CREATE TABLE settings (
	name  TEXT PRIMARY KEY,
	value TEXT NOT NULL
) STRICT;

CREATE TABLE users (
	id            TEXT PRIMARY KEY,
	email         TEXT NOT NULL,
	email_key     TEXT UNIQUE, -- NULL for none: two people without an address don't clash
	username      TEXT NOT NULL CHECK (instr(username, '@') = 0), -- never to be taken for an address
	username_key  TEXT UNIQUE,
	name          TEXT NOT NULL,
	name_key      TEXT NOT NULL,
	verified_at   INTEGER NOT NULL,
	password_hash TEXT NOT NULL,
	must_change   INTEGER NOT NULL,
	disabled      INTEGER NOT NULL,
	claims        TEXT,
	epoch         TEXT NOT NULL CHECK (epoch <> ''),
	mark          INTEGER NOT NULL,
	created_at    INTEGER NOT NULL,
	updated_at    INTEGER NOT NULL
) STRICT;

-- A role's name holds no U+001F: names are joined by it when they are read.
CREATE TABLE roles (
	id          TEXT PRIMARY KEY,
	name        TEXT NOT NULL UNIQUE CHECK (name <> '' AND instr(name, char(31)) = 0),
	name_key    TEXT NOT NULL,
	permissions TEXT,
	created_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE user_roles (
	user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	role_id TEXT NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
	PRIMARY KEY (user_id, role_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX user_roles_role ON user_roles (role_id);

CREATE TABLE orgs (
	id         TEXT PRIMARY KEY,
	slug       TEXT NOT NULL UNIQUE,
	name       TEXT NOT NULL,
	name_key   TEXT NOT NULL,
	created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE members (
	org_id  TEXT NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
	user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	PRIMARY KEY (org_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_user ON members (user_id);

CREATE TABLE member_roles (
	org_id  TEXT NOT NULL,
	user_id TEXT NOT NULL,
	role_id TEXT NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
	PRIMARY KEY (org_id, user_id, role_id),
	FOREIGN KEY (org_id, user_id) REFERENCES members (org_id, user_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX member_roles_role ON member_roles (role_id);

CREATE TABLE clients (
	id                         TEXT PRIMARY KEY,
	name                       TEXT NOT NULL,
	name_key                   TEXT NOT NULL,
	redirect_uris              TEXT,
	post_logout_redirect_uris  TEXT,
	grant_types                TEXT,
	token_endpoint_auth_method TEXT NOT NULL,
	jwks                       TEXT,
	jwks_uri                   TEXT NOT NULL,
	scope                      TEXT NOT NULL,
	audiences                  TEXT,
	allowed_origins            TEXT,
	backchannel_logout_uri     TEXT NOT NULL,
	claims                     TEXT,
	disabled                   INTEGER NOT NULL,
	epoch                      TEXT NOT NULL CHECK (epoch <> ''),
	mark                       INTEGER NOT NULL,
	version                    INTEGER NOT NULL DEFAULT 0, -- counts changes of all but disabled, epoch and mark
	created_at                 INTEGER NOT NULL,
	updated_at                 INTEGER NOT NULL
) STRICT;

CREATE TABLE client_secrets (
	id         TEXT PRIMARY KEY,
	client_id  TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
	hash       BLOB NOT NULL,
	created_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX client_secrets_client ON client_secrets (client_id);

CREATE TABLE apis (
	id         TEXT PRIMARY KEY,
	audience   TEXT NOT NULL UNIQUE,
	name       TEXT NOT NULL,
	name_key   TEXT NOT NULL,
	algorithm  TEXT NOT NULL,
	access_ttl INTEGER NOT NULL, -- microseconds
	scopes     TEXT,
	claims     TEXT,             -- NULL: all; [] is none
	renames    TEXT,
	created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE api_secrets (
	id         TEXT PRIMARY KEY,
	api_id     TEXT NOT NULL REFERENCES apis (id) ON DELETE CASCADE,
	kid        TEXT NOT NULL,
	sealed     BLOB NOT NULL,
	created_at INTEGER NOT NULL,
	signs_from INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	UNIQUE (api_id, kid)
) STRICT;

CREATE TABLE sessions (
	id              TEXT PRIMARY KEY,
	user_id         TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	cookie_hash     BLOB UNIQUE,
	auth_time       INTEGER NOT NULL,
	amr             TEXT,
	acr             TEXT NOT NULL,
	device          TEXT NOT NULL,
	address         TEXT NOT NULL,
	created_at      INTEGER NOT NULL,
	last_seen_at    INTEGER NOT NULL,
	idle_expiry     INTEGER NOT NULL,
	absolute_expiry INTEGER NOT NULL,
	ended_at        INTEGER NOT NULL,
	end_reason      TEXT NOT NULL
) STRICT;
CREATE INDEX sessions_user ON sessions (user_id, id);
CREATE INDEX sessions_absolute_expiry ON sessions (absolute_expiry);

CREATE TABLE grants (
	id              TEXT PRIMARY KEY,
	session_id      TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
	client_id       TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
	user_id         TEXT NOT NULL,
	audience        TEXT NOT NULL,
	org_id          TEXT NOT NULL,
	scope           TEXT,
	mode            TEXT NOT NULL,
	handle_hash     BLOB UNIQUE,
	confirmed_gen   INTEGER NOT NULL,
	current_gen     INTEGER NOT NULL,
	issued_at       INTEGER NOT NULL,
	recoveries      INTEGER NOT NULL,
	tag_key         INTEGER NOT NULL,
	user_epoch      TEXT NOT NULL,
	client_epoch    TEXT NOT NULL,
	idle_expiry     INTEGER NOT NULL,
	absolute_expiry INTEGER NOT NULL,
	dpop_thumbprint TEXT NOT NULL,
	status_index    INTEGER NOT NULL,
	mark            INTEGER NOT NULL,
	created_at      INTEGER NOT NULL,
	ended_at        INTEGER NOT NULL,
	end_reason      TEXT NOT NULL
) STRICT;
CREATE INDEX grants_session ON grants (session_id);
CREATE INDEX grants_user ON grants (user_id);
CREATE INDEX grants_client ON grants (client_id);

CREATE TABLE keys (
	id              TEXT PRIMARY KEY,
	purpose         TEXT NOT NULL,
	number          INTEGER NOT NULL,
	algorithm       TEXT NOT NULL,
	state           TEXT NOT NULL,
	public          BLOB,
	sealed          BLOB,
	created_at      INTEGER NOT NULL,
	signs_from      INTEGER NOT NULL,
	published_until INTEGER NOT NULL,
	mark            INTEGER NOT NULL
) STRICT;
-- Two processes that start on an empty database both want to make the first
-- key: the second is refused and takes what is there.
CREATE UNIQUE INDEX keys_signing ON keys (algorithm) WHERE purpose = 'sign' AND state = 'signing';
CREATE UNIQUE INDEX keys_next ON keys (algorithm) WHERE purpose = 'sign' AND state = 'next';
CREATE UNIQUE INDEX keys_tag ON keys (number) WHERE purpose = 'tag';

-- id is the order of insertion, seq the number under which an entry is
-- published: one process numbers as it inserts, several need a publisher
-- (seq is NULL until it came by), and readers only ever look at seq. The
-- log's id is the setting log_id.
CREATE TABLE log (
	id         INTEGER PRIMARY KEY AUTOINCREMENT,
	seq        INTEGER UNIQUE,
	kind       INTEGER NOT NULL,
	hash       BLOB NOT NULL,
	expires_at INTEGER NOT NULL,
	created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX log_hash ON log (hash);
CREATE INDEX log_expires_at ON log (expires_at);

CREATE TABLE audit (
	id      INTEGER PRIMARY KEY AUTOINCREMENT,
	at      INTEGER NOT NULL,
	actor   TEXT NOT NULL,
	action  TEXT NOT NULL,
	target  TEXT NOT NULL,
	address TEXT NOT NULL,
	verdict TEXT NOT NULL,
	reason  TEXT NOT NULL
) STRICT;
CREATE INDEX audit_action ON audit (action, id);
CREATE INDEX audit_target ON audit (target, id);
