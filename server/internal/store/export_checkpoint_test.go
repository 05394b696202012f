package store

import "log/slog"

// NewCheckpointer makes one for a file; committed tells it of a commit.
func NewCheckpointer(path string, logger *slog.Logger) (committed func(), closeIt func() error, err error) {
	c, err := newCheckpointer(path, 1, logger)
	return c.committed, c.close, err
}
