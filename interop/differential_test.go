package interop_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"testing"
	"time"

	gojwt "github.com/golang-jwt/jwt/v5"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

// now is the time of the differential tests.
const now = 1_800_000_000

const good = `{"iss":"https://issuer.example","sub":"u1","aud":"https://api.example","exp":1800000900,"iat":1800000000}`

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// forge signs any header and payload with HS256.
func forge(secret []byte, header, payload string) string {
	input := encode([]byte(header)) + "." + encode([]byte(payload))
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(input))
	return input + "." + encode(mac.Sum(nil))
}

// pair is one secret, known to both libraries.
type pair struct {
	secret []byte
	ours   *jwt.Verifier[jwt.Claims]
}

func newPair(t testing.TB) pair {
	t.Helper()
	secret := newSecret(t, jwk.HS256)
	v, err := jwt.NewVerifier[jwt.Claims](secret, jwt.Expect{
		Issuer: issuer, Audience: []string{audience}, Type: "JWT", AllowConfirmation: true,
		Now: func() time.Time { return time.Unix(now, 0) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return pair{secret.ExportBytes(), v}
}

// golangJWT verifies as strictly as golang-jwt can. It compares times as
// floating-point seconds, and takes iat for exact where we allow a minute, so it
// gets leeway.
func (p pair) golangJWT(token string) error {
	_, err := gojwt.Parse(token, func(*gojwt.Token) (any, error) { return p.secret, nil },
		gojwt.WithValidMethods([]string{"HS256"}), gojwt.WithIssuer(issuer), gojwt.WithAudience(audience), gojwt.WithExpirationRequired(),
		gojwt.WithStrictDecoding(), gojwt.WithLeeway(time.Minute+time.Second), gojwt.WithTimeFunc(func() time.Time { return time.Unix(now, 0) }))
	return err
}

func (p pair) compare(t *testing.T, token string) {
	t.Helper()
	tok, err := p.ours.Verify(context.Background(), token)
	if err != nil {
		return
	}
	if err := p.golangJWT(token); err != nil {
		t.Errorf("accepted, but golang-jwt says %v\n%s", err, tok.Payload())
	}
}

// FuzzPayload: golang-jwt accepts what we accept.
func FuzzPayload(f *testing.F) {
	p := newPair(f)
	for _, s := range []string{
		good, `{"iss":"https://issuer.example","aud":["x","https://api.example"],"exp":1.8000009e9,"nbf":1,"iat":1800000030.5}`,
		`{"iss":"https://issuer.example","aud":"https://api.example","exp":1800000900,"EXP":1,"x":{"y":[1e300,"\ud83d\ude00"]}}`,
		`{"iss":"https://issuer.example","aud":"https://api.example","exp":1800000000.000000001}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, payload string) { p.compare(t, forge(p.secret, `{"alg":"HS256"}`, payload)) })
}

// FuzzHeader is the same for headers.
func FuzzHeader(f *testing.F) {
	p := newPair(f)
	for _, s := range []string{`{"alg":"HS256"}`, `{"typ":"JWT","alg":"HS256","kid":"k","x":[1]}`, `{"ALG":"none","alg":"HS256"}`, `{"\u0061lg":"HS256"}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) { p.compare(t, forge(p.secret, header, good)) })
}

// FuzzToken changes whole tokens.
func FuzzToken(f *testing.F) {
	p := newPair(f)
	f.Add(forge(p.secret, `{"alg":"HS256"}`, good))
	f.Fuzz(func(t *testing.T, token string) { p.compare(t, token) })
}

// TestStricter names what golang-jwt accepts and we refuse: each is a way to
// make two readers see two tokens in one, or to use a token for what it isn't.
func TestStricter(t *testing.T) {
	p := newPair(t)
	for name, c := range map[string]struct {
		header, payload string
		want            error
	}{
		"duplicate name":         {`{"alg":"HS256"}`, good[:len(good)-1] + `,"sub":"admin"}`, jwt.ErrMalformed},
		"duplicate in header":    {`{"alg":"none","alg":"HS256"}`, good, jwt.ErrHeader},
		"invalid UTF-8":          {`{"alg":"HS256"}`, good[:len(good)-1] + ",\"x\":\"\xff\"}", jwt.ErrMalformed},
		"another kind of token":  {`{"alg":"HS256","typ":"at+jwt"}`, good, jwt.ErrType},
		"expiry in milliseconds": {`{"alg":"HS256"}`, `{"iss":"https://issuer.example","aud":"https://api.example","exp":1800000900000}`, jwt.ErrClaim},
		"kid that is a number":   {`{"alg":"HS256","kid":1}`, good, jwt.ErrHeader},
	} {
		t.Run(name, func(t *testing.T) {
			token := forge(p.secret, c.header, c.payload)
			if err := p.golangJWT(token); err != nil {
				t.Errorf("golang-jwt refuses this too: %v", err)
			}
			_, err := p.ours.Verify(t.Context(), token)
			if e, ok := err.(*jwt.Error); !ok || e.Reason != c.want {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}
