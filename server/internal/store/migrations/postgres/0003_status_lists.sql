-- Token Status Lists: which places are taken, where an API asks for one. The
-- row outlives the grant's, for the grant's tokens may; a while after the last of
-- them has expired another grant may have the place. What ends grants sets
-- revoked. Of a client, whose grants' rows stay as they are then, the epoch tells.

-- +goose Up

CREATE TABLE statuses (
	idx          BIGINT PRIMARY KEY, -- from 1, over all lists
	client_id    TEXT COLLATE "C" NOT NULL,
	client_epoch TEXT COLLATE "C" NOT NULL,
	revoked      BIGINT NOT NULL,
	alive_until  BIGINT NOT NULL     -- no token that names it expires later
);
CREATE INDEX statuses_alive_until ON statuses (alive_until);

ALTER TABLE apis ADD COLUMN status_list BIGINT NOT NULL DEFAULT 0;
