package oauth_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/writ-auth/writ/jwk"
)

// publisher is a client's own web server, which publishes its keys and counts
// who asks.
type publisher struct {
	*httptest.Server
	mu     sync.Mutex
	answer http.HandlerFunc
	asked  int
}

func newPublisher(t *testing.T) *publisher {
	t.Helper()
	p := new(publisher)
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.asked++
		answer := p.answer
		p.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *publisher) answers(answer http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = answer
}

func (p *publisher) publish(t *testing.T, keys ...*jwk.PrivateKey) {
	t.Helper()
	texts := make([]string, 0, len(keys))
	for _, key := range keys {
		texts = append(texts, publicJWK(t, key))
	}
	p.answers(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"keys":[%s]}`, strings.Join(texts, ","))
	})
}

func (p *publisher) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

func newKey(t *testing.T) *jwk.PrivateKey {
	t.Helper()
	key, err := jwk.Generate(jwk.ES256)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// published makes a client whose keys are at an address.
func (s *server) published(id, uri string, key *jwk.PrivateKey) keyed {
	s.t.Helper()
	s.service(id, `,"token_endpoint_auth_method":"private_key_jwt","grant_types":["client_credentials","`+grantBearer+`"],"audiences":["`+orders+`"],"jwks_uri":"`+uri+`"`)
	return keyed{id, key}
}

const loopbackAllowed = "127.0.0.0/8,::1"

// Keys are fetched when they are needed, kept, and fetched again for one that
// is new.
func TestPublishedKeys(t *testing.T) {
	s := start(t, "outbound-allow", loopbackAllowed)
	p := newPublisher(t)
	first, second := newKey(t), newKey(t)
	p.publish(t, first)
	c := s.published("svc", p.URL+"/jwks", first)
	for range 5 {
		s.assert(s.assertion(c, nil)).is(200)
		s.bearer(s.assertion(c, nil)).is(200)
	}
	if n := p.count(); n != 1 {
		t.Errorf("fetched %d times, want once", n)
	}
	s.advance(time.Minute)
	p.publish(t, second)
	next := keyed{"svc", second}
	s.assert(s.assertion(next, nil)).is(200)
	s.assert(s.assertion(c, nil)).fails(401, "invalid_client") // what the client withdrew is gone
	// The client moves; its old address counts no more.
	moved := newPublisher(t)
	third := newKey(t)
	moved.publish(t, third)
	s.admin("PATCH", "/v1/admin/clients/svc", `{"jwks_uri":"`+moved.URL+`/keys"}`).is(200)
	s.assert(s.assertion(next, nil)).fails(401, "invalid_client")
	s.assert(s.assertion(keyed{"svc", third}, nil)).is(200)
	// While its address is out of reach, what is known counts, for an hour.
	moved.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	s.advance(30 * time.Minute)
	s.assert(s.assertion(keyed{"svc", third}, nil)).is(200)
	s.advance(31 * time.Minute)
	s.assert(s.assertion(keyed{"svc", third}, nil)).fails(401, "invalid_client")
}

// Nobody uses us against the client's server: made-up key ids and signatures
// cause a fetch each cool-down, whatever their number.
func TestPublishedKeysAreFetchedSeldom(t *testing.T) {
	s := start(t, "outbound-allow", loopbackAllowed)
	p := newPublisher(t)
	key := newKey(t)
	p.publish(t, key)
	c := s.published("svc", p.URL, key)
	s.assert(s.assertion(c, nil)).is(200)
	before := p.count()
	var all sync.WaitGroup
	for i := range 30 {
		all.Go(func() {
			s.post("/oauth/token", request("client_assertion_type", bearerType, "client_assertion",
				s.assertion(keyed{"svc", key}, head("kid", fmt.Sprintf("made-up-%d", i)))))
		})
	}
	all.Wait()
	if n := p.count() - before; n != 1 {
		t.Errorf("30 made-up key ids cause %d fetches, want one", n)
	}
}

// What is behind an address is believed to be a key set or nothing; what it says
// reaches nobody.
func TestPublishedNonsense(t *testing.T) {
	s := start(t, "outbound-allow", loopbackAllowed)
	key := newKey(t)
	const inner = "the console of the database"
	for what, answer := range map[string]http.HandlerFunc{
		"an error":        func(w http.ResponseWriter, _ *http.Request) { http.Error(w, inner, 500) },
		"not found":       func(w http.ResponseWriter, _ *http.Request) { http.Error(w, inner, 404) },
		"a page":          func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, inner) },
		"a redirect":      func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"an empty set":    func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"keys":[]}`) },
		"a shared secret": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"keys":[{"kty":"oct","k":"AAAA"}]}`) },
		"too much": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"keys":[`+publicJWK(t, key)+strings.Repeat(" ", 2<<20)+`]}`)
		},
		"nobody there": nil,
	} {
		t.Run(what, func(t *testing.T) {
			s.advance(time.Hour) // the throttle has forgotten the one before
			p := newPublisher(t)
			if answer == nil {
				p.Close()
			}
			p.answers(answer)
			in := s.in(t)
			id := strings.ReplaceAll(what, " ", "-")
			c := in.published(id, p.URL, key)
			a := in.assert(s.assertion(c, nil)).fails(401, "invalid_client")
			if strings.Contains(a.text, "console") || a.body["error_description"] != "Client authentication failed." {
				t.Errorf("the answer tells what is there: %s", a.text)
			}
		})
	}
	if strings.Contains(s.log.String(), inner) {
		t.Error("the log repeats what is behind an address")
	}
}

// Whoever may register an address reaches nothing through us that isn't public,
// unless the operator said so at the start.
func TestPublishedKeysReachNothingInternal(t *testing.T) {
	s := start(t)
	p := newPublisher(t)
	key := newKey(t)
	p.publish(t, key)
	port := p.URL[strings.LastIndex(p.URL, ":"):]
	for i, uri := range []string{p.URL, "http://localhost" + port, "https://localhost" + port, "https://127.0.0.1" + port, "https://[::ffff:127.0.0.1]" + port,
		"https://0.0.0.0" + port, "https://169.254.169.254/latest/meta-data", "https://[fd00:ec2::254]/", "https://10.0.0.1/", "https://[64:ff9b::7f00:1]" + port} {
		s.advance(time.Hour)
		c := s.published(fmt.Sprintf("svc-%d", i), uri, key)
		s.assert(s.assertion(c, nil)).fails(401, "invalid_client")
	}
	if n := p.count(); n != 0 {
		t.Errorf("the internal server was asked %d times", n)
	}
	if !strings.Contains(s.log.String(), "--outbound-allow") {
		t.Error("the log doesn't tell the operator why")
	}
	for _, uri := range []string{"http://10.0.0.1/jwks", "http://keys.example/jwks", "file:///etc/passwd", "https://user:secret@keys.example/", "https://keys.example/#x", "jwks"} {
		if a := s.admin("POST", "/v1/admin/clients", `{"token_endpoint_auth_method":"private_key_jwt","jwks_uri":"`+uri+`"}`); a.status != 400 {
			t.Errorf("%s was registered: %d", uri, a.status)
		}
	}
}
