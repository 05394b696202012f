package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

// Open opens the database, makes it if it is not there and migrates it if it is
// old. It refuses, and changes nothing then: a file that is open elsewhere
// (ErrLocked), what is not ours (ErrForeign), a database that a newer version
// made unusable for this one (ErrNewer), and a damaged file (ErrCorrupt).
func Open(ctx context.Context, o Options) (*Store, error) {
	engine, err := engineOf(o.DSN)
	if err != nil {
		return nil, err
	}
	s := &Store{now: o.Now, retention: o.AuditRetention}
	if engine == "postgres" {
		o = o.withDefaults(defaultPool)
	} else {
		o = o.withDefaults(max(4, 2*runtime.GOMAXPROCS(0)))
	}
	s.elapsed = o.elapsed
	if engine == "postgres" {
		err = s.openPostgres(ctx, o)
	} else {
		s.now = o.Now
		err = s.openSQLite(ctx, o)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (o Options) withDefaults(pool int) Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.elapsed == nil {
		start := time.Now()
		o.elapsed = func() time.Duration { return time.Since(start) }
	}
	if o.Readers <= 0 {
		o.Readers = pool
	}
	return o
}

// migrate brings the schema up to date and says so.
func (s *Store) migrate(ctx context.Context, db *sql.DB, logger *slog.Logger) error {
	from, to, err := s.engine.migrate(ctx, db)
	if errors.Is(err, ErrNewer) {
		return err
	}
	if err != nil {
		return fmt.Errorf("store: migrate %s from version %d to %d: %w", s.path, from, to, classify(err))
	}
	if from != to {
		logger.InfoContext(ctx, "database migrated", "path", s.path, "from", from, "to", to)
	}
	return nil
}

// start makes a store of the writing connection and the pool, or closes them.
func (s *Store) start(ctx context.Context, writing, pool *sql.DB, o Options) (err error) {
	s.pool = pool
	s.sql = &statements{on: pool, direct: s.engine.direct, slots: &slots{free: make(chan struct{}, o.Readers), link: s.link}}
	if s.writer, err = newWriter(ctx, s, writing); err != nil {
		return errors.Join(err, writing.Close(), pool.Close())
	}
	if err := s.seed(ctx); err != nil {
		return errors.Join(err, s.writer.close(), pool.Close())
	}
	if err := s.openLog(ctx); err != nil {
		return errors.Join(err, s.writer.close(), pool.Close())
	}
	return nil
}

// seed stores what every database has and no migration can make up: random
// values.
func (s *Store) seed(ctx context.Context) error {
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		if _, err := t.settingOnce(ctx, settingLogID, auth.Random128()); err != nil {
			return err
		}
		there, err := t.exists(ctx, `SELECT 1 FROM clients WHERE id = $1`, auth.ClientWrit)
		if err != nil || there {
			return err
		}
		return t.insertClient(ctx, auth.Client{
			ID:                      auth.ClientWrit,
			Name:                    "Writ",
			TokenEndpointAuthMethod: "none",
			Epoch:                   auth.Random128(),
		})
	})
}
