-- Entries of the revocation log are chained by hashes, and keys of their own
-- sign its heads. Programs from before insert entries without a chain, which
-- the next that knows of it fills in.

-- +goose Up

ALTER TABLE log ADD COLUMN chain BLOB; -- after this entry, 32 bytes; NULL: not yet

CREATE UNIQUE INDEX keys_log_signing ON keys (algorithm) WHERE purpose = 'log' AND state = 'signing';
CREATE UNIQUE INDEX keys_log_next ON keys (algorithm) WHERE purpose = 'log' AND state = 'next';
