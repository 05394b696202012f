package oauth_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/writ-auth/writ/jwk"
)

// revoke wants the one answer that there is.
func (s *server) revoke(c service, token string, more ...string) {
	s.t.Helper()
	s.post("/oauth/revoke", append([]string{"token", token}, more...), c.basic()).empty()
}

func (a *answer) empty() {
	a.t.Helper()
	if a.status != http.StatusOK || a.text != "" || a.header.Get("Content-Type") != "" || a.header.Get("Content-Length") != "0" {
		a.t.Errorf("%s: %d %q %v, want an empty 200 without a content type", a.what, a.status, a.text, a.header)
	}
}

// head is the number of the log's last entry.
func (s *server) head() float64 {
	s.t.Helper()
	return s.send("GET", "/v1/revocations?after=1000000", "", "").is(200).body["head"].(float64)
}

func TestRevokeOwnAccessToken(t *testing.T) {
	s := start(t)
	c, other, api := s.usual("svc"), s.usual("other"), s.reader(orders)
	token, neighbour := s.token(c, orders), s.token(c, orders)
	before := s.head()
	s.revoke(other, token)
	s.revoke(api, token) // for its API a token is to be refused, not ended
	s.introspect(c, token).active("another client can't end it")
	if s.head() != before {
		t.Error("a refused revocation is in the log")
	}
	s.revoke(c, token, "token_type_hint", "refresh_token")
	s.introspect(c, token).inactive("ended, though the hint was wrong")
	s.introspect(api, token).inactive("ended for its API, too")
	s.introspect(c, neighbour).active("another token of the client")
	page := s.send("GET", fmt.Sprintf("/v1/revocations?after=%v", before), "", "").is(200)
	entries := page.body["entries"].([]any)
	expiry := s.verify(s.keys(), orders, token).Claims().Expiry.Time().Unix()
	if len(entries) != 2 {
		t.Fatalf("entries %v, want the token's own and that of what comes from it", entries)
	}
	for i, kind := range []float64{1, 3} {
		if e := entries[i].([]any); e[1] != kind || int64(e[3].(float64)) != expiry+120 {
			t.Errorf("entries %v, want the token's until %d", entries, expiry+120)
		}
	}
	s.revoke(c, token)
	s.revoke(c, token)
	if s.head() != before+2 {
		t.Error("ending what has ended fills the log")
	}
	s.post("/oauth/revoke", nil, c.basic()).fails(400, "invalid_request")
	s.post("/oauth/revoke", []string{"token", token}).fails(401, "invalid_client")
	s.revoke(c, neighbour, "token_type_hint", "pigeon")
	s.introspect(c, neighbour).inactive("ended with an unknown hint")
	audit := s.admin("GET", "/v1/admin/audit?q=revoke.token", "").is(200).body["items"].([]any)
	if len(audit) != 2 || audit[0].(map[string]any)["actor"] != "svc" || audit[0].(map[string]any)["reason"] != "client" {
		t.Errorf("audit %v", audit)
	}
}

func TestRevokeOwnSharedSecret(t *testing.T) {
	s := start(t)
	shared := "https://shared.example"
	made := s.admin("POST", "/v1/admin/apis", `{"audience":"`+shared+`","algorithm":"HS256"}`).is(201)
	key, err := jwk.NewSecret(jwk.HS256, []byte(s.hide(made.str("secret"))))
	if err != nil {
		t.Fatal(err)
	}
	c := s.service("svc", `,"grant_types":["client_credentials"],"audiences":["`+shared+`"]`)
	token := s.token(c, shared)
	s.revoke(c, token)
	s.introspect(c, token).inactive("ended")
	// Who holds the secret can write any expiry; the log keeps the entry for no
	// longer than a token of ours can live.
	claims := s.verify(key, shared, token).Claims()
	forged := sign(key, map[string]any{"alg": "HS256", "typ": "at+jwt", "kid": made.str("secret_kid")}, map[string]any{
		"iss": issuer, "aud": shared, "sub": "svc", "client_id": "svc", "jti": "x", "iat": s.clock().Unix(),
		"exp": s.clock().Unix() + 10*365*86400, "epochs": claims.Epochs})
	before := s.head()
	s.revoke(c, forged)
	entry := s.send("GET", fmt.Sprintf("/v1/revocations?after=%v", before), "", "").body["entries"].([]any)[0].([]any)
	if most := float64(s.clock().Unix() + 86400 + 121); entry[3].(float64) > most {
		t.Errorf("the log keeps it until %v, want at most %v", entry[3], most)
	}
}

func TestRevokeRefreshToken(t *testing.T) {
	s := start(t)
	owner, other, api := s.usual("svc"), s.usual("other"), s.reader(orders)
	first := s.signIn(orders)
	access := first.str("access_token")
	next := s.send("POST", "/v1/refresh", "application/json", `{"refresh_token":"`+first.str("refresh_token")+`"}`).is(200)
	s.hide(next.str("refresh_token"))
	sid := s.introspect(api, access).str("sid")

	s.revoke(owner, next.str("refresh_token"))
	s.revoke(owner, access)
	s.introspect(api, access).active("what the sign-in holds is not another client's to end")
	s.belongsTo(sid, "svc")
	s.revoke(other, next.str("refresh_token"))
	s.introspect(owner, next.str("refresh_token")).active("another client can't end it")
	s.revoke(owner, first.str("refresh_token"), "token_type_hint", "access_token") // used already, and its own all the same
	s.introspect(owner, next.str("refresh_token")).inactive("ended")
	s.introspect(api, access).inactive("its access tokens are ended with it")
	before := s.head()
	s.revoke(owner, next.str("refresh_token"))
	if s.head() != before {
		t.Error("ending what has ended fills the log")
	}
	audit := s.admin("GET", "/v1/admin/audit?q=revoke.grant", "").is(200).body["items"].([]any)
	if len(audit) == 0 || audit[len(audit)-1].(map[string]any)["target"] != sid {
		t.Errorf("audit %v", audit)
	}
}

// Who bears a token of the sign-in may end it, under the sign-in's name; under
// that name nobody can end what is another client's, or sits in a cookie.
func TestRevokeAsPublicClient(t *testing.T) {
	s := start(t)
	c, api := s.usual("svc"), s.reader(orders)
	in := s.signIn(orders)
	service := s.token(c, orders)
	public := func(token string) {
		t.Helper()
		s.post("/oauth/revoke", []string{"token", token, "client_id", "writ"}).empty()
	}
	public(service)
	s.introspect(c, service).active("another client's")
	public(in.str("access_token"))
	s.introspect(api, in.str("access_token")).inactive("its own")
	public(s.signIn("").str("refresh_token"))
	cookie := s.send("POST", "/v1/login", "application/json", `{"email":"`+adminMail+`","password":"`+password+`","mode":"cookie"}`,
		header("Sec-Fetch-Site", "same-origin")).is(200)
	refresh, before := "", s.head()
	for _, c := range (&http.Response{Header: cookie.header}).Cookies() {
		if c.Name == "writ_rt" {
			refresh = s.hide(c.Value)
		}
	}
	public(refresh)
	if refresh == "" || s.head() != before {
		t.Errorf("a cookie's refresh token %q is taken from a body", refresh)
	}
}
