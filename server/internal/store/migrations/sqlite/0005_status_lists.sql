-- Token Status Lists: which places are taken, where an API asks for one. The
-- row outlives the grant's, for the grant's tokens may; a while after the last of
-- them has expired another grant may have the place. What ends grants sets
-- revoked. Of a client, whose grants' rows stay as they are then, the epoch tells.

-- +goose Up

CREATE TABLE statuses (
	idx          INTEGER PRIMARY KEY, -- from 1, over all lists
	client_id    TEXT NOT NULL,
	client_epoch TEXT NOT NULL,
	revoked      INTEGER NOT NULL,
	alive_until  INTEGER NOT NULL     -- no token that names it expires later
) STRICT;
CREATE INDEX statuses_alive_until ON statuses (alive_until);

ALTER TABLE apis ADD COLUMN status_list INTEGER NOT NULL DEFAULT 0;
