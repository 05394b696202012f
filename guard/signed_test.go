package guard_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

const logKeysPath = "/log-keys"

// signedLog is a world whose log is signed and can be streamed. What stands
// between it and the guard may change everything but the keys.
type signedLog struct {
	*world
	mu       sync.Mutex
	key      *jwk.PrivateKey
	id       string
	entries  []revlog.Entry
	chains   []revlog.Chain // by number; the first is that before all entries
	first    uint64
	ahead    time.Duration // the log's clock
	changed  chan struct{}
	pageSize int

	tamper  func(p *revlog.Page) *revlog.Page // between log and guard
	cut     time.Duration                     // how long a stream lives; 0: for ever
	silent  bool                              // streams bring nothing
	closed  bool                              // streams are refused
	opened  int                               // streams so far
	polled  int
	resumed []string // the Last-Event-ID of each stream
	keyring []*jwk.PublicKey
	old     bool // the issuer signs nothing yet, and takes no acknowledgements

	hidden bool // log keys aren't in the issuer's document

	unasked bool // nobody waits for acknowledgements
	acked   []acknowledgement
	ackWith func(r *http.Request) (*http.Response, error) // instead of 204
}

func newSignedLog(t testing.TB) *signedLog {
	l := &signedLog{world: newWorld(t), changed: make(chan struct{}), pageSize: 100}
	l.begin("log-1")
	l.turnKey()
	return l
}

func (l *signedLog) with(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
	close(l.changed)
	l.changed = make(chan struct{})
}

// counts answers how many streams were opened and how many polls answered.
func (l *signedLog) counts() (opened, polled int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.opened, l.polled
}

func (l *signedLog) tampered() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tamper != nil
}

// begin makes an empty log. The caller holds the lock, or nobody else is there.
func (l *signedLog) begin(id string) {
	l.id, l.entries, l.chains, l.first = id, nil, []revlog.Chain{revlog.ChainStart(id)}, 1
}

func (l *signedLog) turnKey() {
	key, err := jwk.Generate(jwk.EdDSA)
	if err != nil {
		l.t.Fatal(err)
	}
	l.key, l.keyring = key, []*jwk.PublicKey{key.Public()}
}

func (l *signedLog) revoke(kind revlog.Kind, id string) (seq uint64) {
	l.with(func() {
		seq = uint64(len(l.entries)) + 1
		e := revlog.Entry{Seq: seq, Kind: kind, Hash: revlog.Hash(kind, id), Expiry: time.Now().Add(time.Hour).Unix()}
		l.entries, l.chains = append(l.entries, e), append(l.chains, l.chains[seq-1].Next(e))
	})
	return seq
}

// page is what the issuer answers now.
func (l *signedLog) page(after uint64) *revlog.Page {
	now := time.Now().Add(l.ahead)
	head := uint64(len(l.entries))
	after = min(max(after, l.first-1), head)
	p := &revlog.Page{Log: l.id, First: l.first, Head: head, Time: now.Unix()}
	end := min(int(head), int(after)+l.pageSize)
	p.Entries, p.More = slices.Clone(l.entries[after:end]), end < int(head)
	l.sign(p, now, l.key)
	p.Proof.Prev = l.chains[after]
	return p
}

func (l *signedLog) sign(p *revlog.Page, now time.Time, key *jwk.PrivateKey) {
	h := revlog.Head{Log: p.Log, Seq: p.Head, Chain: l.chains[p.Head], First: p.First, TimeMS: now.UnixMilli()}
	proof, err := h.Sign(key.KeyID(), key.Sign)
	if err != nil {
		l.t.Error(err)
		return
	}
	p.Proof = proof
}

// answer is what arrives at the guard.
func (l *signedLog) answer(after uint64) (data []byte, last uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.page(after)
	last = p.Last()
	if l.tamper != nil {
		p = l.tamper(p)
	}
	if l.old {
		p.Proof = nil
	}
	data, err := p.MarshalJSON()
	if err != nil {
		l.t.Error(err)
	}
	return data, last
}

func (l *signedLog) guard(t testing.TB, change func(*guard.Config)) *guard.Guard {
	return l.world.guard(t, func(cfg *guard.Config) {
		cfg.Client.Transport = roundTrip(l.roundTrip)
		if change != nil {
			change(cfg)
		}
	})
}

func (l *signedLog) roundTrip(r *http.Request) (*http.Response, error) {
	if l.isDown(r.URL.Path) {
		return nil, fmt.Errorf("%s: connection refused", r.URL.Path)
	}
	switch {
	case r.URL.Path == logPath && strings.HasPrefix(r.Header.Get("Accept"), revlog.EventType):
		return l.stream(r)
	case r.URL.Path == logPath:
		return l.poll(r)
	case r.URL.Path == logKeysPath:
		return l.keys(r)
	case r.URL.Path == ackPath:
		return l.acknowledge(r)
	case r.URL.Path == discoveryPath:
		return reply(r, l.document())
	}
	return l.world.RoundTrip(r)
}

func (l *signedLog) document() map[string]string {
	doc := map[string]string{
		"issuer": issuerURL, "jwks_uri": issuerURL + keysPath, "writ_revocations_endpoint": issuerURL + logPath,
		"writ_revocation_keys_endpoint": issuerURL + logKeysPath, "writ_revocation_ack_endpoint": issuerURL + ackPath,
		"introspection_endpoint": issuerURL + introspectionPath,
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.old || l.hidden {
		delete(doc, "writ_revocation_keys_endpoint")
		delete(doc, "writ_revocation_ack_endpoint")
	}
	return doc
}

func reply(r *http.Request, v any) (*http.Response, error) {
	data, err := json.Marshal(v)
	return respond(r, "application/json", io.NopCloser(strings.NewReader(string(data)))), err
}

func respond(r *http.Request, kind string, body io.ReadCloser) *http.Response {
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {kind}}, Request: r, Body: body}
}

func (l *signedLog) keys(r *http.Request) (*http.Response, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	set, err := jwk.NewSet(l.keyring...)
	if err != nil {
		return nil, err
	}
	return reply(r, set)
}

// await waits for an entry after a number.
func (l *signedLog) await(ctx context.Context, after uint64, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		l.mu.Lock()
		news, changed := uint64(len(l.entries)) != after, l.changed
		l.mu.Unlock()
		if news {
			return
		}
		select {
		case <-changed:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (l *signedLog) poll(r *http.Request) (*http.Response, error) {
	after, err := strconv.ParseUint(r.FormValue("after"), 10, 64)
	if err != nil {
		return nil, err
	}
	l.with(func() { l.polled++ })
	if wait, err := time.ParseDuration(r.FormValue("wait")); err == nil {
		l.await(r.Context(), after, wait)
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	data, _ := l.answer(after)
	return reply(r, json.RawMessage(data))
}

func (l *signedLog) stream(r *http.Request) (*http.Response, error) {
	after, err := strconv.ParseUint(r.Header.Get("Last-Event-ID"), 10, 64)
	if err != nil {
		return nil, err
	}
	var refused bool
	l.with(func() {
		l.opened++
		l.resumed = append(l.resumed, r.Header.Get("Last-Event-ID"))
		refused = l.closed
	})
	if refused {
		resp := respond(r, "application/json", http.NoBody)
		resp.StatusCode = http.StatusServiceUnavailable
		return resp, nil
	}
	in, out := io.Pipe()
	go l.write(r.Context(), out, after)
	return respond(r, revlog.EventType, in), nil
}

// write streams until the guard goes, or the stream is to be cut.
func (l *signedLog) write(ctx context.Context, out *io.PipeWriter, after uint64) {
	stop := context.AfterFunc(ctx, func() { out.CloseWithError(context.Cause(ctx)) })
	defer stop()
	defer out.Close()
	began := time.Now()
	for {
		l.mu.Lock()
		cut, silent, ask := l.cut, l.silent, "ack: wanted\n"
		if l.unasked {
			ask = ""
		}
		l.mu.Unlock()
		if cut > 0 && time.Since(began) >= cut {
			return
		}
		data, last := l.answer(after)
		after = last
		if !silent {
			if _, err := fmt.Fprintf(out, "%sid: %d\ndata: %s\n\n", ask, last, data); err != nil {
				return
			}
		}
		l.await(ctx, after, time.Second)
		if ctx.Err() != nil {
			return
		}
	}
}

// tokenOf signs a token of a session.
func (l *signedLog) tokenOf(sid string) string {
	return l.token(func(c *jwt.AccessClaims) { c.SessionID = sid })
}

func (l *signedLog) check(t *testing.T, what string, g *guard.Guard, sid string, want int) {
	t.Helper()
	_, err := g.Verify(t.Context(), l.tokenOf(sid))
	wantStatus(t, what+": "+sid, err, want)
}

// No time passes between a revocation and its refusal, and one stream carries
// all.
func TestStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newSignedLog(t)
		for n := range 250 { // in three pages
			l.revoke(revlog.Session, fmt.Sprint("old-", n))
		}
		g := l.guard(t, nil)
		l.check(t, "loaded", g, "old-0", 401)
		l.check(t, "loaded", g, "old-249", 401)
		for n := range 600 {
			sid := fmt.Sprint("new-", n)
			l.check(t, "before", g, sid, 200)
			l.revoke(revlog.Session, sid)
			synctest.Wait()
			l.check(t, "after", g, sid, 401)
			time.Sleep(time.Second)
		}
		if opened, polled := l.counts(); opened != 1 || polled != 3 || l.resumed[0] != "250" {
			t.Errorf("%d streams from %v, %d polls; want one stream after three polls", opened, l.resumed, polled)
		}
		if s := g.Stats().Issuers[0]; s.Sequence != 850 || !s.Fresh || s.Revoked != 850 {
			t.Errorf("stats %+v, want 850 entries", s)
		}
	})
}

// Whatever happens to streams, the guard stays fresh and learns of revocations
// in seconds.
func TestStreamsThatFail(t *testing.T) {
	for name, c := range map[string]struct {
		fault func(l *signedLog)
		late  time.Duration // after how long the guard knows
		most  int           // requests in an hour, with a revocation each ten seconds
	}{
		"cut each minute":     {func(l *signedLog) { l.cut = time.Minute }, 200 * time.Millisecond, 70},
		"cut at once":         {func(l *signedLog) { l.cut = time.Nanosecond }, 200 * time.Millisecond, 1200},
		"cut after 2 s":       {func(l *signedLog) { l.cut = 2 * time.Second }, 200 * time.Millisecond, 1200},
		"silent from the top": {func(l *signedLog) { l.silent = true }, 11 * time.Second, 1200},
		"refused":             {func(l *signedLog) { l.closed = true }, 2 * time.Second, 1200},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newSignedLog(t)
				c.fault(l)
				g := l.guard(t, nil)
				for n := range 360 {
					sid := fmt.Sprint("sid-", n)
					l.check(t, "before", g, sid, 200)
					l.revoke(revlog.Session, sid)
					time.Sleep(c.late)
					synctest.Wait()
					l.check(t, fmt.Sprint("after ", c.late), g, sid, 401)
					time.Sleep(10*time.Second - c.late%(10*time.Second))
				}
				if opened, polled := l.counts(); opened+polled > c.most {
					t.Errorf("%d streams, %d polls, want at most %d", opened, polled, c.most)
				}
			})
		})
	}
}

// A stream that falls silent later is opened again while what it brought is
// fresh still.
func TestStreamFallsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newSignedLog(t)
		g := l.guard(t, nil)
		l.check(t, "at first", g, "x", 200)
		time.Sleep(time.Minute)
		l.with(func() { l.silent = true })
		time.Sleep(12 * time.Second)
		l.with(func() { l.silent = false })
		l.revoke(revlog.Session, "x")
		time.Sleep(time.Second)
		synctest.Wait()
		l.check(t, "again", g, "x", 401)
		l.check(t, "again", g, "y", 200)
		if opened, _ := l.counts(); opened != 2 {
			t.Errorf("%d streams, want 2", opened)
		}
	})
}
