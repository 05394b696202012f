-- Token Status Lists: which index a grant has, where an API asks for one. The
-- row outlives the grant's, for the grant's tokens may: an index without a
-- living grant is one that was revoked, until the last token that names it has
-- expired, and a while later another grant may have it.

-- +goose Up

CREATE TABLE statuses (
	idx         BIGINT PRIMARY KEY, -- from 1, over all lists
	grant_id    TEXT COLLATE "C" NOT NULL,
	alive_until BIGINT NOT NULL     -- no token that names it expires later
);
CREATE INDEX statuses_alive_until ON statuses (alive_until);

ALTER TABLE apis ADD COLUMN status_list BIGINT NOT NULL DEFAULT 0;
