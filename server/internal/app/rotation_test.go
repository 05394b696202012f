package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"

	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/server/internal/app"
)

// inProcess is a transport to a handler: no socket, so that a test may own
// the clock.
type inProcess struct{ http.Handler }

func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	done := make(chan struct{})
	in := r.Clone(r.Context())
	in.RemoteAddr, in.RequestURI = "127.0.0.1:1", r.URL.RequestURI()
	if in.Body == nil {
		in.Body = http.NoBody
	}
	go func() { defer close(done); p.ServeHTTP(w, in) }()
	select {
	case <-done:
		return w.Result(), nil
	case <-r.Context().Done():
		<-done
		return nil, r.Context().Err()
	}
}

// TestRotationAtDefaults rotates the key with everything at its defaults, ours
// (announced for 24 hours) and those of guard and keyfunc (which looks at the
// set once an hour), over 26 hours of a clock of its own: no token is refused.
func TestRotationAtDefaults(t *testing.T) {
	cfg := settings(t, nil)
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		a, err := app.New(ctx, cfg, options())
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		go a.RunKeys(ctx)
		client := &http.Client{Transport: inProcess{a.Handler()}}
		post := func(h http.Handler, path, body string) map[string]any {
			t.Helper()
			c := &http.Client{Transport: inProcess{h}}
			res, err := c.Post(cfg.Issuer+path, "application/json", bytes.NewBufferString(body))
			if err != nil {
				t.Fatal(err)
			}
			text, _ := io.ReadAll(res.Body)
			var out map[string]any
			if err := json.Unmarshal(text, &out); err != nil || res.StatusCode/100 != 2 {
				t.Fatalf("%s: %d %s", path, res.StatusCode, text)
			}
			return out
		}

		g, err := guard.New(guard.Config{Client: client, Issuers: []guard.Issuer{{URL: cfg.Issuer, Audience: []string{cfg.Issuer}}}})
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		peer, err := keyfunc.NewDefaultOverrideCtx(ctx, []string{cfg.Issuer + "/jwks.json"}, keyfunc.Override{Client: client})
		if err != nil {
			t.Fatal(err)
		}

		tokens := post(a.Handler(), "/v1/login", `{"email":"`+email+`","password":"`+password+`"}`)
		next := post(a.Operator(), "/v1/admin/keys/rotate", "")
		kids := map[string]int{}
		for range 26 * 12 {
			raw := tokens["access_token"].(string)
			if _, err := g.Verify(ctx, raw); err != nil {
				t.Fatalf("after %d tokens guard refuses: %v", len(kids), err)
			}
			parsed, err := jwt.Parse(raw, peer.Keyfunc)
			if err != nil {
				t.Fatalf("keyfunc refuses: %v", err)
			}
			kids[parsed.Header["kid"].(string)]++
			time.Sleep(5 * time.Minute) // of the test's own clock
			tokens = post(a.Handler(), "/v1/refresh", `{"refresh_token":"`+tokens["refresh_token"].(string)+`"}`)
		}
		if len(kids) != 2 || kids[next["kid"].(string)] < 20 {
			t.Errorf("tokens by key: %v; the announced one is %v", kids, next["kid"])
		}
	})
}
