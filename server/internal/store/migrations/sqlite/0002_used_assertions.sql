-- What a client may use but once: hashes of the jti of its assertions (RFC
-- 7523), kept until the assertion has expired. The client's row may go and come
-- back under the same id, so nothing refers to it.

-- +goose Up

CREATE TABLE used_assertions (
	client_id  TEXT NOT NULL,
	hash       BLOB NOT NULL,
	expires_at INTEGER NOT NULL,
	PRIMARY KEY (client_id, hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX used_assertions_expires_at ON used_assertions (expires_at);
