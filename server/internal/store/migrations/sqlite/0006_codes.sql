-- Authorization codes, what people allowed clients, and what OpenID Connect
-- needs to know of a client.

-- +goose Up

ALTER TABLE clients ADD COLUMN id_token_alg TEXT NOT NULL DEFAULT ''; -- '': RS256
ALTER TABLE clients ADD COLUMN skip_consent INTEGER NOT NULL DEFAULT 0;

CREATE TABLE codes (
	hash         BLOB PRIMARY KEY,
	client_id    TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
	session_id   TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
	sign_in_id   TEXT NOT NULL,
	redirect_uri TEXT NOT NULL,
	challenge    TEXT NOT NULL CHECK (challenge <> ''),
	nonce        TEXT NOT NULL,
	scope        TEXT,
	audience     TEXT NOT NULL,
	created_at   INTEGER NOT NULL,
	expires_at   INTEGER NOT NULL,
	forget_at    INTEGER NOT NULL,
	grant_id     TEXT NOT NULL -- '': not redeemed
) STRICT, WITHOUT ROWID;
CREATE INDEX codes_forget_at ON codes (forget_at);
CREATE INDEX codes_session ON codes (session_id);
CREATE INDEX codes_client ON codes (client_id);

CREATE TABLE consents (
	user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	client_id  TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
	audience   TEXT NOT NULL,
	scope      TEXT,
	created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL,
	PRIMARY KEY (user_id, client_id, audience)
) STRICT, WITHOUT ROWID;
CREATE INDEX consents_client ON consents (client_id);
