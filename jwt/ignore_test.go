package jwt_test

import (
	"errors"
	"testing"

	"github.com/writ-auth/writ/jwt"
)

// What is ignored may have any form; it is strict JSON all the same.
func TestIgnore(t *testing.T) {
	key := newSecret(t)
	sign := func(claims string) string {
		return forge(t, key, `{"alg":"HS256"}`, good[:len(good)-1]+","+claims+"}")
	}
	verifier := func(ignore ...string) *jwt.Verifier[jwt.AccessClaims] {
		e := expect()
		e.Ignore = ignore
		return must[*jwt.Verifier[jwt.AccessClaims]](t)(jwt.NewVerifier[jwt.AccessClaims](key, e))
	}
	const odd = `"amr":[{"method":"password"}],"email_verified":"true"`
	if _, err := verifier("amr").Verify(t.Context(), sign(odd)); !errors.Is(err, jwt.ErrClaim) {
		t.Errorf("email_verified is read: got %v, want ErrClaim", err)
	}
	token, err := verifier("amr", "email_verified").Verify(t.Context(), sign(odd))
	if err != nil {
		t.Fatal(err)
	}
	if c := token.Claims(); c.AMR != nil || c.EmailVerified != nil || c.Subject != "u1" {
		t.Errorf("got %+v", c)
	}
	for _, broken := range []string{`"amr":[}`, `"amr":1,"amr":2`} {
		if _, err := verifier("amr").Verify(t.Context(), sign(broken)); !errors.Is(err, jwt.ErrMalformed) {
			t.Errorf("%s: got %v, want ErrMalformed", broken, err)
		}
	}
}

func TestIgnoreRefuses(t *testing.T) {
	key := newSecret(t)
	for _, name := range []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "cnf", "nonce", "azp", "sid", "", "nothing"} {
		e := expect()
		e.Required, e.Ignore = []string{"sid"}, []string{name}
		if _, err := jwt.NewVerifier[jwt.AccessClaims](key, e); err == nil {
			t.Errorf("%q: got no error", name)
		}
	}
}
