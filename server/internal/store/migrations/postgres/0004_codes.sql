-- Authorization codes, what people allowed clients, and what OpenID Connect
-- needs to know of a client.

-- +goose Up

ALTER TABLE clients ADD COLUMN id_token_alg TEXT COLLATE "C" NOT NULL DEFAULT ''; -- '': RS256
ALTER TABLE clients ADD COLUMN skip_consent BIGINT NOT NULL DEFAULT 0;

CREATE TABLE codes (
	hash         BYTEA PRIMARY KEY,
	client_id    TEXT COLLATE "C" NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
	session_id   TEXT COLLATE "C" NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
	sign_in_id   TEXT COLLATE "C" NOT NULL,
	redirect_uri TEXT COLLATE "C" NOT NULL,
	challenge    TEXT COLLATE "C" NOT NULL CHECK (challenge <> ''),
	nonce        TEXT COLLATE "C" NOT NULL,
	scope        TEXT COLLATE "C",
	audience     TEXT COLLATE "C" NOT NULL,
	created_at   BIGINT NOT NULL,
	expires_at   BIGINT NOT NULL,
	forget_at    BIGINT NOT NULL,
	grant_id     TEXT COLLATE "C" NOT NULL -- '': not redeemed
);
CREATE INDEX codes_forget_at ON codes (forget_at);
CREATE INDEX codes_session ON codes (session_id);
CREATE INDEX codes_client ON codes (client_id);

CREATE TABLE consents (
	user_id    TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	client_id  TEXT COLLATE "C" NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
	audience   TEXT COLLATE "C" NOT NULL,
	scope      TEXT COLLATE "C",
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	PRIMARY KEY (user_id, client_id, audience)
);
CREATE INDEX consents_client ON consents (client_id);
