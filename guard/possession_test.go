package guard_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/writ-auth/writ/dpop"
	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/guardtest"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

const algs = `algs="ES256 EdDSA Ed25519 ES384 ES512 PS256 PS384 PS512 RS256 RS384 RS512"`

// prove puts a token under a scheme and proofs into a request.
func prove(r *http.Request, scheme, token string, proofs ...string) *http.Request {
	r.Header.Set("Authorization", scheme+" "+token)
	for _, proof := range proofs {
		r.Header.Add("DPoP", proof)
	}
	return r
}

func sign(t *testing.T, s *dpop.Signer, method, url, token, nonce string) string {
	t.Helper()
	proof, err := s.Sign(dpop.Request{Method: method, URL: url, AccessToken: token}, nonce)
	if err != nil {
		t.Fatal(err)
	}
	return proof
}

func TestPossession(t *testing.T) {
	issuer, g := newGuard(t, nil)
	h := g.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(guard.From(r.Context()).Subject()))
	}))
	token, signer := issuer.Bound(audience, jwt.AccessClaims{})
	other, stranger := issuer.Bound(audience, jwt.AccessClaims{})
	unbound := issuer.Token(audience, jwt.AccessClaims{})
	const url = "http://example.com/orders"
	proof := func(change func(method, url, token *string)) string {
		method, address, of := "GET", url, token
		change(&method, &address, &of)
		return sign(t, signer, method, address, of, "")
	}
	good := func() string { return proof(func(_, _, _ *string) {}) }
	used := good()
	if w := serve(h, prove(get("/orders?a=b"), "DPoP", token, used)); w.Code != 200 || w.Body.String() != "user" || w.Header().Get("DPoP-Nonce") != "" {
		t.Fatalf("a good proof: %d %s", w.Code, w.Body)
	}
	old := good()
	issuer.Advance(61 * time.Second)
	const invalid, bad, asBearer = `error="invalid_token"`, `error="invalid_dpop_proof"`, `Bearer realm="api", error="invalid_token"`
	for name, c := range map[string]struct {
		r         *http.Request
		challenge string // "" is good; a parameter stands for DPoP's
	}{
		"good":                       {prove(get("/orders"), "DPoP", token, good()), ""},
		"scheme in small letters":    {prove(get("/orders"), "dpop", token, good()), ""},
		"used before":                {prove(get("/orders"), "DPoP", token, used), bad},
		"too old":                    {prove(get("/orders"), "DPoP", token, old), bad},
		"no proof":                   {prove(get("/orders"), "DPoP", token), bad},
		"two proofs":                 {prove(get("/orders"), "DPoP", token, good(), good()), bad},
		"not a proof":                {prove(get("/orders"), "DPoP", token, token), bad},
		"another method":             {prove(httptest.NewRequest("POST", "/orders", nil), "DPoP", token, good()), bad},
		"another path":               {prove(get("/orders/1"), "DPoP", token, good()), bad},
		"another host":               {prove(get("/orders"), "DPoP", token, proof(func(_, u, _ *string) { *u = "http://evil.example/orders" })), bad},
		"another scheme":             {prove(get("/orders"), "DPoP", token, proof(func(_, u, _ *string) { *u = "https://example.com/orders" })), bad},
		"another token's proof":      {prove(get("/orders"), "DPoP", token, proof(func(_, _, of *string) { *of = other })), bad},
		"proof of no token":          {prove(get("/orders"), "DPoP", token, proof(func(_, _, of *string) { *of = "" })), bad},
		"another key":                {prove(get("/orders"), "DPoP", token, sign(t, stranger, "GET", url, token, "")), bad},
		"as a bearer token":          {prove(get("/orders"), "Bearer", token, good()), asBearer},
		"as a bearer token, alone":   {prove(get("/orders"), "Bearer", token), asBearer},
		"an unbound token":           {prove(get("/orders"), "DPoP", unbound, sign(t, signer, "GET", url, unbound, "")), invalid},
		"no token":                   {prove(get("/orders"), "DPoP", "x", good()), invalid},
		"two tokens":                 {prove(get("/orders"), "DPoP", token+", "+token, good()), `error="invalid_request"`},
		"forwarded headers mean nil": {withForwarded(prove(get("/orders"), "DPoP", token, proof(func(_, u, _ *string) { *u = "https://api.example.com/orders" }))), bad},
	} {
		w := serve(h, c.r)
		want := c.challenge
		if want != "" && !strings.HasPrefix(want, "Bearer") {
			want = `DPoP realm="api", ` + algs + `, ` + want
		}
		if got := w.Header().Get("WWW-Authenticate"); (want == "") != (w.Code == 200) || got != want {
			t.Errorf("%s: %d, %s\nwant %s", name, w.Code, got, want)
		}
	}
	if n := g.Stats().Refused["proof"]; n != 13 {
		t.Errorf("%d refused for their proof, want 13", n)
	}
}

func withForwarded(r *http.Request) *http.Request {
	r.Header.Set("X-Forwarded-Proto", "https")
	r.Header.Set("X-Forwarded-Host", "api.example.com")
	r.Header.Set("Forwarded", "proto=https;host=api.example.com")
	return r
}

// A token alone, of whatever way it came, isn't enough, whether it was seen
// before or not.
func TestPossessionWithoutRequest(t *testing.T) {
	issuer, g := newGuard(t, func(cfg *guard.Config) { cfg.Cookie = "token" })
	token, signer := issuer.Bound(audience, jwt.AccessClaims{})
	for range 2 {
		if _, err := g.Verify(t.Context(), token); !errors.Is(err, jwt.ErrClaim) {
			t.Errorf("Verify: %v", err)
		}
		r := get("/")
		r.AddCookie(&http.Cookie{Name: "token", Value: token})
		r.Header.Set("DPoP", sign(t, signer, "GET", "http://example.com/", token, ""))
		if _, err := g.Check(r); !errors.Is(err, jwt.ErrClaim) {
			t.Errorf("in a cookie: %v", err)
		}
		if _, err := g.Check(guardtest.DPoP(get("/"), token, signer)); err != nil { // now it is known
			t.Error(err)
		}
	}
}

// cnf may name several things; who can't check them all takes none.
func TestPossessionOfOtherKinds(t *testing.T) {
	issuer, g := newGuard(t, nil)
	_, signer := issuer.Bound(audience, jwt.AccessClaims{})
	for name, cnf := range map[string]*jwt.Confirmation{
		"a certificate": {X5TS256: "x"}, "both": {JKT: signer.Thumbprint(), X5TS256: "x"}, "nothing known": {},
	} {
		token := issuer.Token(audience, jwt.AccessClaims{Confirmation: cnf})
		if _, err := g.Check(guardtest.DPoP(get("/"), token, signer)); !errors.Is(err, jwt.ErrClaim) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPossessionOnce(t *testing.T) {
	issuer, g := newGuard(t, nil)
	token, signer := issuer.Bound(audience, jwt.AccessClaims{})
	r := guardtest.DPoP(get("/"), token, signer)
	var wg sync.WaitGroup
	var won atomic.Int32
	for range 20 {
		wg.Go(func() {
			if _, err := g.Check(r.Clone(t.Context())); err == nil {
				won.Add(1)
			} else if !errors.Is(err, dpop.ErrReplayed) || !errors.Is(err, guard.ErrProof) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d of 20 uses of one proof were good, want 1", won.Load())
	}
	// An inner handler of the same guard asks for no second proof.
	inner := g.Handler(g.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), guard.User()))
	if w := serve(inner, guardtest.DPoP(get("/"), token, signer)); w.Code != 200 {
		t.Errorf("inside: %d", w.Code)
	}
	deny := g.Handler(g.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), guard.Scope("s")))
	if w := serve(deny, guardtest.DPoP(get("/"), token, signer)); w.Code != 403 || !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "DPoP ") {
		t.Errorf("inside, without the scope: %d %s", w.Code, w.Header().Get("WWW-Authenticate"))
	}
}

func TestPossessionOrigin(t *testing.T) {
	for name, c := range map[string]struct {
		dpop     guard.DPoP
		resource string
		want     string // what stands before the path
	}{
		"as asked":          {want: "http://example.com"},
		"the resource":      {resource: "https://api.example.com/v2", want: "https://api.example.com"},
		"configured":        {guard.DPoP{Origin: "https://outside.example:8443"}, "https://api.example.com", "https://outside.example:8443"},
		"below a path":      {guard.DPoP{Origin: "https://outside.example/api/"}, "", "https://outside.example/api"},
		"default port told": {guard.DPoP{Origin: "https://outside.example:443"}, "", "https://outside.example"},
	} {
		issuer, g := newGuard(t, func(cfg *guard.Config) { cfg.DPoP, cfg.Resource = c.dpop, c.resource })
		token, signer := issuer.Bound(audience, jwt.AccessClaims{})
		for address, want := range map[string]bool{c.want: true, "http://other.example": false, c.want + "/more": false} {
			r := prove(get("/orders"), "DPoP", token, sign(t, signer, "GET", address+"/orders", token, ""))
			if _, err := g.Check(r); (err == nil) != want {
				t.Errorf("%s: a proof for %s: %v", name, address, err)
			}
		}
	}
	issuer, g := newGuard(t, nil)
	token, signer := issuer.Bound(audience, jwt.AccessClaims{})
	r := get("/orders/1")
	r.Host = "evil.example/a?"
	if _, err := g.Check(prove(r, "DPoP", token, sign(t, signer, "GET", "http://evil.example/a", token, ""))); err == nil {
		t.Error("a Host header with a path decided what the address is")
	}
	// What a handler outside has cut off the path was there for the client.
	inner := http.StripPrefix("/api", g.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	r = get("/api/orders")
	if w := serve(inner, prove(r, "DPoP", token, sign(t, signer, "GET", "http://example.com/api/orders", token, ""))); w.Code != 200 {
		t.Errorf("behind StripPrefix: %d", w.Code)
	}
}

func TestPossessionRequired(t *testing.T) {
	issuer, g := newGuard(t, func(cfg *guard.Config) { cfg.DPoP.Required, cfg.Resource = true, audience })
	token, signer := issuer.Bound(audience, jwt.AccessClaims{})
	unbound := issuer.Token(audience, jwt.AccessClaims{})
	if _, err := g.Check(prove(get("/"), "DPoP", token, sign(t, signer, "GET", audience+"/", token, ""))); err != nil {
		t.Error(err)
	}
	const challenge = `DPoP resource_metadata="https://api.example.com/.well-known/oauth-protected-resource", ` + algs
	for want, r := range map[string]*http.Request{
		challenge: get("/"), challenge + `, error="invalid_dpop_proof"`: guardtest.Bearer(get("/"), unbound),
	} {
		_, err := g.Check(r)
		var refusal *guard.Refusal
		if !errors.As(err, &refusal) || refusal.Status != 401 || refusal.Challenge != want {
			t.Errorf("%v: %+v, want %s", err, refusal, want)
		}
	}
	if _, err := g.Verify(t.Context(), unbound); !errors.Is(err, guard.ErrProof) {
		t.Errorf("Verify: %v", err)
	}
	if body := serve(g.ResourceMetadata(), get("/")).Body.String(); !strings.Contains(body, `"dpop_bound_access_tokens_required":true`) {
		t.Errorf("metadata %s", body)
	}
}

func TestPossessionNonce(t *testing.T) {
	issuer, g := newGuard(t, func(cfg *guard.Config) { cfg.DPoP.NonceSecrets = [][]byte{[]byte("0123456789abcdef")} })
	token, signer := issuer.Bound(audience, jwt.AccessClaims{})
	h := g.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	try := func(nonce string) *httptest.ResponseRecorder {
		return serve(h, prove(get("/"), "DPoP", token, sign(t, signer, "GET", "http://example.com/", token, nonce)))
	}
	wants := func(what string, w *httptest.ResponseRecorder) string {
		t.Helper()
		nonce := w.Header().Get("DPoP-Nonce")
		if w.Code != 401 || w.Header().Get("WWW-Authenticate") != `DPoP realm="api", `+algs+`, error="use_dpop_nonce"` || nonce == "" {
			t.Errorf("%s: %d %v", what, w.Code, w.Header())
		}
		return nonce
	}
	first := wants("no nonce", try(""))
	wants("a nonce of nobody", try("x"))
	if w := try(first); w.Code != 200 || w.Header().Get("DPoP-Nonce") != first {
		t.Errorf("with the nonce: %d %v", w.Code, w.Header())
	}
	issuer.Advance(4 * time.Minute)
	w := try(first)
	next := w.Header().Get("DPoP-Nonce")
	if w.Code != 200 || next == first || next == "" {
		t.Errorf("four minutes later: %d, next nonce %q", w.Code, next)
	}
	issuer.Advance(2 * time.Minute)
	wants("an old nonce", try(first))
	if w := try(next); w.Code != 200 {
		t.Errorf("the next one: %d", w.Code)
	}
	if w := serve(h, guardtest.Bearer(get("/"), issuer.Token(audience, jwt.AccessClaims{}))); w.Code != 200 || w.Header().Get("DPoP-Nonce") != "" {
		t.Errorf("a bearer token: %d %v", w.Code, w.Header())
	}
}

// What is full refuses as one that can't decide: to forget a proof that is still
// good would let it count twice.
func TestPossessionMemory(t *testing.T) {
	issuer, g := newGuard(t, func(cfg *guard.Config) { cfg.DPoP.MaxProofs = 2 })
	token, signer := issuer.Bound(audience, jwt.AccessClaims{})
	var got []int
	for range 3 {
		w := httptest.NewRecorder()
		_, err := g.Check(guardtest.DPoP(get("/"), token, signer))
		if err != nil {
			g.Refuse(w, get("/"), err)
		}
		got = append(got, w.Code)
	}
	if got[0] != 200 || got[1] != 200 || got[2] != 503 {
		t.Errorf("statuses %v, want 200 200 503", got)
	}
	if _, err := g.Verify(t.Context(), issuer.Token(audience, jwt.AccessClaims{})); err != nil {
		t.Errorf("bearer tokens suffer: %v", err)
	}
}

func TestPossessionConfig(t *testing.T) {
	issuer := guardtest.NewIssuer(t)
	for name, change := range map[string]guard.DPoP{
		"an origin with a query":   {Origin: "https://a.example?x"},
		"an origin without scheme": {Origin: "a.example"},
		"a short secret":           {NonceSecrets: [][]byte{make([]byte, 15)}},
		"a negative bound":         {MaxProofs: -1},
	} {
		cfg := issuer.Config(audience)
		cfg.DPoP = change
		if g, err := guard.New(cfg); err == nil {
			g.Close()
			t.Errorf("%s: taken", name)
		}
	}
}

// BenchmarkPossession is Check of a known token with a proof, which is new each
// time: nearly all of it is the signature.
func BenchmarkPossession(b *testing.B) {
	issuer := guardtest.NewIssuer(b)
	g := issuer.Guard(audience)
	for _, alg := range []jwk.Algorithm{jwk.ES256, jwk.EdDSA} {
		key, err := jwk.Generate(alg)
		if err != nil {
			b.Fatal(err)
		}
		signer, err := dpop.NewSigner(key, issuer.Now)
		if err != nil {
			b.Fatal(err)
		}
		token := issuer.Token(audience, jwt.AccessClaims{Confirmation: &jwt.Confirmation{JKT: signer.Thumbprint()}})
		b.Run(string(alg), func(b *testing.B) {
			b.ReportAllocs()
			requests := make([]*http.Request, b.N)
			for n := range requests {
				requests[n] = guardtest.DPoP(get("/orders"), token, signer)
			}
			b.ResetTimer()
			for _, r := range requests {
				if _, err := g.Check(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
