// Package app wires the server: one function opens every part once, top to
// bottom, and hands each what it needs. main, the command line and end-to-end
// tests build the same value.
//
//	listeners, err := app.Listen(cfg)          // first: a taken port changes nothing
//	a, err := app.New(ctx, cfg, options)       // data, keys, services, doors
//	err = a.Run(ctx, listeners)                // until ctx ends, then drains
//	err = errors.Join(err, a.Close())
package app

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os/exec"
	"time"

	"github.com/writ-auth/writ/fast"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/authorization"
	"github.com/writ-auth/writ/server/internal/clientkeys"
	"github.com/writ-auth/writ/server/internal/config"
	"github.com/writ-auth/writ/server/internal/credential"
	"github.com/writ-auth/writ/server/internal/device"
	"github.com/writ-auth/writ/server/internal/directory"
	"github.com/writ-auth/writ/server/internal/edge"
	"github.com/writ-auth/writ/server/internal/keyring"
	"github.com/writ-auth/writ/server/internal/limit"
	"github.com/writ-auth/writ/server/internal/metric"
	"github.com/writ-auth/writ/server/internal/mint"
	"github.com/writ-auth/writ/server/internal/outbound"
	"github.com/writ-auth/writ/server/internal/possession"
	"github.com/writ-auth/writ/server/internal/revocation"
	"github.com/writ-auth/writ/server/internal/session"
	"github.com/writ-auth/writ/server/internal/store"
)

// Options are what New takes besides the settings.
type Options struct {
	Logger *slog.Logger     // required
	Now    func() time.Time // default the store's; see store.Options
	Beside func() *exec.Cmd // what hashes passwords while many sign in; see credential.Options
}

// App is a server with everything open.
type App struct {
	cfg    *config.Config
	logger *slog.Logger
	now    func() time.Time

	store         *store.Store
	keys          *keyring.Ring
	passwords     *credential.Hasher
	redis         *limit.Redis // nil: none
	throttle      *limit.Throttle
	mint          *mint.Mint
	directory     *directory.Service
	sessions      *session.Service
	log           *revocation.Service
	authorization *authorization.Service
	devices       *device.Service
	proofs        *possession.Service
	cookies       edge.Cookies
	metrics       *metric.Metrics
	outbound      *http.Client // for addresses that others chose; see package outbound
	clientKeys    *clientkeys.Service

	public, operator, admin http.Handler

	writable probe
	first    *FirstAdmin
	draining context.Context // ends when the server stops: long polls are answered then
	drain    context.CancelFunc
}

// New opens a server: it makes the data directory, the database, the keys and
// the first administrator where they are missing. Its errors are one line for
// an operator and say what to do; nothing is damaged then.
func New(ctx context.Context, cfg *config.Config, opts Options) (*App, error) {
	if err := makeDataDir(cfg.Data); err != nil {
		return nil, err
	}
	a, err := open(ctx, cfg, opts, false)
	if err != nil {
		return nil, err
	}
	if a.first, err = ensureAdmin(ctx, cfg, a.store, a.directory); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	if a.first == nil {
		return a, nil
	}
	if err := a.store.Checkpoint(ctx); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

// Open opens the database of a server that isn't running, for its operator. It
// makes nothing that isn't there, and takes the issuer from the database where
// the settings name none.
func Open(ctx context.Context, cfg *config.Config, opts Options) (*App, error) {
	if err := wantDatabase(cfg); err != nil {
		return nil, err
	}
	copied := *cfg
	return open(ctx, &copied, opts, true, useStoredIssuer)
}

func open(ctx context.Context, cfg *config.Config, opts Options, existing bool, before ...func(context.Context, *config.Config, auth.Settings) error) (*App, error) {
	a := &App{cfg: cfg, logger: opts.Logger, passwords: credential.New(credential.Options{Memory: cfg.HashMemory, Beside: opts.Beside})}
	a.draining, a.drain = context.WithCancel(context.Background())
	var err error
	if a.store, err = openStore(ctx, cfg, store.Options{Now: opts.Now, Logger: a.logger, Existing: existing}); err != nil {
		return nil, err
	}
	a.now = a.store.Now // the fleet's time, where there is one
	for _, step := range before {
		err = errors.Join(err, step(ctx, cfg, a.store))
	}
	if err == nil {
		err = a.assemble(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

// assemble makes the services above the open store, each once.
func (a *App) assemble(ctx context.Context) error {
	if err := checkIssuer(ctx, a.cfg, a.store); err != nil {
		return err
	}
	master, err := masterKey(ctx, a.cfg, a.store, a.logger)
	if err != nil {
		return err
	}
	sealer, err := keyring.NewSealer(master)
	if err != nil {
		return err
	}
	a.keys, err = keyring.Open(ctx, keyring.Options{
		Keys: a.store, Secrets: a.store, Sealer: sealer, Algorithm: jwk.Algorithm(a.cfg.Algorithm),
		Period: a.cfg.KeyRotation, Announce: a.cfg.KeyAnnounce, Now: a.now, Changed: a.store.KeysChanged,
		Prepare: new(fast.Preparer).Prepare, // bounded, should anybody rotate without end
	})
	if err != nil {
		return sealedError(a.cfg, err)
	}
	a.metrics = metric.New(Version())
	a.outbound = outbound.New(outbound.Options{Allow: a.cfg.OutboundAllow})
	a.clientKeys = clientkeys.New(clientkeys.Options{Outbound: a.outbound, Logger: a.logger, Now: a.now})
	if err := a.openLimits(master); err != nil {
		return err
	}
	a.mint = mint.New(a.cfg.Issuer, a.keys)
	a.mint.Issued = a.metrics.TokenIssued
	a.directory = directory.New(directory.Options{
		Issuer: a.cfg.Issuer, Users: a.store, Directory: a.store, Secrets: a.store, Sessions: a.store, Audit: a.store,
		Keys: a.keys, Passwords: a.passwords, Signup: a.cfg.Signup, Now: a.now,
		Probes: limit.NewShared(a.now, a.redis, "probes"), Signups: limit.Signups(a.now, a.redis),
	})
	a.log, err = revocation.New(revocation.Options{
		Issuer: a.cfg.Issuer, Log: a.store, Sessions: a.store, Keys: a.keys, Longest: directory.MaxAccessTTL, Now: a.now,
		Fleet: a.fleet(),
	})
	if err != nil {
		return err
	}
	if a.cookies, err = edge.NewCookies(a.cfg.Issuer, a.cfg.CookieDomain, a.cfg.CookieRefreshPath); err != nil {
		return err
	}
	if a.sessions, err = session.New(a.sessionOptions()); err != nil {
		return err
	}
	a.authorization = a.newAuthorization(sealer)
	a.devices = a.newDevices(sealer)
	return a.openDoors()
}

// fleet is the nodes that share the database, nil where there is but one.
func (a *App) fleet() revocation.Fleet {
	if a.cfg.Postgres() {
		return a.store
	}
	return nil
}

func (a *App) sessionOptions() session.Options {
	return session.Options{
		Issuer: a.cfg.Issuer, Sessions: a.store, Browsers: a.store, Users: a.store, Directory: a.store, Log: a.store, Audit: a.store,
		Keys: a.keys, Mint: a.mint, Passwords: a.passwords, Throttle: a.throttle,
		Rule:      session.Rule{Grace: a.cfg.RefreshGrace, Late: session.Late(a.cfg.RefreshLate)},
		AccessTTL: a.cfg.AccessTTL, RefreshTTL: a.cfg.RefreshTTL, SessionTTL: a.cfg.SessionTTL,
		Logger: a.logger, Now: a.now, Observe: session.Observe{
			SignIn:  a.metrics.SignIn,
			Refresh: func(v session.Verdict) { a.metrics.Refresh(v.String()) },
		},
	}
}

// FirstAdmin is the administrator that New made; nil if there was one already.
func (a *App) FirstAdmin() *FirstAdmin { return a.first }

// Check looks through the whole database for damage.
func (a *App) Check(ctx context.Context) error { return a.store.Check(ctx) }

// Close ends what New opened; the database is closed after its last commit.
func (a *App) Close() error {
	a.drain()
	a.passwords.Close()
	if a.redis != nil {
		a.redis.Close()
	}
	if a.outbound == nil {
		return a.store.Close()
	}
	err := a.clientKeys.Close()
	a.outbound.CloseIdleConnections()
	return errors.Join(err, a.store.Close())
}
