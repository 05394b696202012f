package guard_test

import (
	"crypto/elliptic"
	"math/big"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/writ-auth/writ/internal/base64url"
	"github.com/writ-auth/writ/internal/revlog"
)

// TestTwinIsRevokedToo: whoever has an ECDSA signature (r, s) can make (r, n-s),
// which is as good. A token is revoked by its jti, so that its twin, whose bytes
// nobody has seen before, is revoked with it.
func TestTwinIsRevokedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		g := w.guard(t, nil)
		token := w.token(nil)
		other := twin(t, token)
		if other == token {
			t.Fatal("the twin is the token")
		}
		_, err := g.Verify(t.Context(), other)
		wantStatus(t, "twin before", err, 200) // RFC 7518 doesn't forbid it
		if err := g.Synced(t.Context(), issuerURL, w.revoke(revlog.Token, "jti-1")); err != nil {
			t.Fatal(err)
		}
		for what, token := range map[string]string{"token": token, "twin": other, "twin of the twin": twin(t, other)} {
			_, err := g.Verify(t.Context(), token)
			wantStatus(t, what, err, 401)
		}
	})
}

// twin answers an ES256 token with the other signature that its key would
// verify.
func twin(t *testing.T, token string) string {
	t.Helper()
	i := strings.LastIndexByte(token, '.') + 1
	signature, err := base64url.Decode(token[i:])
	if err != nil {
		t.Fatal(err)
	}
	s := new(big.Int).SetBytes(signature[32:])
	s.Sub(elliptic.P256().Params().N, s).FillBytes(signature[32:])
	return token[:i] + base64url.Encode(signature)
}
