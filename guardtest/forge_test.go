package guardtest

import (
	"testing"
)

// A hostile token has one fault. Were the workshop itself at fault, every token
// out of it would be refused and prove nothing.
func TestForgeMakesGoodTokensToo(t *testing.T) {
	const audience = "https://api.example.com"
	issuer := NewIssuer(t)
	f := newForge(issuer, audience)
	f.addHeader("header", f.text(f.header))
	f.addClaims("claims", f.text(f.claims))
	f.add("hmac", f.hmac("secret", f.header))
	g := issuer.Guard(audience)
	for _, made := range f.list[:2] {
		if _, err := g.Verify(t.Context(), made.Token); err != nil {
			t.Errorf("%s: got %v, want a good token", made.Name, err)
		}
	}
	if _, err := g.Verify(t.Context(), f.list[2].Token); err == nil {
		t.Error("a MAC passes for a signature")
	}
}
