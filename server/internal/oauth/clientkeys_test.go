package oauth_test

import (
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/jwk"
)

func (s *server) clientKeys(c service, pairs ...string) *answer {
	s.t.Helper()
	return s.post("/oauth/client-keys", pairs, c.basic())
}

// kids lists the keys of an answer.
func (a *answer) kids() string {
	a.t.Helper()
	set, err := jwk.ParseSet([]byte(a.is(200).text))
	if err != nil {
		a.t.Fatal(err)
	}
	var ids []string
	for key := range set.All() {
		ids = append(ids, key.KeyID())
	}
	return strings.Join(ids, " ")
}

// An API learns the keys of its own clients that may sign, and of nobody else.
func TestClientKeys(t *testing.T) {
	s := start(t)
	c := s.signer("svc", jwk.ES256, "")
	s.keyed("keyed", jwk.ES256) // has keys, and may not sign requests
	s.usual("plain")
	s.signer("bound", jwk.ES256, `,"dpop_bound_access_tokens":true`)
	elsewhere := s.signer("elsewhere", jwk.ES256, `,"client_name":"x"`)
	s.admin("PATCH", "/v1/admin/clients/"+elsewhere.id, `{"audiences":["`+stock+`"]}`).is(200)
	api := s.reader(orders)
	public := s.service("public", `,"token_endpoint_auth_method":"none","grant_types":[],"audiences":["`+orders+`"]`)
	a := s.clientKeys(api, "client", "svc", "audience", orders)
	if a.kids() != c.key.KeyID() || a.str("client_id") != "svc" || a.str("audience") != orders || a.str("scope") != "read write" ||
		len(a.str("epoch")) != 22 || a.body["max_age"] != 60.0 || a.header.Get("Cache-Control") != "no-store" || strings.Contains(a.text, `"d"`) {
		t.Errorf("answer %s %v", a.text, a.header)
	}
	nothing := s.clientKeys(api, "client", "nobody", "audience", orders).is(200).text
	for what, pairs := range map[string][]string{
		"a client without the grant": {"client", "keyed", "audience", orders},
		"a client without keys":      {"client", "plain", "audience", orders},
		"a client of bound tokens":   {"client", "bound", "audience", orders},
		"a client of another API":    {"client", "elsewhere", "audience", orders},
		"another API":                {"client", "elsewhere", "audience", stock},
		"no API":                     {"client", "svc", "audience", "https://nowhere.example"},
		"the sign-in":                {"client", "writ", "audience", orders},
	} {
		if got := s.clientKeys(api, pairs...).is(200).text; got != nothing {
			t.Errorf("%s: %s, want %s", what, got, nothing)
		}
	}
	if strings.TrimSpace(nothing) != `{"keys":[],"max_age":60}` {
		t.Errorf("nothing is %s", nothing)
	}
	s.clientKeys(api, "client", "svc").fails(400, "invalid_request")
	s.clientKeys(api, "audience", orders).fails(400, "invalid_request")
	s.post("/oauth/client-keys", []string{"client", "svc", "audience", orders}).fails(401, "invalid_client")
	s.post("/oauth/client-keys", []string{"client", "svc", "audience", orders, "client_id", public.id}).fails(401, "invalid_client")
	s.admin("PATCH", "/v1/admin/clients/svc", `{"disabled":true}`).is(200)
	if got := s.clientKeys(api, "client", "svc", "audience", orders).is(200).text; got != nothing {
		t.Errorf("a disabled client: %s", got)
	}
}

// Keys at an address come through the server; one that is new is fetched when it
// is asked for.
func TestClientKeysPublished(t *testing.T) {
	s := start(t, "outbound-allow", loopbackAllowed)
	p := newPublisher(t)
	first, second := newKey(t), newKey(t)
	p.publish(t, first)
	s.published("svc", p.URL, first)
	api := s.reader(orders)
	ask := func(key *jwk.PrivateKey) string {
		return s.clientKeys(api, "client", "svc", "audience", orders, "alg", "ES256", "kid", key.KeyID()).kids()
	}
	if got := ask(first); got != first.KeyID() {
		t.Errorf("keys %q", got)
	}
	s.advance(time.Minute)
	p.publish(t, first, second)
	if got := ask(second); !strings.Contains(got, second.KeyID()) {
		t.Errorf("keys %q, want the new one among them", got)
	}
	p.Close()
	s.advance(2 * time.Hour)
	if got := ask(first); got != "" {
		t.Errorf("keys %q of an address that is gone for two hours", got)
	}
}
