-- When the person signed in that a grant was begun for: its tokens say so for as
-- long as it lives, also after the person has signed in to the session again.

-- +goose Up

ALTER TABLE grants ADD COLUMN auth_time BIGINT NOT NULL DEFAULT 0; -- 0: that of the session
