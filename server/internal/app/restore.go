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
	r := &restore{Restore: how, cfg: cfg, opts: opts, file: file}
	if cfg.Postgres() {
		return r.intoPostgres(ctx)
	}
	place, err := store.Reserve(cfg.Database)
	if err != nil {
		return nil, describe(cfg, err)
	}
	out, err := r.intoPlace(ctx, place)
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

// restore is a restore under way.
type restore struct {
	Restore
	cfg    *config.Config
	opts   Options
	file   io.ReadSeeker
	sealer *keyring.Sealer // nil where there is no master key yet

	checked *backup.Checked
	out     Outcome
}

// check reads all of the back-up.
func (r *restore) check() (err error) {
	if r.sealer, err = restoringSealer(r.cfg); err != nil {
		return err
	}
	r.checked, err = backup.Check(r.file, r.sealer, r.Checked)
	if errors.Is(err, keyring.ErrSealed) {
		return unopened(r.cfg, r.sealer)
	}
	if err != nil {
		return err
	}
	r.out.From, r.out.Secrets = r.checked.Header, r.checked.Secrets
	r.out.Issuer, err = restoredIssuer(r.cfg, r.checked.Header.Issuer, r.ChangeIssuer)
	return err
}

// load fills an empty database. keys are those whose tokens must end, besides
// the back-up's.
func (r *restore) load(ctx context.Context, s *store.Store, keys []string) error {
	x := backup.Restoration{Keys: keys, Issuer: r.out.Issuer, Now: s.Now(), Progress: r.Loaded}
	restored, err := x.Run(ctx, r.file, r.checked, s)
	r.out.Rows, r.out.Log = restored.Rows, restored.Log
	return err
}

// intoPostgres fills an empty database. The first start makes its keys.
func (r *restore) intoPostgres(ctx context.Context) (*Outcome, error) {
	if r.Replace {
		return nil, errors.New("--replace is for SQLite; make an empty PostgreSQL database and name that with --database")
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	s, err := openStore(ctx, r.cfg, store.Options{Now: r.opts.Now, Logger: r.opts.Logger, Guest: true})
	if err != nil {
		return nil, err
	}
	r.out.Database = s.Path()
	err = errors.Join(r.load(ctx, s, nil), s.Close())
	if errors.Is(err, store.ErrNotEmpty) {
		return nil, fmt.Errorf("the database %s is not empty; make another and name that with --database", s.Path())
	}
	return &r.out, describe(r.cfg, err)
}

// intoPlace makes a SQLite database beside the place and puts it there.
func (r *restore) intoPlace(ctx context.Context, place *store.Place) (*Outcome, error) {
	r.out.Database = place.Path()
	keys, err := r.inTheWay(ctx, place)
	if err != nil {
		return nil, err
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	if err := r.build(ctx, place, keys); err != nil {
		return nil, errors.Join(describe(r.cfg, err), place.Discard())
	}
	return &r.out, nil
}

func (r *restore) build(ctx context.Context, place *store.Place, keys []string) error {
	s, err := place.Build(ctx, store.Options{Now: r.opts.Now})
	if err != nil {
		return err
	}
	now := s.Now()
	if err = r.load(ctx, s, keys); err == nil {
		err = r.finish(ctx, s)
	}
	if err = errors.Join(err, s.Close()); err != nil {
		return err
	}
	r.out.Aside, err = place.Install(ctx, now)
	return err
}

// inTheWay refuses to replace what isn't to be replaced, and answers the keys of
// what is: tokens that they signed must end with it.
func (r *restore) inTheWay(ctx context.Context, place *store.Place) (keys []string, err error) {
	empty, err := place.Empty()
	if err != nil || empty {
		return nil, err
	}
	if !r.Replace {
		return nil, fmt.Errorf("there is a database at %s already; --replace puts it aside, --data names another place", place.Path())
	}
	keys, r.out.Lost = place.KeyIDs(ctx)
	return keys, nil
}

// finish makes the keys of the restored server, under the master key that it
// will start with, and looks at what was loaded.
func (r *restore) finish(ctx context.Context, s *store.Store) error {
	if r.sealer == nil {
		master, err := masterKey(ctx, r.cfg, s, slog.New(slog.DiscardHandler))
		if err != nil {
			return err
		}
		if r.sealer, err = keyring.NewSealer(master); err != nil {
			return err
		}
	}
	_, err := keyring.Open(ctx, keyring.Options{
		Keys: s, Secrets: s, Sealer: r.sealer, Algorithm: jwk.Algorithm(r.cfg.Algorithm),
		Period: r.cfg.KeyRotation, Announce: r.cfg.KeyAnnounce, Now: s.Now,
	})
	if err != nil {
		return err
	}
	return s.Check(ctx)
}
