package browser

import (
	"encoding/json"
	"maps"
	"sort"
	"strings"
	"testing"
)

// TestTooLarge signs in with ever larger tokens: Chromium keeps the largest
// that Writ makes, and a larger one is refused with the reason, for a browser
// would drop it without a word.
func TestTooLarge(t *testing.T) {
	p := newProfile(t, nil)
	s := startSite(t)
	id := s.addUser(t, "bob@example.com", alicePassword, nil)
	claim := func(size int) {
		claims := map[string]any{"notes": strings.Repeat("n", size), "team": "blue"}
		s.must(t, 200, "PATCH", "/v1/admin/users/"+id, s.bearer, map[string]any{"claims": claims}, nil)
	}
	body := json.RawMessage(login("bob@example.com", alicePassword, "cookie"))
	fits := sort.Search(4096, func(size int) bool { // one more than the largest that does
		claim(size)
		status, _ := s.call(t, "POST", "/v1/login", "", body, "Origin", s.origin)
		return status != 200
	}) - 1
	b := p.open(s.origin + "/app/")
	signIn := func() seen { return b.send("POST", "/v1/login", string(body)) }

	claim(fits)
	signIn().want(t, "sign-in with the largest token", 200, "")
	stored := wantCookies(t, p, "writ_at", "writ_rt")
	if size := len(stored["writ_at"].Value); size < 3990 || size > 4000 {
		t.Errorf("the largest token has %d bytes, want about 4000", size)
	}
	b.send("GET", "/v1/me", "").want(t, "me with the largest token", 200, "")

	claim(fits + 3) // base64 may have room for two
	tooLarge(t, signIn())
	tooLarge(t, b.send("POST", "/v1/refresh", ""))
	if got := p.cookies(); !maps.Equal(got, stored) {
		t.Errorf("what was refused changed the cookies %v to %v", stored, got)
	}
	b.send("GET", "/v1/me", "").want(t, "me with the token from before", 200, "")
	claim(fits)
	b.send("POST", "/v1/refresh", "").want(t, "refresh when it fits again", 200, "")
	b.send("POST", "/v1/logout", "").want(t, "log-out", 200, "")

	claim(fits + 3)
	tooLarge(t, signIn())
	wantCookies(t, p)
}

func tooLarge(t *testing.T, got seen) {
	t.Helper()
	detail := got.want(t, "a token that is too large", 422, "token_too_large").member("detail")
	if !strings.Contains(detail, "biggest claims are notes (") {
		t.Errorf("%q doesn't name the biggest claim first", detail)
	}
	if strings.Contains(detail, "nnn") {
		t.Errorf("%q shows the claim", detail)
	}
}
