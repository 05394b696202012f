package guard_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/guardtest"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

const reports = "https://reports.example"

// signing is an API that takes JWTs of its clients, and counts what it asks its
// issuer about them.
type signing struct {
	*guardtest.Issuer
	guard *guard.Guard
	asked atomic.Int64
	down  atomic.Bool // the issuer answers nothing about clients
}

func newSigning(t testing.TB, change func(*guard.Config)) *signing {
	t.Helper()
	s := &signing{Issuer: guardtest.NewIssuer(t)}
	cfg := s.Config(reports)
	cfg.Issuers[0].ClientSigned = &guard.ClientSigned{}
	inner := cfg.Client.Transport
	cfg.Client = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.URL.Path == "/oauth/client-keys" {
			s.asked.Add(1)
			if s.down.Load() {
				return nil, errors.New("down")
			}
		}
		return inner.RoundTrip(r)
	})}
	if change != nil {
		change(&cfg)
	}
	var err error
	if s.guard, err = guard.New(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.guard.Close() })
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.guard.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	return s
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// status is what a request with a token gets.
func (s *signing) status(token string, rules ...guard.Rule) int {
	_, err := s.guard.Verify(context.Background(), token, rules...)
	var refusal *guard.Refusal
	if errors.As(err, &refusal) {
		return refusal.Status
	}
	return 200
}

func (s *signing) want(t *testing.T, what, token string, status int, rules ...guard.Rule) {
	t.Helper()
	if got := s.status(token, rules...); got != status {
		t.Errorf("%s: status %d, want %d", what, got, status)
	}
}

// A service's own JWT is worth what the service is registered for.
func TestClientSigned(t *testing.T) {
	s := newSigning(t, nil)
	c := s.Client("billing", "read", "export")
	a, err := s.guard.Verify(t.Context(), c.Token(reports), guard.Scope("read"))
	if err != nil {
		t.Fatal(err)
	}
	claims := a.Claims()
	if a.Subject() != "billing" || claims.ClientID != "billing" || claims.Issuer != guardtest.URL || claims.Scope.String() != "read export" ||
		!a.IsClient() || !a.SignedByClient() || len(claims.Roles) != 0 {
		t.Errorf("access %+v", claims)
	}
	s.want(t, "a scope that it isn't registered for", c.Token(reports), 403, guard.Scope("write"))
	for range 5 {
		s.want(t, "a further JWT", c.Token(reports), 200)
	}
	if n := s.asked.Load(); n != 1 {
		t.Errorf("the issuer was asked %d times, want once", n)
	}
	// Over HTTP, beside tokens of the issuer.
	h := s.guard.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, guard.From(r.Context()).Subject(), guard.From(r.Context()).SignedByClient())
	}))
	for _, tt := range []struct{ token, want string }{
		{c.Token(reports), "billingtrue"}, {s.Token(reports, jwt.AccessClaims{}), "userfalse"},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, guardtest.Bearer(httptest.NewRequest("GET", "/", nil), tt.token))
		if w.Code != 200 || w.Body.String() != tt.want {
			t.Errorf("%d %s, want %s", w.Code, w.Body, tt.want)
		}
	}
	// A guard that doesn't say so takes none.
	if _, err := s.Guard(reports).Verify(t.Context(), c.Token(reports)); err == nil {
		t.Error("taken by a guard that was not told to")
	}
}

// Of what the client writes about itself nothing counts.
func TestClientSignedClaimsAreNotBelieved(t *testing.T) {
	s := newSigning(t, nil)
	c := s.Client("billing", "read")
	a, err := s.guard.Verify(t.Context(), guardtest.SignAs(c, jwt.AccessClaims{
		Claims: jwt.Claims{Subject: "billing", Audience: jwt.Audience{reports}}, ClientID: "root", SessionID: "s", Scope: jwt.Scope{"read", "write"},
		Roles: []string{"admin"}, Permissions: []string{"all"}, Email: "root@example.com", Epochs: []string{"another"},
		AuthTime: jwt.NumericDate(s.Now()), ACR: "high", Org: "acme",
	}))
	if err != nil {
		t.Fatal(err)
	}
	got := a.Claims()
	if got.ClientID != "billing" || got.SessionID != "" || got.Scope.String() != "read" || got.Roles != nil || got.Permissions != nil ||
		got.Email != "" || got.ACR != "" || got.Org != "" || !got.AuthTime.IsZero() || got.Epochs[0] == "another" {
		t.Errorf("the JWT's own claims count: %+v", got)
	}
	if a.HasRole("admin") || a.HasPermission("all") || a.HasScope("write") {
		t.Error("it has what it says of itself")
	}
	var refusal *guard.Refusal
	if _, err := guard.As[jwt.AccessClaims](a); !errors.As(err, &refusal) || refusal.Status != 403 {
		t.Errorf("As answers what the bearer wrote: %v", err)
	}
}

// claim changes what a client signs.
type claim = map[string]any

// forged signs header and payload with any key.
func forged(t *testing.T, key *jwk.PrivateKey, header, payload claim) string {
	t.Helper()
	h, err1 := json.Marshal(header)
	p, err2 := json.Marshal(payload)
	input := encode(h) + "." + encode(p)
	signature, err3 := key.Sign([]byte(input))
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	return input + "." + encode(signature)
}

func TestClientSignedRefuses(t *testing.T) {
	s := newSigning(t, nil)
	billing := s.Client("billing", "read")
	s.Client("other", "read")
	now := s.Now()
	date := func(d time.Duration) jwt.NumericDate { return jwt.NumericDate(now.Add(d)) }
	good := jwt.Claims{Subject: "billing", Audience: jwt.Audience{reports}}
	with := func(change func(*jwt.Claims)) string {
		c := good
		c.IssuedAt, c.Expiry, c.ID = date(0), date(time.Minute), fmt.Sprint(time.Now().UnixNano())
		change(&c)
		return guardtest.SignAs(billing, c)
	}
	for what, tt := range map[string]struct {
		token string
		why   error
	}{
		"another API's":            {with(func(c *jwt.Claims) { c.Audience = jwt.Audience{"https://other.example"} }), jwt.ErrAudience},
		"for two APIs":             {with(func(c *jwt.Claims) { c.Audience = jwt.Audience{reports, "https://other.example"} }), jwt.ErrAudience},
		"for the issuer":           {with(func(c *jwt.Claims) { c.Audience = jwt.Audience{guardtest.URL} }), jwt.ErrAudience},
		"for another subject":      {with(func(c *jwt.Claims) { c.Subject = "user" }), jwt.ErrClaim},
		"of another client":        {with(func(c *jwt.Claims) { c.Issuer, c.Subject = "other", "other" }), jwt.ErrKey},
		"of the issuer":            {with(func(c *jwt.Claims) { c.Issuer = guardtest.URL }), jwt.ErrKey},
		"of nobody":                {with(func(c *jwt.Claims) { c.Issuer, c.Subject = "nobody", "nobody" }), jwt.ErrKey},
		"expired":                  {with(func(c *jwt.Claims) { c.Expiry = date(-31 * time.Second) }), jwt.ErrExpired},
		"of a long life":           {with(func(c *jwt.Claims) { c.Expiry = date(6 * time.Minute) }), jwt.ErrClaim},
		"made long ago":            {with(func(c *jwt.Claims) { c.IssuedAt = date(-6 * time.Minute) }), jwt.ErrTooOld},
		"made before the guard":    {with(func(c *jwt.Claims) { c.IssuedAt = date(-time.Second) }), jwt.ErrTooOld},
		"made in the future":       {with(func(c *jwt.Claims) { c.IssuedAt, c.Expiry = date(2*time.Minute), date(3*time.Minute) }), jwt.ErrNotYetValid},
		"not valid yet":            {with(func(c *jwt.Claims) { c.NotBefore = date(40 * time.Second) }), jwt.ErrNotYetValid},
		"an access token's claims": {s.Token(reports, jwt.AccessClaims{Claims: jwt.Claims{Issuer: "billing"}}), jwt.ErrKey},
	} {
		_, err := s.guard.Verify(t.Context(), tt.token)
		var refusal *guard.Refusal
		if !errors.Is(err, tt.why) || !errors.As(err, &refusal) || refusal.Status != 401 || refusal.Code != "invalid_token" {
			t.Errorf("%s: %v, want a 401 for %v", what, err, tt.why)
		}
	}
	thief, err := jwk.Generate(jwk.ES256)
	if err != nil {
		t.Fatal(err)
	}
	header := claim{"typ": guard.TypeClientSigned, "alg": "ES256"}
	body := claim{"iss": "billing", "sub": "billing", "aud": reports, "iat": now.Unix(), "exp": now.Unix() + 60, "jti": "x"}
	changed := func(base claim, name string, value any) claim {
		out := claim{}
		for k, v := range base {
			out[k] = v
		}
		if out[name] = value; value == nil {
			delete(out, name)
		}
		return out
	}
	public, err := json.Marshal(thief.Public())
	if err != nil {
		t.Fatal(err)
	}
	for what, token := range map[string]string{
		"another key":           forged(t, thief, header, body),
		"the key in the header": forged(t, thief, changed(header, "jwk", json.RawMessage(public)), body),
		"a link to the key":     forged(t, thief, changed(header, "jku", "https://evil.example"), body),
		"a kid":                 forged(t, thief, changed(header, "kid", "x"), body),
		"another algorithm":     forged(t, thief, changed(header, "alg", "RS256"), body),
		"no algorithm":          forged(t, thief, changed(header, "alg", "none"), body),
		"no typ":                forged(t, thief, changed(header, "typ", nil), body),
		"typ at+jwt":            forged(t, thief, changed(header, "typ", "at+jwt"), body),
		"crit":                  forged(t, thief, changed(header, "crit", []string{"exp"}), body),
		"aud as a list":         forged(t, thief, header, changed(body, "aud", []string{reports})),
		"no aud":                forged(t, thief, header, changed(body, "aud", nil)),
		"no iss":                forged(t, thief, header, changed(body, "iss", nil)),
		"iss a number":          forged(t, thief, header, changed(body, "iss", 7)),
		"a long name":           forged(t, thief, header, changed(body, "iss", strings.Repeat("a", 129))),
	} {
		s.want(t, what, token, 401)
	}
	for _, missing := range []string{"exp", "iat", "jti", "sub"} {
		c := good
		claims := changed(claim{"iss": "billing", "sub": c.Subject, "aud": reports, "iat": now.Unix(), "exp": now.Unix() + 60, "jti": missing}, missing, nil)
		s.want(t, "without "+missing, guardtest.SignRaw(billing, claims), 401)
	}
	s.want(t, "a bound one", guardtest.SignRaw(billing, changed(body, "cnf", claim{"jkt": "x"})), 401)
	s.want(t, "a good one", guardtest.SignRaw(billing, body), 200)
}

// A jti counts once, at whatever number of requests at a time, and its memory is
// bounded: who fills it keeps out nobody else.
func TestClientSignedIsUsedOnce(t *testing.T) {
	s := newSigning(t, func(cfg *guard.Config) { cfg.Issuers[0].ClientSigned.MaxUsed = 40 })
	flood, quiet := s.Client("flood", "read"), s.Client("quiet", "read")
	token := quiet.Token(reports)
	var good atomic.Int64
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if s.status(token) == 200 {
				good.Add(1)
			}
		})
	}
	all.Wait()
	if good.Load() != 1 {
		t.Errorf("%d of 20 were taken, want one", good.Load())
	}
	if _, err := s.guard.Verify(t.Context(), token); !errors.Is(err, guard.ErrReplayed) {
		t.Errorf("a second use: %v", err)
	}
	taken := 0
	for range 50 {
		if s.status(flood.Token(reports)) == 200 {
			taken++
		}
	}
	if taken != 10 {
		t.Errorf("one client has %d JWTs remembered, want a quarter of 40", taken)
	}
	s.want(t, "a flood", flood.Token(reports), 503)
	s.want(t, "another client beside it", quiet.Token(reports), 200)
	s.Advance(92 * time.Second) // a minute and the leeway
	s.want(t, "when the flood has expired", flood.Token(reports), 200)
	s.want(t, "the first, long expired", token, 401)
}

// The revocation of a client counts at once, and for all that it signed before.
func TestClientSignedRevocation(t *testing.T) {
	s := newSigning(t, nil)
	c := s.Client("billing", "read")
	s.want(t, "before", c.Token(reports), 200)
	kept := c.Token(reports)
	s.Advance(2 * time.Second)
	s.RevokeUser("billing")
	s.want(t, "signed before the revocation", kept, 401)
	s.Advance(2 * time.Second)
	s.want(t, "signed afterwards, by a client that is there", c.Token(reports), 200)
	s.want(t, "still", kept, 401)
	s.Advance(2 * time.Second)
	c.Remove()
	s.want(t, "of a client that is gone", c.Token(reports), 401)
	s.Advance(2 * time.Minute)
	s.want(t, "later", c.Token(reports), 401)
}

// A new key is found, and an old one counts a minute more.
func TestClientSignedNewKey(t *testing.T) {
	s := newSigning(t, nil)
	c := s.Client("billing", "read")
	s.want(t, "the first key", c.Token(reports), 200)
	old := c.Token(reports)
	s.Advance(10 * time.Second)
	c.Rotate()
	s.want(t, "the next key", c.Token(reports), 200)
	s.want(t, "the first, replaced", old, 401)
}

// Made-up names and keys lead to few questions, and nobody else waits for them.
func TestClientSignedQuestionsAreBounded(t *testing.T) {
	s := newSigning(t, nil)
	known := s.Client("billing", "read")
	s.want(t, "the known client", known.Token(reports), 200)
	key, err := jwk.Generate(jwk.ES256)
	if err != nil {
		t.Fatal(err)
	}
	now := s.Now().Unix()
	forge := func(client, kid string) string {
		return forged(t, key, claim{"typ": guard.TypeClientSigned, "alg": "ES256", "kid": kid},
			claim{"iss": client, "sub": client, "aud": reports, "iat": now, "exp": now + 60, "jti": kid})
	}
	before := s.asked.Load()
	for i := range 100 {
		if got := s.status(forge("billing", fmt.Sprint(i))); got != 401 {
			t.Fatalf("a made-up key: %d", got)
		}
	}
	if n := s.asked.Load() - before; n > 1 {
		t.Errorf("100 made-up keys lead to %d questions", n)
	}
	before = s.asked.Load()
	counts := map[int]int{}
	for i := range 100 {
		counts[s.status(forge(fmt.Sprintf("nobody-%d", i), "k"))]++
	}
	if n := s.asked.Load() - before; n > 20 {
		t.Errorf("100 made-up names lead to %d questions", n)
	}
	if counts[401]+counts[503] != 100 || counts[503] == 0 {
		t.Errorf("answers %v", counts)
	}
	s.want(t, "the known client, meanwhile", known.Token(reports), 200)
	s.Advance(time.Second)
	s.want(t, "a new client, when it is over", s.Client("new", "read").Token(reports), 200)
}

// An answer about another client, as a broken cache would give it, counts for
// nobody.
func TestClientSignedMixedUp(t *testing.T) {
	var mixed atomic.Bool
	s := newSigning(t, func(cfg *guard.Config) {
		inner := cfg.Client.Transport
		cfg.Client = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.URL.Path == "/oauth/client-keys" && mixed.Load() {
				form := "client=root&audience=" + reports
				r = r.Clone(r.Context())
				r.Body, r.ContentLength = io.NopCloser(strings.NewReader(form)), int64(len(form))
			}
			return inner.RoundTrip(r)
		})}
	})
	root := s.Client("root", "everything")
	mixed.Store(true)
	s.want(t, "root's key and scope for another", guardtest.SignAs(root, jwt.Claims{
		Issuer: "billing", Subject: "billing", Audience: jwt.Audience{reports}}), 503)
	s.want(t, "root itself", root.Token(reports), 200)
}

// While the issuer can't be asked, what is known counts for ten minutes; about
// strangers there is no verdict.
func TestClientSignedIssuerIsDown(t *testing.T) {
	s := newSigning(t, nil)
	c, stranger := s.Client("billing", "read"), s.Client("stranger", "read")
	s.want(t, "up", c.Token(reports), 200)
	s.down.Store(true)
	s.want(t, "a stranger", stranger.Token(reports), 503)
	s.Advance(5 * time.Minute)
	s.want(t, "after five minutes", c.Token(reports), 200)
	s.Advance(6 * time.Minute)
	s.want(t, "after eleven", c.Token(reports), 503)
	s.down.Store(false)
	s.Advance(10 * time.Second)
	s.want(t, "up again", c.Token(reports), 200)
}

func TestClientSignedConfig(t *testing.T) {
	issuer := guardtest.NewIssuer(t)
	for what, change := range map[string]func(*guard.Config){
		"a long life":     func(cfg *guard.Config) { cfg.Issuers[0].ClientSigned.MaxLifetime = time.Hour },
		"a negative life": func(cfg *guard.Config) { cfg.Issuers[0].ClientSigned.MaxLifetime = -1 },
		"much memory":     func(cfg *guard.Config) { cfg.Issuers[0].ClientSigned.MaxUsed = 1 << 30 },
		"no credentials":  func(cfg *guard.Config) { cfg.Credentials = nil },
		"no log":          func(cfg *guard.Config) { cfg.Issuers[0].Revocation = guard.DontFollow },
		"online":          func(cfg *guard.Config) { cfg.Issuers[0].Revocation = guard.Online },
		"two issuers": func(cfg *guard.Config) {
			cfg.Issuers[0].Credentials, cfg.Credentials = cfg.Credentials, nil
			second := cfg.Issuers[0]
			second.URL = "https://second.test"
			cfg.Issuers = append(cfg.Issuers, second)
		},
	} {
		cfg := issuer.Config(reports)
		cfg.Issuers[0].ClientSigned = &guard.ClientSigned{}
		change(&cfg)
		if g, err := guard.New(cfg); err == nil {
			t.Errorf("%s is taken", what)
			_ = g.Close()
		} else if !strings.Contains(err.Error(), "ClientSigned") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// FuzzClientSigned shows anything as a JWT that a client has signed.
func FuzzClientSigned(f *testing.F) {
	s := newSigning(f, nil)
	c := s.Client("billing", "read")
	good := c.Token(reports)
	f.Add(good)
	f.Add(good[:len(good)-3])
	f.Add(encode([]byte(`{"typ":"client-access+jwt","alg":"ES256"}`)) + "." + encode([]byte(`{"iss":"billing","aud":"`+reports+`"}`)) + ".AAAA")
	f.Add(encode([]byte(`{"typ":"application/Client-Access+JWT","alg":"ES256"}`)) + "." + encode([]byte(`{"iss":"\u0000","aud":["`+reports+`"]}`)) + ".AAAA")
	f.Fuzz(func(t *testing.T, token string) {
		if a, err := s.guard.Verify(t.Context(), token); err == nil && (token != good || a.Subject() != "billing") {
			t.Errorf("taken: %q", token)
		}
	})
}
