package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/config"
	"github.com/writ-auth/writ/server/internal/keyring"
	"github.com/writ-auth/writ/server/internal/store"
)

// Finding is the outcome of one check of a server's data.
type Finding struct {
	Check  string
	Detail string
	Err    error // nil: all is well
	Warn   bool  // Err is worth a look, and stops nothing
}

// Inspect checks the data of a server that isn't running: the modes of its
// files, the database's integrity, its issuer, and that the master key opens
// what is sealed. A check that can't be made for want of another is left out.
func Inspect(ctx context.Context, cfg *config.Config, opts Options) []Finding {
	findings := []Finding{{Check: "files", Detail: cfg.Data, Err: CheckDataDir(cfg), Warn: true}}
	if err := wantDatabase(cfg); err != nil {
		return append(findings, Finding{Check: "database", Err: err, Warn: errors.Is(err, ErrNoDatabase)})
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	s, err := openStore(ctx, cfg, store.Options{Now: opts.Now, Logger: opts.Logger, Existing: true, Guest: true})
	if err != nil {
		return append(findings, Finding{Check: "database", Err: err})
	}
	defer s.Close()
	findings = append(findings, Finding{Check: "database", Detail: s.Path() + " is whole", Err: s.Check(ctx)})
	copied := *cfg
	err = useStoredIssuer(ctx, &copied, s)
	if stored, e := s.Setting(ctx, settingIssuer); e == nil {
		err = errors.Join(err, sameIssuer(&copied, stored))
	}
	findings = append(findings, Finding{Check: "issuer", Detail: copied.Issuer, Err: err})
	detail, err := openSealed(ctx, cfg, s)
	return append(findings, Finding{Check: "master key", Detail: detail, Err: err})
}

// InspectRunning checks the integrity of the database that a server has open, as
// About names it. PostgreSQL looks after itself: nil.
func InspectRunning(ctx context.Context, cfg *config.Config, database string) *Finding {
	if !strings.HasPrefix(database, "sqlite:") {
		return nil
	}
	err := store.CheckFile(ctx, database)
	if errors.Is(err, store.ErrCorrupt) {
		err = fmt.Errorf("%w; keep a copy of the file and restore a back-up", err)
	}
	return &Finding{Check: "database", Detail: strings.TrimPrefix(database, "sqlite:") + " is whole", Err: describe(cfg, err)}
}

// openSealed opens every key in the database with the master key.
func openSealed(ctx context.Context, cfg *config.Config, s *store.Store) (detail string, err error) {
	rows, err := s.Keys(ctx)
	if err != nil {
		return "", err
	}
	if len(rows) == 0 {
		return "nothing is sealed yet", nil
	}
	master, err := masterKey(ctx, cfg, s, slog.New(slog.DiscardHandler))
	if err != nil {
		return "", err
	}
	sealer, err := keyring.NewSealer(master)
	if err != nil {
		return "", err
	}
	for _, row := range rows {
		if err := openRow(sealer, row); err != nil {
			return "", sealedError(cfg, err)
		}
	}
	return fmt.Sprintf("opens all %d keys", len(rows)), nil
}

func openRow(sealer *keyring.Sealer, row auth.Key) error {
	purpose := keyring.SealPrivateKey
	switch {
	case len(row.Sealed) == 0:
		return nil
	case row.Purpose == auth.KeyTag:
		purpose = keyring.SealTagKey
	case row.Purpose == auth.KeyLog:
		purpose = keyring.SealLogKey
	}
	_, err := sealer.Open(purpose, "keys", row.ID, row.Sealed)
	return err
}
