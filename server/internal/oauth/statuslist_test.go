package oauth_test

import (
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/internal/testenv"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
	"github.com/writ-auth/writ/server/internal/statuslist"
)

const listed = "https://listed.example" // an API whose tokens say where their status stands

// place is where a token says that its status stands.
type place struct {
	IDX int64  `json:"idx"`
	URI string `json:"uri"`
}

// claimsOf decodes a token's payload.
func claimsOf(t *testing.T, token string) (claims map[string]any, status place) {
	t.Helper()
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	var c struct {
		Status struct {
			List place `json:"status_list"`
		}
	}
	if err := json.Unmarshal(payload, &c); err != nil {
		t.Fatal(err)
	}
	return claims, c.Status.List
}

// startListed starts a server with an API that wants status lists.
func startListed(t *testing.T) *server {
	t.Helper()
	s := start(t)
	made := s.admin("POST", "/v1/admin/apis", `{"audience":"`+listed+`","status_list":true}`).is(201)
	if made.body["status_list"] != true {
		t.Fatalf("the API is %s", made.text)
	}
	return s
}

// list fetches a list by its URI.
func (s *server) list(uri string, changes ...with) *answer {
	s.t.Helper()
	return s.send("GET", strings.TrimPrefix(uri, issuer), "", "", changes...)
}

// pythonReader reads lists with Python's zlib and PyJWT, and for a line with the
// claims of a token says whether it is revoked.
const pythonReader = `
import sys, json, time
sys.path.insert(0, sys.argv[1])
import jwt, status_list
class Here(status_list.StatusLists):
    def fetch(self, uri):
        return super().fetch(uri.replace(self.issuer, sys.argv[3]))
lists = Here(sys.argv[2], "ES256")
lists.keys = jwt.PyJWKClient(sys.argv[3] + "/.well-known/jwks.json")
now = time.time
clock = float(sys.argv[4])
time.time = lambda: clock
class Then(jwt.api_jwt.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(clock, tz)
jwt.api_jwt.datetime = Then
for line in sys.stdin:
    print("revoked" if lists.revoked(json.loads(line)) else "valid")
`

// readBy asks the reader of examples/python about tokens.
func (s *server) readBy(python string, tokens ...string) string {
	s.t.Helper()
	var claims strings.Builder
	for _, token := range tokens {
		payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
		if err != nil {
			s.t.Fatal(err)
		}
		claims.Write(append(payload, '\n'))
	}
	cmd := exec.CommandContext(s.t.Context(), python, "-B", "-c", pythonReader, "../../../examples/python", issuer, s.http.URL, fmt.Sprint(s.clock().Unix()))
	cmd.Stdin = strings.NewReader(claims.String())
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("%v: %s", err, &stderr)
	}
	return strings.Join(strings.Fields(string(out)), " ")
}

// TestStatusListInPython: somebody else's reader sees sessions end.
func TestStatusListInPython(t *testing.T) {
	python := testenv.Need(t, testenv.Python)
	s := startListed(t)
	first, second, third := s.signIn(listed), s.signIn(listed), s.signIn(listed)
	tokens := []string{first.str("access_token"), second.str("access_token"), third.str("access_token")}
	if got := s.readBy(python, tokens...); got != "valid valid valid" {
		t.Errorf("at first: %s", got)
	}
	s.admin("POST", "/v1/admin/revocations", `{"kind":"session","id":"`+second.str("session_id")+`"}`).is(200)
	s.advance(statuslist.BuiltEvery)
	if got := s.readBy(python, tokens...); got != "valid revoked valid" {
		t.Errorf("a session ended: %s", got)
	}
	s.restart()
	if got := s.readBy(python, tokens...); got != "valid revoked valid" {
		t.Errorf("after a restart: %s", got)
	}
	user := first.body["user"].(map[string]any)["id"].(string)
	s.admin("POST", "/v1/admin/revocations", `{"kind":"user","id":"`+user+`"}`).is(200)
	s.advance(statuslist.BuiltEvery)
	if got := s.readBy(python, tokens...); got != "revoked revoked revoked" {
		t.Errorf("signed out everywhere: %s", got)
	}
}

// TestStatusClaim: only an API that asks for it gets the claim, and a grant has
// one place, whatever it is refreshed for.
func TestStatusClaim(t *testing.T) {
	s := startListed(t)
	if claims, _ := claimsOf(t, s.signIn(orders).str("access_token")); claims["status"] != nil {
		t.Errorf("an API that didn't ask gets %v", claims["status"])
	}
	in := s.signIn(orders)
	refresh := func(audience string) string {
		t.Helper()
		a := s.send("POST", "/v1/refresh", "application/json", `{"refresh_token":"`+in.str("refresh_token")+`","audience":"`+audience+`"}`).is(200)
		in = a
		s.hide(a.str("refresh_token"))
		return a.str("access_token")
	}
	_, at := claimsOf(t, refresh(listed))
	if at.URI != issuer+"/v1/status-lists/0" || at.IDX < 0 || at.IDX >= 1<<17 {
		t.Errorf("status at %+v", at)
	}
	if _, again := claimsOf(t, refresh(listed)); again != at {
		t.Errorf("then at %+v, want %+v", again, at)
	}
	if claims, _ := claimsOf(t, refresh(orders)); claims["status"] != nil {
		t.Errorf("another API gets %v", claims["status"])
	}
	c := s.service("robot", `,"grant_types":["client_credentials"],"audiences":["`+listed+`"]`)
	if claims, _ := claimsOf(t, s.token(c, listed)); claims["status"] != nil {
		t.Errorf("a client's own token, which has no grant, says %v", claims["status"])
	}
	s.admin("PATCH", "/v1/admin/apis/"+strings.ReplaceAll(listed, "/", "%2F"), `{"status_list":false}`).is(200)
	if claims, _ := claimsOf(t, refresh(listed)); claims["status"] != nil {
		t.Errorf("no longer asked for: %v", claims["status"])
	}
}

// TestStatusListToken: what a list says of itself (section 5.1), by our own
// verifier.
func TestStatusListToken(t *testing.T) {
	s := startListed(t)
	_, at := claimsOf(t, s.signIn(listed).str("access_token"))
	a := s.list(at.URI).is(200)
	if got := a.header.Get("Content-Type"); got != "application/statuslist+jwt" {
		t.Errorf("Content-Type %q", got)
	}
	if a.header.Get("Cache-Control") != "public, max-age=10" || a.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("header %v", a.header)
	}
	set, err := jwk.ParseSet([]byte(s.list("/jwks.json").is(200).text))
	if err != nil {
		t.Fatal(err)
	}
	type claims struct {
		jwt.Claims
		TTL int64 `json:"ttl"`
	}
	v, err := jwt.NewVerifier[claims](set, jwt.Expect{Issuer: issuer, AnyAudience: true, Type: "statuslist+jwt", Now: s.clock})
	if err != nil {
		t.Fatal(err)
	}
	tok, err := v.Verify(t.Context(), a.text)
	if err != nil {
		t.Fatal(err)
	}
	c, now := tok.Claims(), s.clock().Truncate(time.Second)
	if c.Subject != at.URI || c.TTL != 30 || !c.IssuedAt.Time().Equal(now) || !c.Expiry.Time().Equal(now.Add(5*time.Minute)) {
		t.Errorf("claims %+v", c)
	}
	if again := s.list(at.URI, header("If-None-Match", a.header.Get("ETag"))); again.status != 304 || again.text != "" {
		t.Errorf("to whoever has it: %d %q", again.status, again.text)
	}
	all := s.list("/v1/status-lists").is(200)
	if strings.TrimSpace(all.text) != `{"status_lists":["`+at.URI+`"]}` {
		t.Errorf("all lists are %s", all.text)
	}
	for path, want := range map[string]int{
		"1": 404, "-1": 404, "00": 404, "+0": 404, "x": 404, "99999999999999999999": 404, "0?time=1686925000": 501,
	} {
		s.list("/v1/status-lists/" + path).is(want)
	}
}

// TestStatusListIsMadeSeldom: one list serves all who ask within seconds, and
// what was revoked is in the next.
func TestStatusListIsMadeSeldom(t *testing.T) {
	s := startListed(t)
	in := s.signIn(listed)
	_, at := claimsOf(t, in.str("access_token"))
	before := s.list(at.URI).text
	s.send("POST", "/v1/logout", "application/json", "{}", bearer(in.str("access_token"))).is(200)
	s.advance(statuslist.BuiltEvery - time.Second)
	if got := s.list(at.URI).text; got != before {
		t.Error("another list within BuiltEvery")
	}
	s.advance(time.Second)
	after := s.list(at.URI).text
	if after == before {
		t.Error("after BuiltEvery it is the old list")
	}
	s.advance(statuslist.BuiltEvery)
	if got := s.list(at.URI).text; got != after {
		t.Error("nothing changed, and there is another list")
	}
	s.advance(statuslist.TTL)
	if got := s.list(at.URI).text; got == after {
		t.Error("the list doesn't get younger")
	}
	s.admin("POST", "/v1/admin/keys/rotate", `{"compromised":"all"}`).is(202)
	if got := s.list(at.URI).text; strings.Split(got, ".")[0] == strings.Split(after, ".")[0] {
		t.Error("the list is signed with a compromised key")
	}
}

// TestStatusListGzip: what is shorter as gzip goes out so to who takes it.
func TestStatusListGzip(t *testing.T) {
	s := startListed(t)
	_, at := claimsOf(t, s.signIn(listed).str("access_token"))
	plain := s.list(at.URI, header("Accept-Encoding", "identity"))
	packed := s.list(at.URI, header("Accept-Encoding", "br, GZIP;q=0.8"))
	if packed.header.Get("Content-Encoding") != "gzip" || packed.header.Get("ETag") == plain.header.Get("ETag") ||
		packed.header.Get("Vary") != "Accept-Encoding" || len(packed.text) >= len(plain.text) {
		t.Errorf("header %v, %d bytes, plain %d", packed.header, len(packed.text), len(plain.text))
	}
	r, err := gzip.NewReader(strings.NewReader(packed.text))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(r); err != nil || string(text) != plain.text {
		t.Errorf("unpacked: %v, %d bytes", err, len(text))
	}
	if none := s.list(at.URI, header("Accept-Encoding", "gzip;q=0")); none.header.Get("Content-Encoding") != "" {
		t.Error("gzip to who wants none")
	}
}
