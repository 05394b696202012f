package store

import (
	"context"
	"crypto/rand"
	"strings"
)

// Writable reports whether the database can be written to now: a full disk, a
// stand-by that only reads, a disk that failed and a file that was deleted all
// still answer Ping. It costs a commit.
func (s *Store) Writable(ctx context.Context) error {
	const probe = `INSERT INTO settings (name, value) VALUES ('probe', $1)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`
	value := rand.Text()
	if !s.fleet() {
		// As large as what a refresh writes: the log of a full disk may have
		// room left for less. SQLite does not write what has not changed.
		value = strings.Repeat(value, 1<<14/len(value))
	}
	err := s.single(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, probe, value)
		return err
	})
	if err == nil && !s.fleet() {
		_, err = s.original.inPlace()
	}
	return err
}
