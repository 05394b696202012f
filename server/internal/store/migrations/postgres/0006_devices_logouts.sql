-- Devices that wait for a person's answer (RFC 8628), applications that have to
-- be told of log-outs (OpenID Connect Back-Channel Logout), and what clients
-- register about both and about pushed requests (RFC 9126).

-- +goose Up

ALTER TABLE clients ADD COLUMN require_pushed BIGINT NOT NULL DEFAULT 0;
ALTER TABLE clients ADD COLUMN backchannel_session BIGINT NOT NULL DEFAULT 0;

CREATE TABLE devices (
	hash          BYTEA PRIMARY KEY,
	user_code     BYTEA NOT NULL CONSTRAINT devices_user_code UNIQUE, -- a hash as well
	client_id     TEXT COLLATE "C" NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
	scope         TEXT COLLATE "C",
	audience      TEXT COLLATE "C" NOT NULL,
	created_at    BIGINT NOT NULL,
	expires_at    BIGINT NOT NULL,
	poll_interval BIGINT NOT NULL,           -- microseconds
	polled_at     BIGINT NOT NULL,           -- 0: never
	hasty         BIGINT NOT NULL,           -- the last poll came too early
	state         TEXT COLLATE "C" NOT NULL, -- pending, allowed, denied, redeemed
	sign_in_id    TEXT COLLATE "C" NOT NULL  -- of who allowed it: the grant of the session's sign-in
);
CREATE INDEX devices_expires_at ON devices (expires_at);
CREATE INDEX devices_client ON devices (client_id);

-- One row for each grant that has ended and whose client is yet to be told.
CREATE TABLE logouts (
	grant_id  TEXT COLLATE "C" PRIMARY KEY,
	client_id TEXT COLLATE "C" NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
	user_id   TEXT COLLATE "C" NOT NULL,
	ended_at  BIGINT NOT NULL,
	due_at    BIGINT NOT NULL, -- nobody tries before
	attempts  BIGINT NOT NULL
);
CREATE INDEX logouts_due ON logouts (client_id, due_at);

-- Whatever ends a grant, also a program from before, comes by here. A client
-- that ended its grant itself (RFC 7009) is told nothing that it doesn't know.
-- +goose StatementBegin
CREATE FUNCTION grants_logout() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO logouts (grant_id, client_id, user_id, ended_at, due_at, attempts)
	SELECT NEW.id, NEW.client_id, NEW.user_id, NEW.ended_at, NEW.ended_at, 0
	FROM clients WHERE id = NEW.client_id AND backchannel_logout_uri <> '' AND disabled = 0
	ON CONFLICT DO NOTHING;
	RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER grants_logout AFTER UPDATE OF ended_at ON grants FOR EACH ROW
WHEN (OLD.ended_at = 0 AND NEW.ended_at <> 0 AND NEW.end_reason <> 'revoked')
EXECUTE FUNCTION grants_logout();
