package e2e

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/writ-auth/writ/guard"
)

// protect starts an API behind a guard of the server's tokens.
func protect(t *testing.T, s *server) *httptest.Server {
	t.Helper()
	g, err := guard.New(guard.Config{Issuers: []guard.Issuer{{URL: s.url(""), Audience: []string{audience}, Revocation: guard.Follow}}})
	if err != nil {
		t.Fatal(err)
	}
	api := httptest.NewServer(g.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte(guard.From(r.Context()).Subject()))
	})))
	t.Cleanup(func() { api.Close(); g.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := g.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	return api
}

// status is what an API answers to a token.
func status(t *testing.T, api *httptest.Server, token string) int {
	t.Helper()
	a, err := call(t.Context(), "GET", api.URL, token, nil)
	if err != nil {
		t.Fatal(err)
	}
	return a.status
}

// refusedWithin polls until the API refuses the token, and fails after a
// second: the promise is less, and the poll itself costs some of it.
func refusedWithin(t *testing.T, api *httptest.Server, token string) {
	t.Helper()
	began := time.Now()
	for status(t, api, token) != http.StatusUnauthorized {
		if time.Since(began) > time.Second {
			t.Fatal("the token is still accepted a second after its end")
		}
	}
	t.Logf("refused after %v", time.Since(began).Round(time.Millisecond))
}

// TestEndedGrantsAreRefused ends a grant in every way and asks an API that was
// following, and one just started.
func TestEndedGrantsAreRefused(t *testing.T) {
	parent := running(t)
	parent.makeAPI()
	following := protect(t, parent)
	for name, end := range map[string]func(t *testing.T, s *server, held tokens){
		"log-out": func(t *testing.T, s *server, held tokens) { s.must(200, "POST", "/v1/logout", held.AccessToken, nil) },
		"log-out by refresh": func(t *testing.T, s *server, held tokens) {
			s.must(200, "POST", "/v1/logout", "", map[string]string{"refresh_token": held.RefreshToken})
		},
		"log-out everywhere": func(t *testing.T, s *server, held tokens) {
			s.must(200, "POST", "/v1/logout-all", s.signIn("").AccessToken, nil)
		},
		"one session of many": func(t *testing.T, s *server, held tokens) {
			s.must(200, "DELETE", "/v1/sessions/"+held.SessionID, s.signIn("").AccessToken, nil)
		},
		"theft": func(t *testing.T, s *server, held tokens) {
			var next tokens
			s.must(200, "POST", "/v1/refresh", "", map[string]string{"refresh_token": held.RefreshToken}).get(t, &next)
			s.must(200, "POST", "/v1/refresh", "", map[string]string{"refresh_token": next.RefreshToken})
			a := s.must(401, "POST", "/v1/refresh", "", map[string]string{"refresh_token": held.RefreshToken})
			if a.code() != "session_ended" {
				t.Errorf("code %q", a.code())
			}
		},
		"administrator": func(t *testing.T, s *server, held tokens) {
			s.must(200, "POST", "/v1/admin/revocations", s.signIn("").AccessToken, map[string]string{"kind": "session", "id": held.SessionID})
		},
		"one token": func(t *testing.T, s *server, held tokens) {
			s.must(200, "POST", "/v1/admin/revocations", s.signIn("").AccessToken, map[string]string{"token": held.AccessToken})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := parent.in(t)
			held := s.signIn(audience)
			if got := status(t, following, held.AccessToken); got != http.StatusOK {
				t.Fatalf("a fresh token: %d", got)
			}
			end(t, s, held)
			refusedWithin(t, following, held.AccessToken)
			if got := status(t, protect(t, s), held.AccessToken); got != http.StatusUnauthorized {
				t.Errorf("an API that has just started answers %d", got)
			}
			if got := status(t, following, s.signIn(audience).AccessToken); got != http.StatusOK {
				t.Errorf("a new sign-in of the same moment: %d", got)
			}
		})
	}
}

// makeAPI registers the audience, unless the server came with it.
func (s *server) makeAPI() {
	s.t.Helper()
	a, err := call(s.t.Context(), "POST", s.url("/v1/admin/apis"), s.signIn("").AccessToken, map[string]string{"audience": audience})
	if err != nil || a.status != 201 && a.status != 409 {
		s.t.Fatal(errors.Join(err, errors.New(string(a.body))))
	}
}
