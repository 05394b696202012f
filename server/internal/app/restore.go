package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/server/internal/backup"
	"github.com/writ-auth/writ/server/internal/config"
	"github.com/writ-auth/writ/server/internal/keyring"
	"github.com/writ-auth/writ/server/internal/store"
)

// Restore says what Restore is to do beyond the settings.
type Restore struct {
	Replace      bool            // put the database that is there aside
	ChangeIssuer bool            // the settings' issuer is another than the back-up's, and that is meant
	Checked      backup.Progress // hears of the rows as they are checked
	Loaded       backup.Progress // and as they are loaded
}

// Outcome is what Restore did.
type Outcome struct {
	From     backup.Header
	Rows     int64
	Issuer   string
	Log      string          // the id of the new revocation log
	Database string          // where the server is
	Aside    string          // the database that was there; "" if none
	Lost     error           // why its keys could not be read; nil if they could
	Secrets  []backup.Secret // shared secrets of APIs, restored as they were
}

// RestoreFile makes a server of a back-up where none runs. Until all of it is
// loaded and safe on the disk nothing that was there has changed. Its errors are
// one line for an operator.
func RestoreFile(ctx context.Context, cfg *config.Config, opts Options, file io.ReadSeeker, how Restore) (*Outcome, error) {
	if err := makeDataDir(cfg.Data); err != nil {
		return nil, err
	}
	place, err := store.Reserve(cfg.Database)
	if err != nil {
		return nil, describe(cfg, err)
	}
	r := &restore{Restore: how, opts: opts, place: place}
	out, err := r.run(ctx, cfg, file)
	return out, errors.Join(err, place.Close())
}

// restoringSealer is nil where there is no master key yet.
func restoringSealer(cfg *config.Config) (*keyring.Sealer, error) {
	master, err := keyring.ParseMaster(cfg.MasterKey.Reveal())
	if cfg.MasterKey == "" {
		master, err = keyring.ReadMaster(cfg.MasterKeyFile)
		if errors.Is(err, keyring.ErrNoMaster) {
			return nil, nil
		}
	}
	if err != nil {
		return nil, err
	}
	return keyring.NewSealer(master)
}

// unopened says that the master key is missing or another.
func unopened(cfg *config.Config, sealer *keyring.Sealer) error {
	if sealer == nil {
		return fmt.Errorf("the back-up holds secrets of APIs that are sealed with its server's master key, and there is none at %s; put that key there (mode 0600), or into WRIT_MASTER_KEY", cfg.MasterKeyFile)
	}
	return sealedError(cfg, keyring.ErrSealed)
}

// restoredIssuer is the back-up's, unless another was named and is meant.
func restoredIssuer(cfg *config.Config, saved string, change bool) (string, error) {
	switch {
	case saved == cfg.Issuer, strings.HasPrefix(cfg.Origin(settingIssuer), "default"):
		return saved, nil
	case change:
		return cfg.Issuer, nil
	}
	return "", fmt.Errorf("the back-up is of %s, not of %s; leave --issuer out to restore that, or add --change-issuer if every API and client is to follow", saved, cfg.Issuer)
}

// restore is a restore into SQLite under way.
type restore struct {
	Restore
	opts   Options
	place  *store.Place
	sealer *keyring.Sealer // nil where there is no master key yet
}

func (r *restore) run(ctx context.Context, cfg *config.Config, file io.ReadSeeker) (*Outcome, error) {
	out := &Outcome{Database: r.place.Path()}
	keys, err := r.inTheWay(ctx, out)
	if err != nil {
		return nil, err
	}
	if r.sealer, err = restoringSealer(cfg); err != nil {
		return nil, err
	}
	checked, err := backup.Check(file, r.sealer, r.Checked)
	if errors.Is(err, keyring.ErrSealed) {
		return nil, unopened(cfg, r.sealer)
	}
	if err != nil {
		return nil, err
	}
	if out.Issuer, err = restoredIssuer(cfg, checked.Header.Issuer, r.ChangeIssuer); err != nil {
		return nil, err
	}
	out.From, out.Secrets = checked.Header, checked.Secrets
	x := backup.Restoration{Keys: keys, Issuer: out.Issuer, Now: r.opts.Now(), Progress: r.Loaded}
	if err := r.load(ctx, cfg, file, checked, x, out); err != nil {
		return nil, errors.Join(describe(cfg, err), r.place.Discard())
	}
	return out, nil
}

// load makes the new database beside the old one and puts it in its place.
func (r *restore) load(ctx context.Context, cfg *config.Config, file io.ReadSeeker, checked *backup.Checked, x backup.Restoration, out *Outcome) error {
	s, err := r.place.Build(ctx, store.Options{Now: r.opts.Now})
	if err != nil {
		return err
	}
	restored, err := x.Run(ctx, file, checked, s)
	if err == nil {
		err = r.finish(ctx, cfg, s)
	}
	if err = errors.Join(err, s.Close()); err != nil {
		return err
	}
	out.Rows, out.Log = restored.Rows, restored.Log
	out.Aside, err = r.place.Install(ctx, r.opts.Now())
	return err
}

// inTheWay refuses to replace what isn't to be replaced, and answers the keys of
// what is: tokens that they signed must end with it.
func (r *restore) inTheWay(ctx context.Context, out *Outcome) ([]string, error) {
	empty, err := r.place.Empty()
	if err != nil || empty {
		return nil, err
	}
	if !r.Replace {
		return nil, fmt.Errorf("there is a database at %s already; --replace puts it aside, --data names another place", r.place.Path())
	}
	keys, err := r.place.KeyIDs(ctx)
	out.Lost = err
	return keys, nil
}

// finish makes the keys of the restored server, under the master key that it
// will start with, and looks at what was loaded.
func (r *restore) finish(ctx context.Context, cfg *config.Config, s *store.Store) error {
	if r.sealer == nil {
		master, err := masterKey(ctx, cfg, s, slog.New(slog.DiscardHandler))
		if err != nil {
			return err
		}
		if r.sealer, err = keyring.NewSealer(master); err != nil {
			return err
		}
	}
	_, err := keyring.Open(ctx, keyring.Options{
		Keys: s, Secrets: s, Sealer: r.sealer, Algorithm: jwk.Algorithm(cfg.Algorithm),
		Period: cfg.KeyRotation, Announce: cfg.KeyAnnounce, Now: r.opts.Now,
	})
	if err != nil {
		return err
	}
	return s.Check(ctx)
}
