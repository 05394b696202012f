package oauth_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/writ-auth/writ/jwk"
)

// introspect asks about a token.
func (s *server) introspect(c service, token string, more ...string) *answer {
	s.t.Helper()
	return s.post("/oauth/introspect", append([]string{"token", token}, more...), c.basic()).is(200)
}

// inactive wants the answer that says nothing but that.
func (a *answer) inactive(why string) {
	a.t.Helper()
	if strings.TrimSpace(a.text) != `{"active":false}` {
		a.t.Errorf("%s: answer %s, want exactly {\"active\":false}", why, a.text)
	}
	if a.header.Get("Cache-Control") != "no-store" || a.header.Get("Content-Type") != "application/json" {
		a.t.Errorf("%s: headers %v", why, a.header)
	}
}

func (a *answer) active(why string) *answer {
	a.t.Helper()
	if a.body["active"] != true {
		a.t.Errorf("%s: answer %s, want an active token", why, a.text)
	}
	return a
}

// reader is a client that is the API of audiences: it asks for no tokens itself.
func (s *server) reader(audiences ...string) service {
	s.t.Helper()
	list, err := json.Marshal(append([]string{}, audiences...))
	if err != nil {
		s.t.Fatal(err)
	}
	return s.service("api-"+fmt.Sprint(len(s.hidden)), `,"grant_types":[],"audiences":`+string(list))
}

func TestIntrospectClientToken(t *testing.T) {
	s := start(t)
	c := s.service("svc", `,"grant_types":["client_credentials"],"audiences":["`+orders+`"],"scope":"read",
		"claims":{"plan":"pro","active":false,"username":"root","token_type":"x"}`)
	token := s.token(c, orders)
	a := s.introspect(c, token).active("its own")
	payload := s.verify(s.keys(), orders, token).Claims()
	want := map[string]any{"active": true, "token_type": "Bearer", "iss": issuer, "sub": "svc", "aud": orders, "client_id": "svc",
		"scope": "read", "exp": float64(payload.Expiry.Time().Unix()), "iat": float64(s.clock().Unix()), "jti": payload.ID,
		"epochs": []any{payload.Epochs[0]}, "plan": "pro"}
	if fmt.Sprint(a.body) != fmt.Sprint(want) {
		t.Errorf("answer %v, want %v", a.body, want)
	}
	if strings.Count(a.text, `"active"`) != 1 {
		t.Errorf("a claim of the client's stands beside the answer: %s", a.text)
	}
	s.introspect(c, token, "token_type_hint", "refresh_token").active("with a wrong hint")
	s.introspect(c, token, "token_type_hint", "pigeon").active("with an unknown hint")
	s.introspect(s.reader(orders), token).active("by its API")
	s.introspect(s.reader(stock), token).inactive("by another API")
	s.introspect(s.reader(), token).inactive("by a client of no API")
	s.post("/oauth/introspect", []string{"token", token}).fails(401, "invalid_client")
	s.post("/oauth/introspect", nil, c.basic()).fails(400, "invalid_request")
	s.post("/oauth/introspect", []string{"token", ""}, c.basic()).fails(400, "invalid_request")
	s.service("public", `,"token_endpoint_auth_method":"none","audiences":["`+orders+`"]`)
	s.post("/oauth/introspect", []string{"token", token, "client_id", "public"}).fails(401, "invalid_client")
	s.post("/oauth/introspect", []string{"token", token, "client_id", "writ"}).fails(401, "invalid_client")
}

func TestIntrospectPersonsToken(t *testing.T) {
	s := start(t)
	s.admin("POST", "/v1/admin/roles", `{"name":"clerk","permissions":["orders.read"]}`).is(201)
	s.admin("POST", "/v1/admin/users", `{"username":"ada","email":"ada@example.com","password":"`+password+`","roles":["clerk"]}`).is(201)
	in := s.send("POST", "/v1/login", "application/json", `{"username":"ada","password":"`+password+`","audience":"`+orders+`"}`).is(200)
	api := s.reader(orders)
	a := s.introspect(api, in.str("access_token")).active("by its API")
	for name, want := range map[string]string{"username": "ada", "preferred_username": "ada", "client_id": "writ", "aud": orders,
		"roles": "[clerk]", "permissions": "[orders.read]", "token_type": "Bearer", "amr": "[pwd]"} {
		if got := fmt.Sprint(a.body[name]); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	if !strings.HasPrefix(a.str("sub"), "usr_") || a.str("sid") == "" {
		t.Errorf("answer %s", a.text)
	}
	s.introspect(s.reader(stock), in.str("access_token")).inactive("by another API")
	s.introspect(api, s.signIn("").str("access_token")).inactive("for Writ itself")
	s.introspect(api, in.str("refresh_token")).inactive("a refresh token of the sign-in")
}

// What is no token of ours, or of another kind, is not told apart.
func TestIntrospectAnythingElse(t *testing.T) {
	s := start(t)
	c, k := s.usual("svc"), s.keyed("keyed", jwk.ES256)
	good := s.token(c, orders)
	parts := strings.Split(good, ".")
	s.admin("POST", "/v1/admin/users", `{"username":"new","email":"new@example.com","password":"`+password+`"}`).is(201)
	for what, token := range map[string]string{
		"garbage":                     "x",
		"white space":                 " ",
		"its own secret":              c.secret,
		"changed":                     good[:len(good)-4] + "AAAA",
		"unsigned":                    parts[0] + "." + parts[1] + ".",
		"with a space after":          good + " ",
		"in a scheme":                 "Bearer " + good,
		"an assertion":                s.assertion(k, nil),
		"very long":                   strings.Repeat("a", 60_000),
		"a forged refresh token":      "writ_rt_" + strings.Repeat("A", 60),
		"the beginning of one":        "writ_rt_",
		"somebody else's key":         sign(k.key, map[string]any{"alg": "ES256", "typ": "at+jwt"}, map[string]any{"iss": issuer, "aud": orders, "client_id": "svc", "sub": "svc", "exp": s.clock().Unix() + 60}),
		"NUL":                         "\x00",
		"an opaque cookie of the log": "writ_s_" + strings.Repeat("A", 43),
	} {
		s.introspect(c, token).inactive(what)
		s.post("/oauth/revoke", []string{"token", token}, c.basic()).is(200)
	}
	s.introspect(c, good).active("the good one")
}

// A token is as good as what it stands for, at the moment of the question.
func TestIntrospectAfterTheEnd(t *testing.T) {
	s := start(t)
	api := s.reader(orders)
	login := func(name, audience string) *answer {
		return s.send("POST", "/v1/login", "application/json", `{"username":"`+name+`","password":"`+password+`","audience":"`+audience+`"}`).is(200)
	}
	n := 0
	for what, end := range map[string]func(user string, in *answer){
		"log-out": func(_ string, in *answer) {
			s.send("POST", "/v1/logout", "", "", bearer(in.str("access_token"))).is(200)
		},
		"log-out everywhere": func(user string, _ *answer) {
			token := s.send("POST", "/v1/login", "application/json", `{"username":"`+user+`","password":"`+password+`"}`).is(200).str("access_token")
			s.send("POST", "/v1/logout-all", "", "", bearer(token)).is(200)
		},
		"user disabled": func(user string, _ *answer) {
			s.admin("PATCH", "/v1/admin/users/"+s.userID(user), `{"disabled":true}`).is(200)
		},
		"user deleted": func(user string, _ *answer) { s.admin("DELETE", "/v1/admin/users/"+s.userID(user), "").is(200) },
		"token revoked": func(_ string, in *answer) {
			s.admin("POST", "/v1/admin/revocations", `{"token":"`+in.str("access_token")+`"}`).is(200)
		},
		"session revoked": func(_ string, in *answer) {
			s.admin("POST", "/v1/admin/revocations", `{"kind":"session","id":"`+in.str("session_id")+`"}`).is(200)
		},
		"expired": func(string, *answer) { s.advance(15 * time.Minute) },
	} {
		n++
		user := fmt.Sprint("user", n)
		s.user(user)
		in := login(user, orders)
		s.introspect(api, in.str("access_token")).active("before: " + what)
		end(user, in)
		s.introspect(api, in.str("access_token")).inactive(what)
	}
	for what, end := range map[string]func(){
		"client disabled": func() { s.admin("PATCH", "/v1/admin/clients/svc", `{"disabled":true}`).is(200) },
		"client revoked":  func() { s.admin("POST", "/v1/admin/revocations", `{"kind":"client","id":"svc"}`).is(200) },
		"client deleted and made anew": func() {
			s.admin("DELETE", "/v1/admin/clients/svc", "").is(200)
			s.usual("svc")
		},
		"expired": func() { s.advance(15 * time.Minute) },
	} {
		token := s.token(s.usual("svc"), orders)
		s.introspect(api, token).active("before: " + what)
		end()
		s.introspect(api, token).inactive(what)
		s.admin("DELETE", "/v1/admin/clients/svc", "").is(200)
	}
}

// However many ask at that moment: who asks after the log-out was answered is
// told that the token is over, though it was known to be good until then.
func TestIntrospectBesideLogOut(t *testing.T) {
	s := start(t)
	api := s.reader(orders)
	for range 20 {
		in := s.signIn(orders)
		token := in.str("access_token")
		var over atomic.Bool
		var askers sync.WaitGroup
		for range 4 {
			askers.Go(func() {
				for done := false; !done; {
					done = over.Load() // before the question
					a := s.introspect(api, token)
					if done && a.body["active"] != false {
						t.Errorf("active after the log-out: %s", a.text)
					}
				}
			})
		}
		s.send("POST", "/v1/logout", "", "", bearer(token)).is(200)
		over.Store(true)
		askers.Wait()
	}
}

func (s *server) userID(name string) string {
	s.t.Helper()
	return s.admin("GET", "/v1/admin/users?q="+name+"%40", "").body["items"].([]any)[0].(map[string]any)["id"].(string)
}

// A compromised key takes its tokens with it.
func TestIntrospectAfterCompromise(t *testing.T) {
	s := start(t)
	c := s.usual("svc")
	token := s.token(c, orders)
	s.introspect(c, token).active("before")
	kid := ""
	for key := range s.keys().All() {
		kid = key.KeyID()
	}
	s.admin("POST", "/v1/admin/revocations", `{"kind":"key","id":"`+kid+`"}`).is(200)
	s.introspect(c, token).inactive("a token of the key")
	s.introspect(c, s.token(c, orders)).active("a token of the next key")
}

// An API whose tokens have a shared secret is answered like others, and whoever
// holds the secret can't make tokens that pass for another API's.
func TestIntrospectSharedSecret(t *testing.T) {
	s := start(t)
	shared := "https://shared.example"
	made := s.admin("POST", "/v1/admin/apis", `{"audience":"`+shared+`","algorithm":"HS256"}`).is(201)
	text := s.hide(made.str("secret"))
	c := s.service("svc", `,"grant_types":["client_credentials"],"audiences":["`+shared+`"]`)
	api, both := s.reader(shared), s.reader(orders, shared)
	token := s.token(c, shared)
	s.introspect(c, token).active("its own")
	s.introspect(api, token).active("by its API")
	s.introspect(both, token).active("by one of two APIs")
	s.introspect(s.reader(orders), token).inactive("by another API")
	next := s.admin("POST", "/v1/admin/apis/"+s.apiID(shared)+"/secrets", `{"signs_in":0}`).is(201)
	s.hide(next.str("secret"))
	s.introspect(api, token).active("under the older of two secrets")
	s.introspect(api, s.token(c, shared)).active("under the newer of two secrets")

	key, err := jwk.NewSecret(jwk.HS256, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	claims := map[string]any{}
	if err := json.Unmarshal(s.verify(key, shared, token).Payload(), &claims); err != nil {
		t.Fatal(err)
	}
	forged := func(name string, value any) string {
		changed := map[string]any{}
		for k, v := range claims {
			changed[k] = v
		}
		changed[name] = value
		return sign(key, map[string]any{"alg": "HS256", "typ": "at+jwt", "kid": made.str("secret_kid")}, changed)
	}
	s.introspect(both, forged("jti", "x")).active("the secret vouches for its own API")
	s.introspect(both, forged("aud", orders)).inactive("for another API")
	s.introspect(both, forged("aud", []string{shared, orders})).inactive("for another API as well")
	s.introspect(both, forged("aud", issuer)).inactive("for Writ")
	s.introspect(both, forged("sub", "usr_x")).inactive("of a person, without a session")
	s.introspect(both, forged("client_id", "nobody")).inactive("of nobody")
	s.introspect(both, forged("sid", "nothing")).inactive("of a session that isn't there")
	s.admin("DELETE", "/v1/admin/apis/"+s.apiID(shared), "").is(204)
	s.introspect(api, token).inactive("of an API that is gone")
}

// belongsTo makes a grant of the sign-in another client's, as a flow for such
// clients will.
func (s *server) belongsTo(grant, client string) {
	s.t.Helper()
	s.close()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.dir, "writ.db"))
	if err != nil {
		s.t.Fatal(err)
	}
	res, err := db.Exec(`UPDATE grants SET client_id = $1, client_epoch = (SELECT epoch FROM clients WHERE id = $1) WHERE id = $2`, client, grant)
	if err == nil {
		if n, _ := res.RowsAffected(); n != 1 {
			err = fmt.Errorf("%d grants", n)
		}
	}
	if err != nil {
		s.t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		s.t.Fatal(err)
	}
	s.open()
}

// A refresh token concerns the client that holds it and nobody else.
func TestIntrospectRefreshToken(t *testing.T) {
	s := start(t)
	owner, other, api := s.usual("svc"), s.usual("other"), s.reader(orders)
	refresh := func(token string) *answer {
		a := s.send("POST", "/v1/refresh", "application/json", `{"refresh_token":"`+token+`"}`).is(200)
		s.hide(a.str("refresh_token"))
		return a
	}
	first := s.signIn(orders)
	sid := s.introspect(api, first.str("access_token")).str("sid")
	second := refresh(first.str("refresh_token"))
	third := refresh(second.str("refresh_token"))
	s.introspect(owner, third.str("refresh_token")).inactive("not its own")
	s.belongsTo(sid, "svc")

	a := s.introspect(owner, third.str("refresh_token")).active("its own")
	want := map[string]any{"active": true, "iss": issuer, "client_id": "svc", "sid": sid, "iat": float64(s.clock().Unix()),
		"exp": float64(s.clock().Add(168 * time.Hour).Unix()), "sub": a.body["sub"]}
	if fmt.Sprint(a.body) != fmt.Sprint(want) || !strings.HasPrefix(a.str("sub"), "usr_") {
		t.Errorf("answer %v, want %v", a.body, want)
	}
	s.introspect(owner, second.str("refresh_token")).active("just used, good for a retry")
	s.introspect(owner, first.str("refresh_token")).inactive("used long since")
	s.introspect(other, third.str("refresh_token")).inactive("by another client")
	s.introspect(api, third.str("refresh_token")).inactive("by the API")
	s.introspect(owner, third.str("refresh_token")).active("asking ends nothing")
	s.advance(168 * time.Hour)
	s.introspect(owner, third.str("refresh_token")).inactive("idle for too long")
}
