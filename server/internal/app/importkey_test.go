package app_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/server/internal/app"
	"github.com/writ-auth/writ/server/internal/auth"
)

// TestRevokedKeyIsNotImported: a key that was revoked doesn't come back, though
// the server has long forgotten it, as where a script imports it at each start. A
// restore revokes keys that are as good as ever: they come back under another name.
func TestRevokedKeyIsNotImported(t *testing.T) {
	a, err := app.New(t.Context(), settings(t, nil), options())
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	key, err := jwk.Generate(jwk.EdDSA)
	if err != nil {
		t.Fatal(err)
	}
	text, err := key.ExportPEM()
	if err != nil {
		t.Fatal(err)
	}
	importAs := func(kid string, status int, says string) {
		t.Helper()
		body, err := json.Marshal(map[string]string{"algorithm": "EdDSA", "kid": kid, "private_key_pem": string(text)})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequestWithContext(t.Context(), "POST", "http://localhost/v1/admin/keys", strings.NewReader(string(body)))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		a.Operator().ServeHTTP(w, r)
		if w.Code != status || !strings.Contains(w.Body.String(), says) {
			t.Errorf("import as %q: %d %s, want %d, %q", kid, w.Code, w.Body, status, says)
		}
	}
	importAs("payments", http.StatusCreated, "payments")
	importAs("payments", http.StatusConflict, "has this key already")
	if _, _, err := a.Keys().Compromised(t.Context(), "payments", auth.Event{}); err != nil {
		t.Fatal(err)
	}
	importAs("payments", http.StatusConflict, "was revoked")
	if _, err := a.Keys().Advance(t.Context()); err != nil { // which forgets it
		t.Fatal(err)
	}
	importAs("payments", http.StatusConflict, "was revoked")
	importAs("payments-2", http.StatusCreated, "payments-2")
}
