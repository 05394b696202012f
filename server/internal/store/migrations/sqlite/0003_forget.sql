-- Sessions that have ended leave when the last of their tokens has expired,
-- not only at the end that was planned for them. And from here on a program
-- works with a newer schema as far as that one allows it.

-- +goose Up

ALTER TABLE sessions ADD COLUMN forget_at INTEGER NOT NULL DEFAULT 0;
CREATE INDEX sessions_forget_at ON sessions (forget_at) WHERE forget_at > 0;

-- The oldest version of the schema that a program may know and yet work with
-- this one. A migration that an older program would stumble over raises it.
INSERT INTO settings (name, value) VALUES ('compatible', '3');
