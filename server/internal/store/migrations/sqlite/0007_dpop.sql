-- DPoP (RFC 9449): clients whose tokens are all bound to a key of theirs, and
-- the key that a code was asked for.

-- +goose Up

ALTER TABLE clients ADD COLUMN dpop_bound INTEGER NOT NULL DEFAULT 0;
ALTER TABLE codes ADD COLUMN dpop_thumbprint TEXT NOT NULL DEFAULT ''; -- '': whoever redeems it chooses
