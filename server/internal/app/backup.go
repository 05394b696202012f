package app

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/backup"
	"github.com/writ-auth/writ/server/internal/config"
	"github.com/writ-auth/writ/server/internal/directory"
	"github.com/writ-auth/writ/server/internal/store"
)

// Backup writes a back-up of a server that isn't running to w. It needs no
// master key.
func Backup(ctx context.Context, cfg *config.Config, opts Options, w io.Writer) error {
	if err := wantDatabase(cfg); err != nil {
		return err
	}
	s, err := openStore(ctx, cfg, store.Options{Now: opts.Now, Logger: opts.Logger, Existing: true, Guest: true})
	if err != nil {
		return err
	}
	ev := auth.Event{At: s.Now(), Actor: directory.OperatorID, Action: "backup.create", Verdict: "allowed"}
	err = s.Record(ctx, ev)
	if err == nil {
		err = backup.Write(ctx, w, s, Version(), s.Now())
	}
	return errors.Join(err, s.Close())
}

// backups is what the administrators' API needs of a back-up.
type backups struct {
	store *store.Store
	now   func() time.Time
	one   chan struct{} // holds a value while one is made
}

// Write implements admin.Backups: one at a time, for each holds on to a moment
// of the database.
func (b *backups) Write(ctx context.Context, w io.Writer, ev auth.Event) error {
	select {
	case b.one <- struct{}{}:
		defer func() { <-b.one }()
	default:
		return &auth.Error{Code: auth.CodeUnavailable, Message: "Another back-up is being made.", RetryAfter: 30 * time.Second}
	}
	ev.At, ev.Action, ev.Verdict = b.now(), "backup.create", "allowed"
	if err := b.store.Record(ctx, ev); err != nil {
		return err
	}
	return backup.Write(ctx, w, b.store, Version(), b.now())
}
