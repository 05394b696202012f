package relay_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwks"
	"github.com/writ-auth/writ/jwt"
	"github.com/writ-auth/writ/server/internal/relay"
)

const audience = "https://api.example.com"

// network connects servers by pipes, so that all of HTTP runs in a bubble of
// package synctest, whose clock a test moves.
type network struct {
	mu    sync.Mutex
	hosts map[string]chan net.Conn
	down  map[string]bool
	conns map[string][]net.Conn // by the host that was dialled
}

func newNetwork() *network {
	return &network{hosts: make(map[string]chan net.Conn), down: make(map[string]bool), conns: make(map[string][]net.Conn)}
}

type listener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}
func (l *listener) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *listener) Addr() net.Addr { return &net.TCPAddr{} }

// serve serves at a host until the test ends.
func (n *network) serve(t *testing.T, host string, h http.Handler) {
	l := &listener{conns: make(chan net.Conn), closed: make(chan struct{})}
	n.mu.Lock()
	n.hosts[host] = l.conns
	n.mu.Unlock()
	s := &http.Server{Handler: h, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)}
	done := make(chan struct{})
	go func() { defer close(done); s.Serve(l) }()
	t.Cleanup(func() { s.Close(); <-done })
}

func (n *network) dial(ctx context.Context, _, host string) (net.Conn, error) {
	n.mu.Lock()
	to, down := n.hosts[host], n.down[host]
	n.mu.Unlock()
	if to == nil || down {
		return nil, fmt.Errorf("dial %s: connection refused", host)
	}
	here, there := net.Pipe()
	select {
	case to <- there:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.conns[host] = append(n.conns[host], here)
	return here, nil
}

// cut cuts all connections to a host, and with down refuses more.
func (n *network) cut(host string, down bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down[host] = down
	for _, c := range n.conns[host] {
		c.Close()
	}
	n.conns[host] = nil
}

func (n *network) client(t *testing.T) *http.Client {
	transport := &http.Transport{DialContext: n.dial}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// issuer is one with a signed log, as package revocation publishes it.
type issuer struct {
	t       *testing.T
	url     string
	signing *jwk.PrivateKey
	logKey  *jwk.PrivateKey

	mu      sync.Mutex
	id      string
	entries []revlog.Entry
	chains  []revlog.Chain
	first   uint64
	news    chan struct{}
}

func newIssuer(t *testing.T, url string) *issuer {
	i := &issuer{t: t, url: url, news: make(chan struct{})}
	for alg, key := range map[jwk.Algorithm]**jwk.PrivateKey{jwk.ES256: &i.signing, jwk.EdDSA: &i.logKey} {
		made, err := jwk.Generate(alg)
		if err != nil {
			t.Fatal(err)
		}
		*key = made
	}
	i.begin("log-1")
	return i
}

func (i *issuer) begin(id string) {
	i.change(func() { i.id, i.entries, i.chains, i.first = id, nil, []revlog.Chain{revlog.ChainStart(id)}, 1 })
}

func (i *issuer) change(f func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	f()
	close(i.news)
	i.news = make(chan struct{})
}

func (i *issuer) revoke(sids ...string) (seq uint64) {
	i.change(func() {
		for _, sid := range sids {
			seq = uint64(len(i.entries)) + 1
			e := revlog.Entry{Seq: seq, Kind: revlog.Session, Hash: revlog.Hash(revlog.Session, sid), Expiry: time.Now().Add(time.Hour).Unix()}
			i.entries, i.chains = append(i.entries, e), append(i.chains, i.chains[seq-1].Next(e))
		}
	})
	return seq
}

// page signs what there is after a number.
func (i *issuer) page(after uint64, limit int) (*revlog.Page, <-chan struct{}) {
	i.mu.Lock()
	defer i.mu.Unlock()
	head, now := uint64(len(i.entries)), time.Now()
	from := min(max(after, i.first-1), head)
	to := min(from+uint64(limit), head)
	p := &revlog.Page{Log: i.id, First: i.first, Head: head, Time: now.Unix(), Entries: i.entries[from:to], More: to < head}
	signed := revlog.Head{Log: i.id, Seq: head, Chain: i.chains[head], First: i.first, TimeMS: now.UnixMilli()}
	proof, err := signed.Sign(i.logKey.KeyID(), i.logKey.Sign)
	if err != nil {
		i.t.Error(err)
		return p, i.news
	}
	proof.Prev = i.chains[from]
	p.Proof = proof
	return p, i.news
}

func (i *issuer) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(map[string]string{
			"issuer": i.url, "jwks_uri": i.url + "/jwks", "writ_revocations_endpoint": i.url + "/v1/revocations",
			"writ_revocation_keys_endpoint": i.url + "/v1/revocations/keys",
		})
	})
	set := func(key **jwk.PrivateKey) func() *jwk.Set {
		return func() *jwk.Set { s, _ := jwk.NewSet((*key).Public()); return s }
	}
	mux.Handle("GET /jwks", jwks.Handler(set(&i.signing), time.Minute))
	mux.Handle("GET /v1/revocations/keys", jwks.Handler(set(&i.logKey), time.Minute))
	mux.HandleFunc("GET /v1/revocations", i.revocations)
	return mux
}

func (i *issuer) revocations(w http.ResponseWriter, r *http.Request) {
	after, _ := strconv.ParseUint(r.URL.Query().Get("after"), 10, 64)
	if r.Header.Get("Last-Event-ID") == "" {
		p, _ := i.page(after, 1000)
		json.NewEncoder(w).Encode(p)
		return
	}
	w.Header().Set("Content-Type", revlog.EventType)
	for r.Context().Err() == nil {
		p, news := i.page(after, 1000)
		after = p.Last()
		event, err := revlog.AppendEvent(nil, p)
		if err != nil {
			return
		}
		if _, err := w.Write(event); err != nil {
			return
		}
		w.(http.Flusher).Flush()
		if p.More {
			continue
		}
		timer := time.NewTimer(time.Second)
		select {
		case <-news:
		case <-timer.C:
		case <-r.Context().Done():
		}
		timer.Stop()
	}
}

func (i *issuer) token(sid string) string {
	c := jwt.AccessClaims{Claims: jwt.Claims{Subject: "u1", Audience: jwt.Audience{audience}, ID: "jti-" + sid}, ClientID: "web", SessionID: sid}
	token, err := jwt.Sign(i.signing, c, jwt.SignOptions{Issuer: i.url, Lifetime: time.Hour, Type: "at+jwt"})
	if err != nil {
		i.t.Fatal(err)
	}
	return token
}

// follow starts a relay at a host, which follows another.
func (n *network) follow(t *testing.T, host, upstream string, change func(*relay.Options)) *relay.Relay {
	opts := relay.Options{Upstream: "http://" + upstream + "/v1/revocations", Client: n.client(t), Logger: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&opts)
	}
	r, err := relay.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); r.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	n.serve(t, host, r.Handler())
	return r
}

// guard starts a guard that follows the log at a host; discovery and keys are the
// issuer's.
func (n *network) guard(t *testing.T, i *issuer, host string) *guard.Guard {
	g, err := guard.New(guard.Config{
		Issuers: []guard.Issuer{{URL: i.url, Audience: []string{audience}, LogURL: "http://" + host + "/v1/revocations"}},
		Client:  n.client(t), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	return g
}

func status(t *testing.T, g *guard.Guard, token string) int {
	t.Helper()
	_, err := g.Verify(t.Context(), token)
	if err == nil {
		return 200
	}
	return err.(*guard.Refusal).Status
}
