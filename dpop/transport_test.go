package dpop_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/writ-auth/writ/dpop"
	"github.com/writ-auth/writ/jwk"
)

// api takes proofs with its nonce alone, and says so as code has it.
type api struct {
	t        *testing.T
	verifier *dpop.Verifier
	nonces   *dpop.Nonces
	refuse   func(w http.ResponseWriter)
	calls    int
	body     string
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.calls++
	body, _ := io.ReadAll(r.Body)
	a.body = string(body)
	proof, err := dpop.FromHeader(r.Header)
	if err != nil {
		a.t.Error(err)
	}
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "DPoP ")
	_, err = a.verifier.Verify(r.Context(), proof, dpop.Request{Method: r.Method, URL: "http://" + r.Host + r.URL.Path, AccessToken: token})
	w.Header().Set("DPoP-Nonce", a.nonces.Current())
	switch {
	case errors.Is(err, dpop.ErrNonce):
		a.refuse(w)
	case err != nil:
		a.t.Error(err)
	}
}

func newAPI(t *testing.T, refuse func(w http.ResponseWriter)) (*api, *httptest.Server) {
	a := &api{t: t, refuse: refuse}
	a.nonces = must[*dpop.Nonces](t)(dpop.NewNonces(func() [][]byte { return [][]byte{make([]byte, 32)} }, nil))
	a.verifier = must[*dpop.Verifier](t)(dpop.NewVerifier(dpop.Config{Nonces: a.nonces}))
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	return a, server
}

func challenge(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", `DPoP error="use_dpop_nonce", algs="ES256"`)
	w.WriteHeader(http.StatusUnauthorized)
}

func TestTransport(t *testing.T) {
	for name, refuse := range map[string]func(http.ResponseWriter){"API": challenge, "token endpoint": func(w http.ResponseWriter) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"use_dpop_nonce"}`))
	}} {
		a, server := newAPI(t, refuse)
		signer := must[*dpop.Signer](t)(dpop.NewSigner(must[*jwk.PrivateKey](t)(jwk.Generate(jwk.ES256)), nil))
		client := &http.Client{Transport: &dpop.Transport{Signer: signer, Token: func(context.Context) (string, error) { return "tok", nil }}}
		for _, want := range []int{2, 3} { // the first request learns the nonce
			res, err := client.Post(server.URL+"/a%20b?q", "text/plain", strings.NewReader("body"))
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if res.StatusCode != 200 || a.calls != want || a.body != "body" {
				t.Errorf("%s: status %d after %d calls, body %q", name, res.StatusCode, a.calls, a.body)
			}
		}
	}
}

// A refusal for another reason is the caller's to read, from the start.
func TestTransportLeavesAnswers(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("DPoP-Nonce", "n")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"invalid_grant"}`))
	}))
	defer server.Close()
	signer := must[*dpop.Signer](t)(dpop.NewSigner(must[*jwk.PrivateKey](t)(jwk.Generate(jwk.ES256)), nil))
	res, err := (&http.Client{Transport: &dpop.Transport{Signer: signer}}).Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err != nil || string(body) != `{"error":"invalid_grant"}` {
		t.Errorf("body %q, %v", body, err)
	}
	failing := errors.New("no token")
	_, err = (&http.Client{Transport: &dpop.Transport{Signer: signer, Token: func(context.Context) (string, error) { return "", failing }}}).Get(server.URL)
	if !errors.Is(err, failing) {
		t.Errorf("without a token: %v", err)
	}
}

// A redirect to another origin takes no token along, one to the same does.
func TestTransportAtARedirect(t *testing.T) {
	got := map[string]string{}
	record := func(name string) http.HandlerFunc {
		return func(_ http.ResponseWriter, r *http.Request) { got[name] = r.Header.Get("Authorization") }
	}
	other := httptest.NewServer(record("other"))
	t.Cleanup(other.Close)
	mux := http.NewServeMux()
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/within", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/there", http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/there", record("same"))
	api := httptest.NewServer(mux)
	t.Cleanup(api.Close)
	key, err := jwk.Generate(jwk.ES256)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := dpop.NewSigner(key, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &dpop.Transport{Signer: signer, Token: func(context.Context) (string, error) { return "token", nil }}}
	for _, path := range []string{"/away", "/within"} {
		res, err := client.Get(api.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	}
	if got["same"] != "DPoP token" || got["other"] != "" {
		t.Errorf("within the origin %q, at another %q", got["same"], got["other"])
	}
}

// closed notes that it was.
type closed struct {
	io.Reader
	times int
}

func (c *closed) Close() error {
	c.times++
	return nil
}

// A RoundTripper closes the body of a request that it doesn't send, too.
func TestTransportClosesTheBody(t *testing.T) {
	signer := must[*dpop.Signer](t)(dpop.NewSigner(must[*jwk.PrivateKey](t)(jwk.Generate(jwk.ES256)), nil))
	for name, transport := range map[string]*dpop.Transport{
		"no token": {Signer: signer, Token: func(context.Context) (string, error) { return "", errors.New("none") }},
		"no proof": {},
	} {
		body := &closed{Reader: strings.NewReader("x")}
		if _, err := transport.RoundTrip(httptest.NewRequest("POST", orders, body)); err == nil || body.times != 1 {
			t.Errorf("%s: got %v, body closed %d times; want an error and once", name, err, body.times)
		}
	}
}
