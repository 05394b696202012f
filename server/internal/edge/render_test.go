package edge_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/edge"
)

// logged is a logger and what it has written, a JSON object a line.
func logged() (*slog.Logger, *bytes.Buffer) {
	var buf bytes.Buffer
	return slog.New(slog.NewJSONHandler(&buf, nil)), &buf
}

// front wraps h, registered for every method at /x, as the server would.
func front(h edge.Handler) (http.Handler, *bytes.Buffer) {
	log, buf := logged()
	mux := http.NewServeMux()
	mux.Handle("/x", h)
	return (&edge.Front{Issuer: "https://auth.example.com", Log: log, Now: time.Now}).Handler(mux), buf
}

func serve(h http.Handler, r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func bodyOf(t *testing.T, res *http.Response) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.NewDecoder(res.Body).Decode(&m); err != nil {
		t.Fatalf("body: %v", err)
	}
	return m
}

func TestRenderStatus(t *testing.T) {
	bearer, invalid := `Bearer realm="writ"`, `Bearer realm="writ", error="invalid_token"`
	tests := []struct {
		code      auth.Code
		status    int
		challenge string
	}{
		{auth.CodeInvalid, 400, ""},
		{auth.CodeInvalidCredentials, 401, bearer},
		{auth.CodeUnauthenticated, 401, bearer},
		{auth.CodeInvalidToken, 401, invalid},
		{auth.CodeSessionEnded, 401, invalid},
		{auth.CodeStateLost, 401, invalid},
		{auth.CodePasswordChange, 403, ""},
		{auth.CodeForbidden, 403, ""},
		{auth.CodeCrossSite, 403, ""},
		{auth.CodeSignupDisabled, 403, ""},
		{auth.CodeNotFound, 404, ""},
		{auth.CodeMethodNotAllowed, 405, ""},
		{auth.CodeConflict, 409, ""},
		{auth.CodeTooLarge, 413, ""},
		{auth.CodeMediaType, 415, ""},
		{auth.CodeTokenTooLarge, 422, ""},
		{auth.CodeTooMany, 429, ""},
		{auth.CodeUnavailable, 503, ""},
	}
	for _, tt := range tests {
		t.Run(string(tt.code), func(t *testing.T) {
			h, _ := front(func(http.ResponseWriter, *http.Request) error {
				return fmt.Errorf("wrapped: %w", auth.Errorf(tt.code, "the sentence"))
			})
			res := serve(h, httptest.NewRequest("POST", "/x", nil))
			if res.StatusCode != tt.status || res.Header.Get("WWW-Authenticate") != tt.challenge {
				t.Errorf("status %d, challenge %q; want %d, %q", res.StatusCode, res.Header.Get("WWW-Authenticate"), tt.status, tt.challenge)
			}
			want := map[string]any{
				"type": "about:blank", "title": http.StatusText(tt.status), "status": float64(tt.status),
				"detail": "the sentence", "code": string(tt.code), "instance": res.Header.Get("X-Request-Id"),
			}
			if diff := cmp.Diff(want, bodyOf(t, res)); diff != "" {
				t.Errorf("problem (-want +got):\n%s", diff)
			}
			if got := res.Header.Get("Content-Type"); got != "application/problem+json" {
				t.Errorf("Content-Type %q", got)
			}
		})
	}
}

func TestRenderMembers(t *testing.T) {
	h, _ := front(func(http.ResponseWriter, *http.Request) error {
		return &auth.Error{
			Code: auth.CodeTooMany, Message: "later", Field: "password", RetryAfter: 1001 * time.Millisecond,
			Data: map[string]any{"access_token": "t", "status": 200, "code": "fine"},
		}
	})
	res := serve(h, httptest.NewRequest("POST", "/x", nil))
	p := bodyOf(t, res)
	if p["access_token"] != "t" || p["field"] != "password" {
		t.Errorf("further members are missing: %v", p)
	}
	if p["status"] != float64(429) || p["code"] != "too_many_requests" {
		t.Errorf("Error.Data replaced a standard member: %v", p)
	}
	if got := res.Header.Get("Retry-After"); got != "2" {
		t.Errorf("Retry-After %q, want 2: rounded up", got)
	}
}

// The text of an internal error is for the log alone.
func TestRenderInternal(t *testing.T) {
	for _, err := range []error{
		errors.New("dial tcp 10.0.0.7: refused"),
		&auth.Error{Message: "dial tcp 10.0.0.7: refused"},
		auth.Errorf("no_such_code", "dial tcp 10.0.0.7: refused"),
	} {
		h, log := front(func(http.ResponseWriter, *http.Request) error { return err })
		res := serve(h, httptest.NewRequest("POST", "/x", nil))
		p := bodyOf(t, res)
		if res.StatusCode != 500 || p["code"] != "internal_error" || strings.Contains(fmt.Sprint(p), "10.0.0.7") {
			t.Errorf("%T: status %d, %v", err, res.StatusCode, p)
		}
		if !strings.Contains(log.String(), "10.0.0.7") || !strings.Contains(log.String(), `"level":"ERROR"`) {
			t.Errorf("the cause isn't in the log: %s", log)
		}
	}
}

func TestRenderLogsNoRefusals(t *testing.T) {
	h, log := front(func(http.ResponseWriter, *http.Request) error {
		return &auth.Error{Code: auth.CodeInvalidCredentials, Message: "no", Err: errors.New("the cause")}
	})
	serve(h, httptest.NewRequest("POST", "/x", nil))
	if strings.Contains(log.String(), "the cause") || !strings.Contains(log.String(), `"level":"INFO"`) {
		t.Errorf("a refusal is logged as a fault: %s", log)
	}
}

func TestRenderTakesBack(t *testing.T) {
	h, _ := front(func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Set-Cookie", "a=b")
		w.Header().Set("Cache-Control", "max-age=600")
		w.Header().Set("ETag", `"x"`)
		w.Header().Set("Content-Length", "5")
		return auth.Errorf(auth.CodeSessionEnded, "over")
	})
	res := serve(h, httptest.NewRequest("POST", "/x", nil))
	for _, name := range []string{"Set-Cookie", "ETag", "Content-Length"} {
		if got := res.Header.Get(name); got != "" {
			t.Errorf("an error answer has %s: %s", name, got)
		}
	}
	if got := res.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control %q", got)
	}
}

func TestRenderContextErrors(t *testing.T) {
	h, log := front(func(_ http.ResponseWriter, r *http.Request) error { return r.Context().Err() })
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	res := serve(h, httptest.NewRequestWithContext(gone, "POST", "/x", nil))
	if res.StatusCode != 499 || strings.Contains(log.String(), "ERROR") {
		t.Errorf("a client that went away: status %d, log %s", res.StatusCode, log)
	}
	h, _ = front(func(http.ResponseWriter, *http.Request) error { return context.DeadlineExceeded })
	res = serve(h, httptest.NewRequest("POST", "/x", nil))
	if res.StatusCode != 503 || res.Header.Get("Retry-After") != "1" {
		t.Errorf("a deadline: status %d, Retry-After %q", res.StatusCode, res.Header.Get("Retry-After"))
	}
}

// A handler that began its answer and failed can't answer twice.
func TestRenderAfterBegin(t *testing.T) {
	h, log := front(func(w http.ResponseWriter, _ *http.Request) error {
		_, _ = w.Write([]byte("half"))
		return errors.New("then it broke")
	})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("POST", "/x", nil))
	if w.Body.String() != "half" {
		t.Errorf("body %q", w.Body)
	}
	if !strings.Contains(log.String(), "then it broke") {
		t.Errorf("the error isn't in the log: %s", log)
	}
}

func TestRenderOAuth(t *testing.T) {
	tests := []struct {
		err       error
		status    int
		name      string
		challenge string
	}{
		{auth.Errorf(auth.CodeInvalid, "m"), 400, "invalid_request", ""},
		{auth.Errorf(auth.CodeTooLarge, "m"), 413, "invalid_request", ""},
		{auth.Errorf(auth.CodeInvalidCredentials, "m"), 401, "invalid_client", `Basic realm="writ", charset="UTF-8"`},
		{auth.Errorf(auth.CodeInvalidToken, "m"), 401, "invalid_token", `Bearer realm="writ", error="invalid_token"`},
		{auth.Errorf(auth.CodeSessionEnded, "m"), 400, "invalid_grant", ""},
		{auth.Errorf("invalid_scope", "m"), 400, "invalid_scope", ""},
		{auth.Errorf(auth.CodeForbidden, "m"), 403, "access_denied", ""},
		{auth.Errorf(auth.CodeUnavailable, "m"), 503, "temporarily_unavailable", ""},
		{errors.New("m"), 500, "server_error", ""},
	}
	for _, tt := range tests {
		w := httptest.NewRecorder()
		edge.RenderOAuth(w, httptest.NewRequest("POST", "/oauth/token", nil), tt.err)
		res := w.Result()
		got := bodyOf(t, res)
		if res.StatusCode != tt.status || got["error"] != tt.name || res.Header.Get("WWW-Authenticate") != tt.challenge {
			t.Errorf("%v: status %d, error %v, challenge %q; want %d, %s, %q", tt.err, res.StatusCode, got["error"],
				res.Header.Get("WWW-Authenticate"), tt.status, tt.name, tt.challenge)
		}
		if res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%v: headers %v", tt.err, res.Header)
		}
	}
	w := httptest.NewRecorder()
	edge.RenderOAuth(w, httptest.NewRequest("POST", "/", nil), auth.Errorf(auth.CodeInvalid, "a \"b\" ü\n"))
	if got := bodyOf(t, w.Result())["error_description"]; got != "a 'b' ''" {
		t.Errorf("error_description %q has characters that RFC 6749 forbids", got)
	}
}
