package jwt_test

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

// now is the time of all tests: 2027-01-15T08:00:00Z.
const now = 1_800_000_000

func clock() time.Time { return time.Unix(now, 0) }

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func newSecret(t testing.TB) *jwk.Secret {
	t.Helper()
	return must[*jwk.Secret](t)(jwk.GenerateSecret(jwk.HS256))
}

func newKey(t testing.TB, alg jwk.Algorithm) *jwk.PrivateKey {
	t.Helper()
	return must[*jwk.PrivateKey](t)(jwk.Generate(alg))
}

// good is a payload that newVerifier accepts.
const good = `{"iss":"https://issuer.example","sub":"u1","aud":"api","exp":1800000900,"iat":1800000000}`

// expect is what good is.
func expect() jwt.Expect {
	return jwt.Expect{Issuer: "https://issuer.example", Audience: []string{"api"}, Type: "JWT", Now: clock}
}

func newVerifier(t testing.TB, keys jwt.KeySource, changes ...func(*jwt.Expect)) *jwt.Verifier[jwt.Claims] {
	t.Helper()
	e := expect()
	for _, change := range changes {
		change(&e)
	}
	return must[*jwt.Verifier[jwt.Claims]](t)(jwt.NewVerifier[jwt.Claims](keys, e))
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// forge signs whatever header and payload it is given.
func forge(t testing.TB, key jwk.SigningKey, header, payload string) string {
	t.Helper()
	input := b64(header) + "." + b64(payload)
	return input + "." + b64(string(must[[]byte](t)(key.Sign([]byte(input)))))
}

// resign returns token as a secret of ours signs it. Those of some examples are
// known to everybody, and so refused, which text is asserted to be.
func resign(t *testing.T, alg jwk.Algorithm, text []byte, token string) (*jwk.Secret, string) {
	t.Helper()
	if _, err := jwk.ParseSecretJWK(text); !errors.Is(err, jwk.ErrWeak) {
		t.Errorf("the secret of an example: %v, want %v", err, jwk.ErrWeak)
	}
	key := must[*jwk.Secret](t)(jwk.GenerateSecret(alg))
	input := token[:strings.LastIndexByte(token, '.')]
	return key, input + "." + b64(string(must[[]byte](t)(key.Sign([]byte(input)))))
}

// header is the plainest header for key.
func header(key jwk.SigningKey) string { return `{"alg":"` + string(key.Algorithm()) + `"}` }

// with returns good with a member added or replaced; an empty value removes it.
func with(name, value string) string {
	var members []string
	found := false
	for _, m := range strings.Split(strings.Trim(good, "{}"), ",") {
		if strings.HasPrefix(m, `"`+name+`":`) {
			if found = true; value == "" {
				continue
			}
			m = `"` + name + `":` + value
		}
		members = append(members, m)
	}
	if !found && value != "" {
		members = append(members, `"`+name+`":`+value)
	}
	return "{" + strings.Join(members, ",") + "}"
}

func reasons() []error {
	return []error{
		jwt.ErrTooLarge, jwt.ErrMalformed, jwt.ErrHeader, jwt.ErrType, jwt.ErrKey, jwt.ErrUnavailable, jwt.ErrSignature,
		jwt.ErrClaim, jwt.ErrIssuer, jwt.ErrAudience, jwt.ErrNonce, jwt.ErrExpired, jwt.ErrNotYetValid, jwt.ErrTooOld,
	}
}

// verify verifies token and checks that the outcome is reason, and no other;
// nil means that the token must be accepted.
func verify[C jwt.ClaimSet](t testing.TB, v *jwt.Verifier[C], token string, reason error, name string) {
	t.Helper()
	tok, err := v.Verify(context.Background(), token)
	checkOutcome(t, tok != nil, err, reason, name)
}

func checkOutcome(t testing.TB, accepted bool, err, reason error, name string) {
	t.Helper()
	if reason == nil {
		if err != nil || !accepted {
			t.Errorf("refused: %v", err)
		}
		return
	}
	if accepted {
		t.Errorf("a token came back, want %v", reason)
	}
	for _, other := range reasons() {
		if got, want := errors.Is(err, other), other == reason; got != want {
			t.Errorf("errors.Is(%q, %q) = %v, want %v", err, other, got, want)
		}
	}
	var refusal *jwt.Error
	if !errors.As(err, &refusal) {
		t.Fatalf("error is a %T, want *jwt.Error", err)
	}
	if refusal.Reason != reason || refusal.Name != name {
		t.Errorf("refused as %v (%q), want %v (%q)", refusal.Reason, refusal.Name, reason, name)
	}
}
