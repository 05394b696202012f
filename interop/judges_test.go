package interop_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	josejwt "github.com/go-jose/go-jose/v4/jwt"
	gojwt "github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/jwx/v3/jwa"
	jwxjwt "github.com/lestrrat-go/jwx/v3/jwt"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

// now is the time of the differential tests.
const now = 1_800_000_000

func clock() time.Time { return time.Unix(now, 0) }

// court is one key, known to our verifier and to three others.
type court struct {
	alg    jwk.Algorithm
	key    jwk.SigningKey
	ours   *jwt.Verifier[jwt.Claims]
	judges []judge
}

// judge is another library. It verifies as strictly as it can be told to, for
// what we check: the algorithm, issuer, audience and times, of which exp must
// be there. Leeway is for those who round.
type judge struct {
	name   string
	verify func(token string, leeway time.Duration) (reading, error)
}

// reading is what a library took out of a token.
type reading struct{ issuer, subject, id string }

// newCourts makes a court for one algorithm of each kind.
func newCourts(t testing.TB) []*court {
	t.Helper()
	var courts []*court
	for _, alg := range []jwk.Algorithm{jwk.HS256, jwk.RS256, jwk.PS256, jwk.ES256, jwk.EdDSA} {
		courts = append(courts, newCourt(t, alg))
	}
	return courts
}

func newCourt(t testing.TB, alg jwk.Algorithm) *court {
	t.Helper()
	c := &court{alg: alg}
	var source jwt.KeySource
	var theirs any
	if strings.HasPrefix(string(alg), "HS") {
		secret := newSecret(t, alg)
		c.key, source, theirs = secret, secret, secret.ExportBytes()
	} else {
		key, err := jwk.Generate(alg)
		if err != nil {
			t.Fatal(err)
		}
		c.key, source, theirs = key, key.Public(), key.Public().CryptoKey()
	}
	v, err := jwt.NewVerifier[jwt.Claims](source, jwt.Expect{
		Issuer: issuer, Audience: []string{audience}, Type: "JWT", AllowConfirmation: true, Now: clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	c.ours = v
	c.judges = []judge{golangJWT(alg, theirs), goJose(alg, theirs), jwx(alg, theirs)}
	return c
}

func golangJWT(alg jwk.Algorithm, key any) judge {
	return judge{"golang-jwt", func(token string, leeway time.Duration) (reading, error) {
		claims := gojwt.MapClaims{}
		_, err := gojwt.ParseWithClaims(token, claims, func(*gojwt.Token) (any, error) { return key, nil },
			gojwt.WithValidMethods([]string{string(alg)}), gojwt.WithIssuer(issuer), gojwt.WithAudience(audience), gojwt.WithExpirationRequired(),
			gojwt.WithIssuedAt(), gojwt.WithStrictDecoding(), gojwt.WithLeeway(leeway), gojwt.WithTimeFunc(clock))
		text := func(name string) string { s, _ := claims[name].(string); return s }
		return reading{text("iss"), text("sub"), text("jti")}, err
	}}
}

func goJose(alg jwk.Algorithm, key any) judge {
	return judge{"go-jose", func(token string, leeway time.Duration) (reading, error) {
		parsed, err := josejwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
		if err != nil {
			return reading{}, err
		}
		var claims josejwt.Claims
		if err := parsed.Claims(key, &claims); err != nil {
			return reading{}, err
		}
		if claims.Expiry == nil {
			return reading{}, errors.New("no exp")
		}
		err = claims.ValidateWithLeeway(josejwt.Expected{Issuer: issuer, AnyAudience: josejwt.Audience{audience}, Time: clock()}, leeway)
		return reading{claims.Issuer, claims.Subject, claims.ID}, err
	}}
}

func jwx(alg jwk.Algorithm, key any) judge {
	name, ok := jwa.LookupSignatureAlgorithm(string(alg))
	return judge{"jwx", func(token string, leeway time.Duration) (reading, error) {
		if !ok {
			return reading{}, errors.New("no such algorithm")
		}
		parsed, err := jwxjwt.ParseString(token, jwxjwt.WithKey(name, key), jwxjwt.WithIssuer(issuer), jwxjwt.WithAudience(audience),
			jwxjwt.WithRequiredClaim("exp"), jwxjwt.WithClock(jwxjwt.ClockFunc(clock)), jwxjwt.WithAcceptableSkew(leeway))
		if err != nil {
			return reading{}, err
		}
		iss, _ := parsed.Issuer()
		sub, _ := parsed.Subject()
		jti, _ := parsed.JwtID()
		return reading{iss, sub, jti}, nil
	}}
}

// sign makes a token of any header and payload.
func (c *court) sign(t testing.TB, header, payload []byte) parts {
	t.Helper()
	sig, err := c.key.Sign([]byte(encode(header) + "." + encode(payload)))
	if err != nil {
		t.Fatal(err)
	}
	return parts{header, payload, sig}
}

// compare asks everybody about a token and reports the first disagreement that
// no row of the tables explains.
func (c *court) compare(t testing.TB, token string) {
	t.Helper()
	ours, err := c.ours.Verify(t.Context(), token)
	if err == nil {
		c.mustAccept(t, token, ours)
		return
	}
	for _, j := range c.judges {
		if _, err := j.verify(token, 0); err != nil {
			return
		}
	}
	var refusal *jwt.Error
	if !errors.As(err, &refusal) {
		t.Fatalf("%s: refused with %v", c.alg, err)
	}
	if intended(view(token), refusal) == "" {
		t.Errorf("%s: all three accept what we refuse: %v\n%s\n%s", c.alg, err, token, view(token))
	}
}

// mustAccept wants every judge to accept what we accept, and to read it so.
func (c *court) mustAccept(t testing.TB, token string, ours *jwt.Token[jwt.Claims]) {
	t.Helper()
	claims := ours.Claims()
	want := reading{claims.Issuer, claims.Subject, claims.ID}
	for _, j := range c.judges {
		got, err := j.verify(token, time.Minute+time.Second)
		if mistaken(j.name, err) != "" {
			continue
		}
		if err != nil {
			t.Errorf("%s: we accept what %s refuses: %v\n%s\n%s", c.alg, j.name, err, token, view(token))
		} else if got != want {
			t.Errorf("%s: %s reads %q, we read %q\n%s", c.alg, j.name, got, want, view(token))
		}
	}
}
