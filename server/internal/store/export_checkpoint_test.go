package store

import "log/slog"

// NewCheckpointer makes one for a file; committed tells it of a commit.
func NewCheckpointer(path string, logger *slog.Logger) (committed func(), closeIt func() error, err error) {
	file, err := originalOf(path)
	if err != nil {
		return nil, nil, err
	}
	c, err := newCheckpointer(file, 1, logger)
	return c.committed, c.close, err
}

// Condition is what is wrong with the database when SQLite answers a code.
func Condition(code int) error { return condition(code) }
