package guard_test

import (
	"net/http"
	"testing"

	"github.com/writ-auth/writ/dpop"
	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/jwt"
)

// What a program does afterwards to the configuration that it gave changes
// nothing: a wiped secret would be one that everybody knows.
func TestConfigIsCopied(t *testing.T) {
	secret := []byte("0123456789abcdef")
	issuer, g := newGuard(t, func(cfg *guard.Config) { cfg.DPoP.NonceSecrets = [][]byte{secret} })
	clear(secret)
	guessed, err := dpop.NewNonces(func() [][]byte { return [][]byte{make([]byte, 16)} }, issuer.Now)
	if err != nil {
		t.Fatal(err)
	}
	token, signer := issuer.Bound(audience, jwt.AccessClaims{})
	h := g.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	proof := sign(t, signer, "GET", "http://example.com/", token, guessed.Current())
	if w := serve(h, prove(get("/"), "DPoP", token, proof)); w.Code != 401 {
		t.Errorf("a nonce under the wiped secret: got %d, want 401", w.Code)
	}

	path := []string{"groups"}
	foreign, signForeign := foreignGuard(t, func(i *guard.Issuer) { i.Paths.Roles = path })
	path[0] = "roles"
	a, err := foreign.Verify(t.Context(), signForeign(foreignClaims{Roles: []byte(`["admin"]`)}))
	wantStatus(t, "token", err, 200)
	if a.HasRole("admin") {
		t.Error("a path that was changed afterwards counts")
	}
}
