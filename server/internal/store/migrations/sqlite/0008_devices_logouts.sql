-- Devices that wait for a person's answer (RFC 8628), applications that have to
-- be told of log-outs (OpenID Connect Back-Channel Logout), and what clients
-- register about both and about pushed requests (RFC 9126).

-- +goose Up

ALTER TABLE clients ADD COLUMN require_pushed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE clients ADD COLUMN backchannel_session INTEGER NOT NULL DEFAULT 0;

CREATE TABLE devices (
	hash          BLOB PRIMARY KEY,
	user_code     BLOB NOT NULL UNIQUE, -- a hash as well
	client_id     TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
	scope         TEXT,
	audience      TEXT NOT NULL,
	created_at    INTEGER NOT NULL,
	expires_at    INTEGER NOT NULL,
	poll_interval INTEGER NOT NULL,     -- microseconds
	polled_at     INTEGER NOT NULL,     -- 0: never
	hasty         INTEGER NOT NULL,     -- the last poll came too early
	state         TEXT NOT NULL,        -- pending, allowed, denied, redeemed
	sign_in_id    TEXT NOT NULL         -- of who allowed it: the grant of the session's sign-in
) STRICT, WITHOUT ROWID;
CREATE INDEX devices_expires_at ON devices (expires_at);
CREATE INDEX devices_client ON devices (client_id);

-- One row for each grant that has ended and whose client is yet to be told.
CREATE TABLE logouts (
	grant_id  TEXT PRIMARY KEY,
	client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
	user_id   TEXT NOT NULL,
	ended_at  INTEGER NOT NULL,
	due_at    INTEGER NOT NULL, -- nobody tries before
	attempts  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX logouts_due ON logouts (client_id, due_at);

-- Whatever ends a grant, also a program from before, comes by here. A client
-- that ended its grant itself (RFC 7009) is told nothing that it doesn't know.
-- +goose StatementBegin
CREATE TRIGGER grants_logout AFTER UPDATE OF ended_at ON grants
WHEN OLD.ended_at = 0 AND NEW.ended_at <> 0 AND NEW.end_reason <> 'revoked'
BEGIN
	INSERT INTO logouts (grant_id, client_id, user_id, ended_at, due_at, attempts)
	SELECT NEW.id, NEW.client_id, NEW.user_id, NEW.ended_at, NEW.ended_at, 0
	FROM clients WHERE id = NEW.client_id AND backchannel_logout_uri <> '' AND disabled = 0
	ON CONFLICT DO NOTHING;
END;
-- +goose StatementEnd
