package app

import (
	"context"
	"errors"
	"math"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/server/internal/admin"
	"github.com/writ-auth/writ/server/internal/api"
	"github.com/writ-auth/writ/server/internal/edge"
	"github.com/writ-auth/writ/server/internal/edge/caller"
	"github.com/writ-auth/writ/server/internal/metric"
	"github.com/writ-auth/writ/server/internal/oauth/metadata"
	"github.com/writ-auth/writ/server/internal/revocation"
)

// openDoors mounts every door, and makes the three HTTP interfaces: the public
// one, the operator's on the socket, and the admin listener's.
func (a *App) openDoors() error {
	callers := &caller.Finder{Issuer: a.cfg.Issuer, Sessions: a.sessions, Cookies: a.cookies, Origins: a.directory.AllowedOrigins}
	documents, err := metadata.New(metadata.Options{Issuer: a.cfg.Issuer, Keys: a.keys.Public, MaxAge: a.cfg.JWKSMaxAge, LogKeys: a.keys.LogKeys})
	if err != nil {
		return err
	}
	administration := admin.New(admin.Options{
		Directory: a.directory, Revocations: a.log, Callers: callers, Audit: a.store, Keys: a.store, Keyring: a.keys,
		Backups: &backups{store: a.store, now: a.now, one: make(chan struct{}, 1)},
	})
	if err := a.openProofs(); err != nil {
		return err
	}
	clients, err := a.openClients()
	if err != nil {
		return err
	}
	accounts := api.New(api.Options{
		Sessions: a.sessions, Directory: a.directory, Revocations: releasedLog{a.log, a.draining},
		Callers: callers, Cookies: a.cookies, Now: a.now, Verifier: verifier(clients), Consents: a.authorization,
	})
	public := http.NewServeMux()
	documents.Register(public)
	accounts.Register(public)
	administration.Register(public)
	if err := a.openServices(public, clients); err != nil {
		return err
	}
	a.openFlows(public, clients)
	if err := a.openPages(public, clients, callers); err != nil {
		return err
	}
	a.public = a.front(public)

	local := http.NewServeMux()
	administration.Register(local)
	documents.Register(local)
	local.Handle("POST /v1/admin/keys", edge.Handler(a.importKey))
	local.Handle("GET "+AboutPath, edge.Handler(a.about))
	local.Handle("GET "+HealthPath, edge.Handler(a.health))
	a.operator = asOperator(a.front(local))
	a.admin = a.adminListener()
	return nil
}

func (a *App) front(next http.Handler) http.Handler {
	f := &edge.Front{
		Issuer: a.cfg.Issuer, Proxies: a.cfg.TrustedProxies, Log: a.logger, Now: a.now,
		Observe: func(o edge.Observation) { a.metrics.Request(o.Route, o.Status, o.Duration) },
	}
	return f.Handler(next)
}

// adminListener is metrics and health.
func (a *App) adminListener() http.Handler {
	a.metrics.RevocationLog(func() (uint64, error) {
		page, err := a.log.Page(a.draining, math.MaxInt64, 1, 0)
		return page.Head, err
	})
	a.metrics.HashPool(a.passwords.Depth)
	a.metrics.Throttle(func() int { return a.throttle.Stats().Entries }, func() uint64 { return a.throttle.Stats().Evicted })
	listener := &metric.Admin{Metrics: a.metrics, Ready: a.ready, Hosts: a.cfg.AdminHosts, Pprof: a.cfg.Pprof, Log: a.logger}
	return listener.Handler()
}

// ready reports whether the server can do its work: not while its database
// can't be written to or a key is missing, and not while it stops, so that a
// balancer sends nobody here any more.
func (a *App) ready(ctx context.Context) error {
	if a.draining.Err() != nil {
		return errors.New("the server is stopping")
	}
	if err := a.keys.Lacks(); err != nil {
		return err
	}
	return a.writable.check(ctx, a.now(), a.store.Writable)
}

// probe keeps the outcome of a check that costs too much for everybody who asks.
type probe struct {
	mu   sync.Mutex
	at   time.Time
	last error
}

// probeEvery is how often a check is made at most.
const probeEvery = time.Second

// check carries the check out, or answers what it said a moment ago. A caller
// who goes away leaves nothing that others would be told.
func (p *probe) check(ctx context.Context, now time.Time, check func(context.Context) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if age := now.Sub(p.at); age >= 0 && age < probeEvery {
		return p.last
	}
	err := check(ctx)
	if ctx.Err() == nil {
		p.at, p.last = now, err
	}
	return err
}

// asOperator makes every request the operator's: only who may open the socket
// in the data directory comes here.
func asOperator(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(admin.AsOperator(r.Context())))
	})
}

// Handler is the public HTTP interface.
func (a *App) Handler() http.Handler { return a.public }

// Operator is the admin API for whoever runs the server, without a credential.
// It must not be reachable by anybody else.
func (a *App) Operator() http.Handler { return a.operator }

// Admin is the admin listener's interface: metrics and health.
func (a *App) Admin() http.Handler { return a.admin }

// releasedLog is the revocation log whose long polls end when the server
// stops: each is answered with what there is.
type releasedLog struct {
	log      *revocation.Service
	draining context.Context
}

func (l releasedLog) Page(ctx context.Context, after uint64, limit int, wait time.Duration) (revlog.Page, error) {
	if wait <= 0 || l.draining.Err() != nil {
		return l.log.Page(ctx, after, limit, 0)
	}
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.draining, cancel)()
	page, err := l.log.Page(waiting, after, limit, wait)
	if err != nil && waiting.Err() != nil && ctx.Err() == nil {
		return l.log.Page(ctx, after, limit, 0)
	}
	return page, err
}

func (l releasedLog) FullPage(ctx context.Context, number uint64) (*revlog.FullPage, revlog.Chain, error) {
	return l.log.FullPage(ctx, number)
}

func (l releasedLog) Follow(verifier string) (leave func()) { return l.log.Follow(verifier) }

func (l releasedLog) Acknowledge(ctx context.Context, verifier, log string, seq uint64) error {
	return l.log.Acknowledge(ctx, verifier, log, seq)
}

// Await ends when the server stops: the verifiers' streams do, too.
func (l releasedLog) Await(ctx context.Context, seq uint64, wait time.Duration) (revocation.Acknowledged, error) {
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.draining, cancel)()
	return l.log.Await(waiting, seq, wait)
}

// Stream ends when the server stops: followers go on with another node, or come
// back.
func (l releasedLog) Stream(ctx context.Context, after uint64, send func(event []byte) error) error {
	streaming, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.draining, cancel)()
	return l.log.Stream(streaming, after, send)
}

// Version is the server's version, as the Go tool recorded it.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return info.Main.Version
}
