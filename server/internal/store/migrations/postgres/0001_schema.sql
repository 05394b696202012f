-- The schema of a fleet's database: that of the folder sqlite in the types of
-- PostgreSQL. Times are microseconds since 1970 in UTC, 0 meaning none; truth
-- values are 0 and 1; lists and objects are JSON in TEXT, NULL meaning none
-- given. A column whose name ends in _key holds the lower-case form of its
-- neighbour. Texts are compared by their bytes, whatever the database's
-- language: ids are cursors, and LOWER must change no more than ASCII letters.
--
-- What every refresh changes is in no index, and the pages of those tables keep
-- room, so that a new version of a row lands beside the old one.

-- +goose Up

CREATE TABLE settings (
	name  TEXT COLLATE "C" PRIMARY KEY,
	value TEXT COLLATE "C" NOT NULL
);
-- The oldest version of the schema that a program may know and yet work with
-- this one. A migration that an older program would stumble over raises it.
INSERT INTO settings (name, value) VALUES ('compatible', '1');

-- One row. Its numbers count the transactions that changed what nodes keep in
-- memory: by them a node that missed a notification knows.
CREATE TABLE fleet (
	id      BIGINT PRIMARY KEY CHECK (id = 1),
	clients BIGINT NOT NULL,
	keys    BIGINT NOT NULL
);
INSERT INTO fleet (id, clients, keys) VALUES (1, 0, 0);

CREATE TABLE users (
	id            TEXT COLLATE "C" PRIMARY KEY,
	email         TEXT COLLATE "C" NOT NULL,
	email_key     TEXT COLLATE "C" UNIQUE, -- NULL for none: two people without an address don't clash
	username      TEXT COLLATE "C" NOT NULL CHECK (POSITION('@' IN username) = 0), -- never to be taken for an address
	username_key  TEXT COLLATE "C" UNIQUE,
	name          TEXT COLLATE "C" NOT NULL,
	name_key      TEXT COLLATE "C" NOT NULL,
	verified_at   BIGINT NOT NULL,
	password_hash TEXT COLLATE "C" NOT NULL,
	must_change   BIGINT NOT NULL,
	disabled      BIGINT NOT NULL,
	claims        TEXT COLLATE "C",
	epoch         TEXT COLLATE "C" NOT NULL CHECK (epoch <> ''),
	mark          BIGINT NOT NULL,
	created_at    BIGINT NOT NULL,
	updated_at    BIGINT NOT NULL
) WITH (fillfactor = 90);

-- A role's name holds no U+001F: names are joined by it when they are read.
CREATE TABLE roles (
	id          TEXT COLLATE "C" PRIMARY KEY,
	name        TEXT COLLATE "C" NOT NULL UNIQUE CHECK (name <> '' AND POSITION(CHR(31) IN name) = 0),
	name_key    TEXT COLLATE "C" NOT NULL,
	permissions TEXT COLLATE "C",
	created_at  BIGINT NOT NULL
);

CREATE TABLE user_roles (
	user_id TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	role_id TEXT COLLATE "C" NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
	PRIMARY KEY (user_id, role_id)
);
CREATE INDEX user_roles_role ON user_roles (role_id);

CREATE TABLE orgs (
	id         TEXT COLLATE "C" PRIMARY KEY,
	slug       TEXT COLLATE "C" NOT NULL UNIQUE,
	name       TEXT COLLATE "C" NOT NULL,
	name_key   TEXT COLLATE "C" NOT NULL,
	created_at BIGINT NOT NULL
);

CREATE TABLE members (
	org_id  TEXT COLLATE "C" NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
	user_id TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	PRIMARY KEY (org_id, user_id)
);
CREATE INDEX members_user ON members (user_id);

CREATE TABLE member_roles (
	org_id  TEXT COLLATE "C" NOT NULL,
	user_id TEXT COLLATE "C" NOT NULL,
	role_id TEXT COLLATE "C" NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
	PRIMARY KEY (org_id, user_id, role_id),
	FOREIGN KEY (org_id, user_id) REFERENCES members (org_id, user_id) ON DELETE CASCADE
);
CREATE INDEX member_roles_role ON member_roles (role_id);

CREATE TABLE clients (
	id                         TEXT COLLATE "C" PRIMARY KEY,
	name                       TEXT COLLATE "C" NOT NULL,
	name_key                   TEXT COLLATE "C" NOT NULL,
	redirect_uris              TEXT COLLATE "C",
	post_logout_redirect_uris  TEXT COLLATE "C",
	grant_types                TEXT COLLATE "C",
	token_endpoint_auth_method TEXT COLLATE "C" NOT NULL,
	jwks                       TEXT COLLATE "C",
	jwks_uri                   TEXT COLLATE "C" NOT NULL,
	scope                      TEXT COLLATE "C" NOT NULL,
	audiences                  TEXT COLLATE "C",
	allowed_origins            TEXT COLLATE "C",
	backchannel_logout_uri     TEXT COLLATE "C" NOT NULL,
	claims                     TEXT COLLATE "C",
	disabled                   BIGINT NOT NULL,
	epoch                      TEXT COLLATE "C" NOT NULL CHECK (epoch <> ''),
	mark                       BIGINT NOT NULL,
	version                    BIGINT NOT NULL DEFAULT 0, -- counts changes of all but disabled, epoch and mark
	created_at                 BIGINT NOT NULL,
	updated_at                 BIGINT NOT NULL
);

CREATE TABLE client_secrets (
	id         TEXT COLLATE "C" PRIMARY KEY,
	client_id  TEXT COLLATE "C" NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
	hash       BYTEA NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL
);
CREATE INDEX client_secrets_client ON client_secrets (client_id);

CREATE TABLE apis (
	id         TEXT COLLATE "C" PRIMARY KEY,
	audience   TEXT COLLATE "C" NOT NULL UNIQUE,
	name       TEXT COLLATE "C" NOT NULL,
	name_key   TEXT COLLATE "C" NOT NULL,
	algorithm  TEXT COLLATE "C" NOT NULL,
	access_ttl BIGINT NOT NULL,  -- microseconds
	scopes     TEXT COLLATE "C",
	claims     TEXT COLLATE "C", -- NULL: all; [] is none
	renames    TEXT COLLATE "C",
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL
);

CREATE TABLE api_secrets (
	id         TEXT COLLATE "C" PRIMARY KEY,
	api_id     TEXT COLLATE "C" NOT NULL REFERENCES apis (id) ON DELETE CASCADE,
	kid        TEXT COLLATE "C" NOT NULL,
	sealed     BYTEA NOT NULL,
	created_at BIGINT NOT NULL,
	signs_from BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	UNIQUE (api_id, kid)
);

CREATE TABLE sessions (
	id              TEXT COLLATE "C" PRIMARY KEY,
	user_id         TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	cookie_hash     BYTEA UNIQUE,
	auth_time       BIGINT NOT NULL,
	amr             TEXT COLLATE "C",
	acr             TEXT COLLATE "C" NOT NULL,
	device          TEXT COLLATE "C" NOT NULL,
	address         TEXT COLLATE "C" NOT NULL,
	created_at      BIGINT NOT NULL,
	last_seen_at    BIGINT NOT NULL,
	idle_expiry     BIGINT NOT NULL,
	absolute_expiry BIGINT NOT NULL,
	ended_at        BIGINT NOT NULL,
	end_reason      TEXT COLLATE "C" NOT NULL,
	forget_at       BIGINT NOT NULL DEFAULT 0 -- when what has ended may go: its last token has expired
) WITH (fillfactor = 80);
CREATE INDEX sessions_user ON sessions (user_id, id);
CREATE INDEX sessions_absolute_expiry ON sessions (absolute_expiry);
CREATE INDEX sessions_forget_at ON sessions (forget_at) WHERE forget_at > 0;

CREATE TABLE grants (
	id              TEXT COLLATE "C" PRIMARY KEY,
	session_id      TEXT COLLATE "C" NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
	client_id       TEXT COLLATE "C" NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
	user_id         TEXT COLLATE "C" NOT NULL,
	audience        TEXT COLLATE "C" NOT NULL,
	org_id          TEXT COLLATE "C" NOT NULL,
	scope           TEXT COLLATE "C",
	mode            TEXT COLLATE "C" NOT NULL,
	handle_hash     BYTEA UNIQUE,
	confirmed_gen   BIGINT NOT NULL,
	current_gen     BIGINT NOT NULL,
	issued_at       BIGINT NOT NULL,
	recoveries      BIGINT NOT NULL,
	tag_key         BIGINT NOT NULL,
	user_epoch      TEXT COLLATE "C" NOT NULL,
	client_epoch    TEXT COLLATE "C" NOT NULL,
	idle_expiry     BIGINT NOT NULL,
	absolute_expiry BIGINT NOT NULL,
	dpop_thumbprint TEXT COLLATE "C" NOT NULL,
	status_index    BIGINT NOT NULL,
	mark            BIGINT NOT NULL,
	created_at      BIGINT NOT NULL,
	ended_at        BIGINT NOT NULL,
	end_reason      TEXT COLLATE "C" NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX grants_session ON grants (session_id);
CREATE INDEX grants_user ON grants (user_id);
CREATE INDEX grants_client ON grants (client_id);

CREATE TABLE keys (
	id              TEXT COLLATE "C" PRIMARY KEY,
	purpose         TEXT COLLATE "C" NOT NULL,
	number          BIGINT NOT NULL,
	algorithm       TEXT COLLATE "C" NOT NULL,
	state           TEXT COLLATE "C" NOT NULL,
	public          BYTEA,
	sealed          BYTEA,
	created_at      BIGINT NOT NULL,
	signs_from      BIGINT NOT NULL,
	published_until BIGINT NOT NULL,
	mark            BIGINT NOT NULL
);
-- Two nodes that start on an empty database both want to make the first key:
-- the second is refused and takes what is there.
CREATE UNIQUE INDEX keys_signing ON keys (algorithm) WHERE purpose = 'sign' AND state = 'signing';
CREATE UNIQUE INDEX keys_next ON keys (algorithm) WHERE purpose = 'sign' AND state = 'next';
CREATE UNIQUE INDEX keys_tag ON keys (number) WHERE purpose = 'tag';

-- Whoever inserts holds the fleet's lock until after the commit: the order of
-- seq is the order in which entries become visible.
CREATE TABLE log (
	id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	seq        BIGINT UNIQUE,
	kind       BIGINT NOT NULL,
	hash       BYTEA NOT NULL,
	expires_at BIGINT NOT NULL,
	created_at BIGINT NOT NULL
);
CREATE INDEX log_hash ON log (hash);
CREATE INDEX log_expires_at ON log (expires_at);

CREATE TABLE audit (
	id      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at      BIGINT NOT NULL,
	actor   TEXT COLLATE "C" NOT NULL,
	action  TEXT COLLATE "C" NOT NULL,
	target  TEXT COLLATE "C" NOT NULL,
	address TEXT COLLATE "C" NOT NULL,
	verdict TEXT COLLATE "C" NOT NULL,
	reason  TEXT COLLATE "C" NOT NULL
);
CREATE INDEX audit_action ON audit (action, id);
CREATE INDEX audit_target ON audit (target, id);

-- What a client may use but once: hashes of the jti of its assertions (RFC
-- 7523), kept until the assertion has expired. The client's row may go and come
-- back under the same id, so nothing refers to it.
CREATE TABLE used_assertions (
	client_id  TEXT COLLATE "C" NOT NULL,
	hash       BYTEA NOT NULL,
	expires_at BIGINT NOT NULL,
	PRIMARY KEY (client_id, hash)
);
CREATE INDEX used_assertions_expires_at ON used_assertions (expires_at);
