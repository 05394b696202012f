package app_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/writ-auth/writ/server/internal/app"
	"github.com/writ-auth/writ/server/internal/auth"
)

// TestNotReadyWithoutKeys: no balancer sends anybody to a node that can't sign.
func TestNotReadyWithoutKeys(t *testing.T) {
	a, err := app.New(t.Context(), settings(t, nil), options())
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	ready := func(want int) {
		t.Helper()
		w := httptest.NewRecorder()
		a.Admin().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "http://localhost/readyz", nil))
		if w.Code != want {
			t.Errorf("/readyz answers %d, want %d", w.Code, want)
		}
	}
	ready(http.StatusOK)
	if _, err := a.Store().RevokeAllKeys(t.Context(), auth.Heirs{}, time.Now(), auth.Event{}); err != nil {
		t.Fatal(err)
	}
	if err := a.Keys().Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	ready(http.StatusServiceUnavailable)
	if _, err := a.Keys().Advance(t.Context()); err != nil {
		t.Fatal(err)
	}
	ready(http.StatusOK)
}
