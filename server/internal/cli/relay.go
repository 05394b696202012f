package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/writ-auth/writ/server/internal/app"
	"github.com/writ-auth/writ/server/internal/config"
	"github.com/writ-auth/writ/server/internal/edge"
	"github.com/writ-auth/writ/server/internal/metric"
	"github.com/writ-auth/writ/server/internal/relay"
)

// relayCmd passes the revocation log of a server on.
type relayCmd struct {
	Upstream         string   `required:"" placeholder:"URL" help:"The log to pass on: the server's writ_revocations_endpoint, or another relay's."`
	Listen           string   `default:"127.0.0.1:8081" placeholder:"ADDRESS" help:"Where verifiers follow: /v1/revocations."`
	AdminListen      string   `default:"127.0.0.1:9091" placeholder:"ADDRESS" help:"Address of /metrics, /healthz and /readyz."`
	AdminHosts       []string `placeholder:"HOST" help:"Host names the admin listener answers to besides IP addresses and localhost."`
	Streams          int      `default:"10000" help:"How many streams are served at once."`
	Polls            int      `default:"1000" help:"How many long polls are held back at once."`
	MaxEntries       int      `default:"5000000" help:"A log with more entries isn't passed on: 44 bytes of memory each."`
	TLSCert          string   `name:"tls-cert" type:"path" placeholder:"FILE" help:"Serve TLS with this certificate."`
	TLSKey           string   `name:"tls-key" type:"path" placeholder:"FILE" help:"The certificate's key."`
	ClientID         string   `name:"client-id" placeholder:"ID" help:"A client of the server, for a place among its streams that strangers can't take."`
	ClientSecretFile string   `name:"client-secret-file" placeholder:"FILE" help:"The client's secret; - is standard input."`
}

// Run follows and serves until ctx ends.
func (c relayCmd) Run(ctx context.Context, p *program) error {
	logger := slog.New(slog.NewTextHandler(p.Stderr, nil))
	opts, err := c.options(p, logger)
	if err != nil {
		return err
	}
	r, err := relay.New(opts)
	if err != nil {
		return usagef("--upstream %s: %v", c.Upstream, err)
	}
	listeners, err := app.Listen(&config.Config{Listen: c.Listen, AdminListen: c.AdminListen, TLSCert: c.TLSCert, TLSKey: c.TLSKey})
	if err != nil {
		return err
	}
	if err := c.welcome(p, listeners); err != nil {
		return errors.Join(err, listeners.Close())
	}
	ctx, cancel := context.WithCancel(ctx)
	var following sync.WaitGroup
	following.Go(func() { r.Run(ctx) })
	following.Go(func() { listeners.Watch(ctx, logger) })
	defer following.Wait()
	defer cancel()
	return serveRelay(ctx, r, map[*http.Server]net.Listener{
		edge.NewServer(r.Handler(), logger):        listeners.Public,
		edge.NewServer(c.admin(r, logger), logger): listeners.Admin,
	})
}

func (c relayCmd) options(p *program, logger *slog.Logger) (relay.Options, error) {
	opts := relay.Options{
		Upstream: c.Upstream, ClientID: c.ClientID, Streams: c.Streams, Polls: c.Polls, MaxEntries: c.MaxEntries,
		Logger: logger, Now: p.Now,
	}
	if (c.ClientID == "") != (c.ClientSecretFile == "") {
		return opts, usagef("--client-id and --client-secret-file belong together")
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return opts, usagef("--tls-cert and --tls-key belong together")
	}
	if c.Streams < 1 || c.Polls < 1 || c.MaxEntries < 1 {
		return opts, usagef("--streams, --polls and --max-entries are at least 1")
	}
	if c.ClientSecretFile != "" {
		secret, err := p.readInput(c.ClientSecretFile)
		if err != nil {
			return opts, err
		}
		opts.ClientSecret = strings.TrimSpace(string(secret))
	}
	return opts, nil
}

func (c relayCmd) admin(r *relay.Relay, logger *slog.Logger) http.Handler {
	metrics := metric.New(readVersion().Version)
	metrics.Relay(func() metric.Relay {
		s := r.Stats()
		age := s.Age.Seconds()
		if s.Age < 0 {
			age = -1
		}
		return metric.Relay{
			Head: float64(s.Head), Entries: float64(s.Entries), Age: age, Streams: float64(s.Streams), Polls: float64(s.Polls),
			Events: float64(s.Events), Dropped: float64(s.Dropped), Failures: float64(s.Failures),
		}
	})
	admin := &metric.Admin{Metrics: metrics, Ready: r.Ready, Hosts: c.AdminHosts, Log: logger}
	return admin.Handler()
}

func (c relayCmd) welcome(p *program, l *app.Listeners) error {
	started := struct {
		Upstream    string `json:"upstream"`
		Listen      string `json:"listen"`
		AdminListen string `json:"admin_listen"`
	}{c.Upstream, l.Public.Addr().String(), l.Admin.Addr().String()}
	return p.show(started, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "Passing on %s\n\n  verifiers         %s/v1/revocations\n  metrics, health   http://%s/metrics, /healthz, /readyz\n",
			started.Upstream, started.Listen, started.AdminListen)
		return err
	})
}

// relayDrain is how long requests under way may take when a relay stops.
const relayDrain = 5 * time.Second

// serveRelay serves until ctx ends, or one of the servers does.
func serveRelay(ctx context.Context, r *relay.Relay, servers map[*http.Server]net.Listener) error {
	failed := make(chan error, len(servers))
	for s, l := range servers {
		go func() { failed <- s.Serve(l) }()
	}
	running := len(servers)
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
		running--
	}
	r.Release()
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), relayDrain)
	defer cancel()
	for s := range servers {
		if e := s.Shutdown(drain); e != nil {
			err = errors.Join(err, s.Close()) // who is too slow even to be told
		}
	}
	for range running {
		if e := <-failed; !errors.Is(e, http.ErrServerClosed) {
			err = errors.Join(err, e)
		}
	}
	return err
}
