-- Endings of so many grants that their rows follow in steps, while these are under
-- way: Sweep finishes what a process that was killed has left.

-- +goose Up

CREATE TABLE endings (
	id      TEXT PRIMARY KEY, -- the session, or the epoch that the user got
	user_id TEXT NOT NULL,    -- '': a session
	reason  TEXT NOT NULL,
	mark    INTEGER NOT NULL  -- of a user: what ends has no token that lives longer
) STRICT, WITHOUT ROWID;
