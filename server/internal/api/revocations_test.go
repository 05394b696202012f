package api_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/server/internal/api"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/edge/caller"
	"github.com/writ-auth/writ/server/internal/revocation"
)

// page reads an answer as a follower does.
func page(a *answer) *revlog.Page {
	a.t.Helper()
	p, err := revlog.Decode([]byte(a.ok().text))
	if err != nil {
		a.t.Fatalf("%s: %v", a.what, err)
	}
	return p
}

func TestRevocationLog(t *testing.T) {
	s := start(t)
	empty := s.do("GET", "/v1/revocations", "")
	if p := page(empty); p.Head != 0 || len(p.Entries) != 0 || p.Log == "" || p.Time != s.clock().Unix() {
		t.Errorf("an empty log: %+v", p)
	}
	if got := empty.header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control %q", got)
	}
	var last float64
	for range 3 {
		a := s.login(adminMail).ok()
		last = s.do("POST", "/v1/logout", "", bearer(a.str("access_token"))).seq()
	}
	all := page(s.do("GET", "/v1/revocations?after=0", ""))
	if len(all.Entries) != 3 || all.Head != uint64(last) || all.More {
		t.Errorf("page %+v, want 3 entries up to %v", all, last)
	}
	first := page(s.do("GET", "/v1/revocations?limit=2", ""))
	if len(first.Entries) != 2 || !first.More || first.Head != uint64(last) {
		t.Errorf("first page %+v", first)
	}
	rest := page(s.do("GET", "/v1/revocations?after=2&unknown=1", ""))
	if len(rest.Entries) != 1 || rest.Entries[0].Seq != uint64(last) || rest.More {
		t.Errorf("rest %+v", rest)
	}
	for _, q := range []string{"after=-1", "after=x", "after=1&after=2", "after=18446744073709551616", "limit=0", "limit=x", "wait=1", "wait=-1s", "wait=x"} {
		s.do("GET", "/v1/revocations?"+q, "").is(400, "invalid_request")
	}
	s.do("POST", "/v1/revocations", "{}").is(405, "method_not_allowed")
}

// What the log says can be believed whoever passes it on: the keys come from the
// issuer, and discovery says where they are.
func TestLogIsSigned(t *testing.T) {
	s := start(t)
	s.do("POST", "/v1/logout", "", bearer(s.login(adminMail).ok().str("access_token"))).ok()
	discovery := s.do("GET", "/.well-known/openid-configuration", "").ok()
	path, ok := strings.CutPrefix(discovery.str("writ_revocation_keys_endpoint"), issuer)
	if !ok {
		t.Fatalf("discovery: %s", discovery.text)
	}
	keys, err := jwk.ParseSet([]byte(s.do("GET", path, "").ok().text))
	if err != nil {
		t.Fatal(err)
	}
	p := page(s.do("GET", "/v1/revocations", ""))
	key, err := keys.FindKey(t.Context(), jwk.EdDSA, p.Proof.KeyID)
	if err != nil || !key.Verify(p.SignedHead().Message(), p.Proof.Signature[:]) {
		t.Errorf("the head isn't signed by a published key: %v", err)
	}
	if p.Proof.Prev != revlog.ChainStart(p.Log) || p.ChainAfter() != p.Proof.Chain || p.Proof.TimeMS != s.clock().UnixMilli() {
		t.Errorf("page %+v, proof %+v", p, p.Proof)
	}
}

func TestFullPages(t *testing.T) {
	s := start(t)
	for _, number := range []string{"0", "1", "x", "-1", "1099511627776", "9223372036854775808"} {
		if a := s.do("GET", "/v1/revocations/pages/"+number, "").is(404, "not_found"); strings.Contains(a.header.Get("Cache-Control"), "immutable") {
			t.Errorf("page %s: %v", number, a.header)
		}
	}
	full := revlog.FullPage{Log: "l", Number: 7, Entries: make([]revlog.Entry, revlog.PageSize)}
	for i := range full.Entries {
		full.Entries[i].Seq = 7*revlog.PageSize + uint64(i) + 1
	}
	mux := http.NewServeMux()
	none := func(context.Context) ([]string, error) { return nil, nil }
	api.New(api.Options{Revocations: onePage{page: &full}, Callers: &caller.Finder{Origins: none}}).Register(mux)
	a := serve(t, mux, "GET", "/v1/revocations/pages/7", "").is(200, "")
	if got, err := revlog.DecodeFull([]byte(a.text)); err != nil || got.Number != 7 || len(got.Entries) != revlog.PageSize {
		t.Errorf("page: %v", err)
	}
	etag := a.header.Get("ETag")
	if a.header.Get("Cache-Control") != "public, max-age=31536000, immutable" || etag == "" {
		t.Errorf("header %v", a.header)
	}
	if a := serve(t, mux, "GET", "/v1/revocations/pages/7", "", header("If-None-Match", etag)).is(304, ""); a.text != "" {
		t.Errorf("304 with %d bytes", len(a.text))
	}
}

// onePage is a log with a full page.
type onePage struct {
	api.Revocations
	page *revlog.FullPage
}

func (l onePage) FullPage(context.Context, uint64) (*revlog.FullPage, revlog.Chain, error) {
	return l.page, revlog.Chain{1}, nil
}

func TestLongPollEndsWithARevocation(t *testing.T) {
	s := start(t)
	a := s.login(adminMail).ok()
	answered := make(chan *answer)
	go func() { answered <- s.do("GET", "/v1/revocations?after=0&wait=25s", "") }()
	seq := s.do("POST", "/v1/logout", "", bearer(a.str("access_token"))).seq()
	if p := page(<-answered); p.Head < uint64(seq) || len(p.Entries) == 0 {
		t.Errorf("the long poll answers %+v, want entry %v", p, seq)
	}
}

// log is a revocation log whose reading the test controls.
type log func(ctx context.Context, wait time.Duration) (revlog.Page, error)

func (log) Follow(string) func()                                      { return func() {} }
func (log) Acknowledge(context.Context, string, string, uint64) error { return nil }
func (log) Await(context.Context, uint64, time.Duration) (revocation.Acknowledged, error) {
	return revocation.Acknowledged{}, nil
}

func (log) FullPage(context.Context, uint64) (*revlog.FullPage, revlog.Chain, error) {
	return nil, revlog.Chain{}, errors.New("not here")
}

func (l log) Page(ctx context.Context, _ uint64, _ int, wait time.Duration) (revlog.Page, error) {
	return l(ctx, wait)
}

func (log) Stream(context.Context, uint64, func([]byte) error) error {
	return errors.New("no streams here")
}

func door(l log, waiters int) http.Handler {
	mux := http.NewServeMux()
	none := func(context.Context) ([]string, error) { return nil, nil }
	api.New(api.Options{Revocations: l, Callers: &caller.Finder{Origins: none}, Waiters: waiters, Now: time.Now}).Register(mux)
	return mux
}

// A page says that there is nothing more; who can't read the log says nothing.
func TestUnreadableLogIsSilent(t *testing.T) {
	h := door(func(context.Context, time.Duration) (revlog.Page, error) {
		return revlog.Page{Log: "l", Time: 1}, errors.New("disk on fire at /secret/path")
	}, 0)
	a := serve(t, h, "GET", "/v1/revocations", "").is(503, "unavailable")
	if a.header.Get("Retry-After") == "" || a.body["entries"] != nil || a.body["detail"] == "disk on fire at /secret/path" {
		t.Errorf("answer %s, Retry-After %q", a.text, a.header.Get("Retry-After"))
	}
}

func TestWaitersAreBounded(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	h := door(func(_ context.Context, wait time.Duration) (revlog.Page, error) {
		if wait > 0 {
			entered <- struct{}{}
			<-leave
		}
		return revlog.Page{Log: "l", Time: 1}, nil
	}, 2)
	done := make(chan *answer)
	poll := func() { done <- serve(t, h, "GET", "/v1/revocations?wait=10s", "") }
	for range 2 {
		go poll()
		<-entered
	}
	a := serve(t, h, "GET", "/v1/revocations?wait=10s", "").is(503, "unavailable")
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	serve(t, h, "GET", "/v1/revocations", "").ok() // without waiting there is no limit
	close(leave)
	for range 2 {
		(<-done).ok()
	}
	// The places are free again.
	go poll()
	<-entered
	(<-done).ok()
}

func TestWaitIsCapped(t *testing.T) {
	var got time.Duration
	h := door(func(_ context.Context, wait time.Duration) (revlog.Page, error) {
		got = wait
		return revlog.Page{Log: "l", Time: 1}, nil
	}, 0)
	serve(t, h, "GET", "/v1/revocations?wait=24h", "").ok()
	if got != revlog.MaxWait {
		t.Errorf("waits %v, want %v", got, revlog.MaxWait)
	}
}

// An error with a code of its own is answered as what it is.
func TestOverloadedLog(t *testing.T) {
	h := door(func(context.Context, time.Duration) (revlog.Page, error) {
		return revlog.Page{}, &auth.Error{Code: auth.CodeTooMany, Message: "later", RetryAfter: 3 * time.Second}
	}, 0)
	if a := serve(t, h, "GET", "/v1/revocations", "").is(429, "too_many_requests"); a.header.Get("Retry-After") != "3" {
		t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
	}
}
