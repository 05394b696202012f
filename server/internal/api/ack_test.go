package api_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/server/internal/api"
	"github.com/writ-auth/writ/server/internal/app"
	"github.com/writ-auth/writ/server/internal/edge/caller"
)

const (
	instance1 = "AAAAAAAAAAAAAAAAAAAAAA"
	instance2 = "AQAAAAAAAAAAAAAAAAAAAA"
)

// verifierClient registers an API that verifies tokens, and answers its credentials.
func (s *server) verifierClient(id string) with {
	s.t.Helper()
	a := s.admin("POST", "/v1/admin/clients", encode(s.t, "client_id", id, "grant_types", []string{"client_credentials"})).is(201, "")
	secret := a.str("client_secret")
	return func(r *http.Request) { r.SetBasicAuth(id, secret) }
}

// publish runs the server, which must have been told to listen anywhere, so that
// its log is streamed.
func (s *server) publish() {
	s.t.Helper()
	listeners, err := app.Listen(s.cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(s.t.Context())
	done := make(chan error)
	go func() { done <- s.app.Run(ctx, listeners) }()
	s.t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			s.t.Error(err)
		}
	})
}

// streaming follows the log as a verifier does, until the test ends or cut is
// called. It comes back when the first head is there, and answers the log's name.
func (s *server) streaming(credentials with, instance string) (cut func()) {
	s.t.Helper()
	server := httptest.NewServer(s.app.Handler())
	s.t.Cleanup(server.Close)
	ctx, cancel := context.WithCancel(s.t.Context())
	s.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, "GET", server.URL+"/v1/revocations", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Host = "localhost:8080"
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Writ-Verifier", instance)
	credentials(req)
	resp, err := server.Client().Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { resp.Body.Close() })
	if line, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil || !strings.HasPrefix(line, "id: ") {
		s.t.Fatalf("status %d, first line %q, %v", resp.StatusCode, line, err)
	}
	return cancel
}

func TestAcknowledgements(t *testing.T) {
	s := start(t, "listen", "127.0.0.1:0", "admin-listen", "127.0.0.1:0")
	s.publish()
	shop, bank := s.verifierClient("shop"), s.verifierClient("bank")
	name := page(s.do("GET", "/v1/revocations", "")).Log
	ack := func(seq float64, credentials with, instance string) *answer {
		t.Helper()
		return s.do("POST", "/v1/revocations/ack", fmt.Sprintf(`{"log":%q,"seq":%.0f}`, name, seq), credentials, header("Writ-Verifier", instance))
	}
	logout := func(wait string) *answer {
		t.Helper()
		return s.do("POST", "/v1/logout"+wait, "", bearer(s.login(adminMail).ok().str("access_token")))
	}
	if a := logout("").ok(); len(a.members()) != 1 {
		t.Errorf("without wait: %s", a.text)
	}
	logout("?wait=1s").ok().has("acknowledged", 0.0).has("of", 0.0).has("scope", "all")

	s.streaming(shop, instance1)
	cut := s.streaming(bank, instance2)
	waited := logout("?wait=10ms").ok().has("acknowledged", 0.0).has("of", 2.0)
	seq := waited.body["seq"].(float64)
	ack(seq, shop, instance1).is(204, "")
	ack(seq+1, bank, instance1).is(404, "not_found") // another client's instance
	again := s.admin("POST", "/v1/admin/revocations?wait=10ms", `{"kind":"token","id":"AAAAAAAAAAAAAAAAAAAAAA"}`).ok().has("acknowledged", 0.0).has("of", 2.0)
	seq = again.body["seq"].(float64)
	ack(seq, shop, instance1).is(204, "")
	next := make(chan *answer)
	go func() {
		next <- s.admin("POST", "/v1/admin/revocations?wait=30s", `{"kind":"token","id":"AAAAAAAAAAAAAAAAAAAAAA"}`)
	}()
	ack(seq+2, shop, instance1).is(204, "") // a token takes two entries
	ack(seq+2, bank, instance2).is(204, "")
	(<-next).ok().has("seq", seq+2).has("acknowledged", 2.0).has("of", 2.0)
	go func() {
		next <- s.admin("POST", "/v1/admin/revocations?wait=30s", `{"kind":"token","id":"AAAAAAAAAAAAAAAAAAAAAA"}`)
	}()
	ack(seq+4, shop, instance1).is(204, "")
	cut() // who goes isn't waited for
	(<-next).ok().has("acknowledged", 1.0).has("of", 1.0)
}

func TestAcknowledgementsRefused(t *testing.T) {
	s := start(t)
	shop := s.verifierClient("shop")
	body := encode(t, "log", page(s.do("GET", "/v1/revocations", "")).Log, "seq", 1)
	instance := header("Writ-Verifier", instance1)
	ack := func(body string, changes ...with) *answer {
		t.Helper()
		return s.do("POST", "/v1/revocations/ack", body, changes...)
	}
	ack(body, instance).is(401, "unauthenticated")
	ack(body, instance, func(r *http.Request) { r.SetBasicAuth("shop", "wrong") }).is(401, "unauthenticated")
	ack(body, shop).is(400, "invalid_request")
	ack(body, shop, header("Writ-Verifier", "x")).is(400, "invalid_request")
	ack(body, shop, instance, instance).is(400, "invalid_request")
	ack(body, shop, instance).is(404, "not_found") // it follows nothing
	ack(`{"log":"another","seq":1}`, shop, instance).is(409, "conflict")
	for _, wrong := range []string{`{`, `[]`, `{"log":"l","seq":-1}`, `{"log":"l","seq":"1"}`, `{"log":1,"seq":1}`, `{"log":"l","seq":1,"x":1}`,
		`{"log":"l","seq":1,"seq":1}`, `{"log":"l","seq":18446744073709551616}`, `{"log":"l","seq":1.5}`} {
		ack(wrong, shop, instance).is(400, "invalid_request")
	}
	for _, wait := range []string{"x", "-1s", "31s", "1"} {
		token := s.login(adminMail).ok().str("access_token")
		s.do("POST", "/v1/logout?wait="+wait, "", bearer(token)).is(400, "invalid_request")
		s.do("GET", "/v1/me", "", bearer(token)).ok() // nothing has ended
		s.admin("POST", "/v1/admin/revocations?wait="+wait, `{"kind":"token","id":"AAAAAAAAAAAAAAAAAAAAAA"}`).is(400, "invalid_request")
	}
	r := httptest.NewRequest("GET", "/v1/revocations", nil)
	r.Header.Set("Accept", "text/event-stream")
	r.Header.Set("Writ-Verifier", base64.RawURLEncoding.EncodeToString(make([]byte, 17)))
	w := httptest.NewRecorder()
	s.app.Handler().ServeHTTP(w, r)
	if w.Code != 400 {
		t.Errorf("a stream with a malformed name: %d", w.Code)
	}
}

// acks takes every acknowledgement down.
type acks struct {
	api.Revocations
	id, log string
	seq     uint64
}

func (a *acks) Acknowledge(_ context.Context, id, log string, seq uint64) error {
	a.id, a.log, a.seq = id, log, seq
	return nil
}

func FuzzAck(f *testing.F) {
	f.Add(instance1, `{"log":"l","seq":7}`)
	f.Add("x", `{"log":"l","log":"m","seq":1e3}`)
	none := func(context.Context) ([]string, error) { return nil, nil }
	f.Fuzz(func(t *testing.T, instance, body string) {
		taken := &acks{}
		mux := http.NewServeMux()
		api.New(api.Options{Revocations: taken, Callers: &caller.Finder{Origins: none}, Now: time.Now,
			Verifier: func(*http.Request) (string, bool) { return "shop", true }}).Register(mux)
		r := httptest.NewRequest("POST", "/v1/revocations/ack", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Basic x")
		r.Header["Writ-Verifier"] = []string{instance}
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		switch {
		case w.Code == http.StatusNoContent && taken.id == instance+" shop" && len(instance) == 22:
		case w.Code >= 400 && w.Code < 500 && taken.id == "":
		default:
			t.Errorf("%q, %q: status %d, taken %+v", instance, body, w.Code, taken)
		}
	})
}
