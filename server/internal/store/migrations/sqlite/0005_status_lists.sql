-- Token Status Lists: which index a grant has, where an API asks for one. The
-- row outlives the grant's, for the grant's tokens may: an index without a
-- living grant is one that was revoked, until the last token that names it has
-- expired, and a while later another grant may have it.

-- +goose Up

CREATE TABLE statuses (
	idx         INTEGER PRIMARY KEY, -- from 1, over all lists
	grant_id    TEXT NOT NULL,
	alive_until INTEGER NOT NULL     -- no token that names it expires later
) STRICT;
CREATE INDEX statuses_alive_until ON statuses (alive_until);

ALTER TABLE apis ADD COLUMN status_list INTEGER NOT NULL DEFAULT 0;
