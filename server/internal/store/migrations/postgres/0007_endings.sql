-- Endings of so many grants that their rows follow in steps, while these are under
-- way: Sweep finishes what a process that was killed has left.

-- +goose Up

CREATE TABLE endings (
	id      TEXT COLLATE "C" PRIMARY KEY, -- the session, or the epoch that the user got
	user_id TEXT COLLATE "C" NOT NULL,    -- '': a session
	reason  TEXT COLLATE "C" NOT NULL,
	mark    BIGINT NOT NULL               -- of a user: what ends has no token that lives longer
);
