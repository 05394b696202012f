package interop_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"regexp"
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

// The guide on choosing a library says what four libraries do by default. These
// tests do what it says and compare.

// shortest are the shortest programs that verify a token of HS256, in the order
// of the guide's columns.
func shortest(secret []byte) []func(token string) error {
	return []func(string) error{
		func(token string) error {
			key, err := jwk.NewSecret(jwk.HS256, secret)
			if err != nil {
				return err
			}
			v, err := jwt.NewVerifier[jwt.Claims](key, jwt.Expect{Issuer: issuer, Audience: []string{audience}, Type: "JWT"})
			if err != nil {
				return err
			}
			_, err = v.Verify(context.Background(), token)
			return err
		},
		func(token string) error {
			_, err := gojwt.Parse(token, func(*gojwt.Token) (any, error) { return secret, nil })
			return err
		},
		func(token string) error {
			_, err := jwxjwt.Parse([]byte(token), jwxjwt.WithKey(jwa.HS256(), secret))
			return err
		},
		func(token string) error {
			parsed, err := josejwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.HS256})
			if err != nil {
				return err
			}
			var claims josejwt.Claims
			if err := parsed.Claims(secret, &claims); err != nil {
				return err
			}
			return claims.Validate(josejwt.Expected{})
		},
	}
}

// hs256 signs any header and payload.
func hs256(secret []byte, header, payload string) string {
	input := encode([]byte(header)) + "." + encode([]byte(payload))
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(input))
	return input + "." + encode(mac.Sum(nil))
}

// fresh is a payload that is good now, changed.
func fresh(old, replacement string) string {
	now := time.Now().Unix()
	text := fmt.Sprintf(`{"iss":%q,"sub":"u1","aud":%q,"exp":%d,"iat":%d}`, issuer, audience, now+900, now)
	if old == "exp" || old == "aud" {
		return regexp.MustCompile(`"`+old+`":("[^"]*"|[0-9]+)`).ReplaceAllString(text, replacement)
	}
	return strings.TrimSuffix(text, "}") + replacement + "}"
}

func TestDefaultsInTheGuide(t *testing.T) {
	secret := newSecret(t, jwk.HS256).ExportBytes()
	pem := publicPEM(t)
	plain := `{"alg":"HS256","typ":"JWT"}`
	late := fmt.Sprint(time.Now().Unix() + 900)
	for row, token := range map[string]string{
		"a token without `exp`":                       hs256(secret, plain, fresh("exp", `"x":1`)),
		"another audience, another issuer":            hs256(secret, plain, fresh("aud", `"aud":"https://elsewhere.example"`)),
		"`none`":                                      encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(fresh("", ""))) + ".",
		"an unknown `crit`":                           hs256(secret, `{"alg":"HS256","crit":["x"],"x":1}`, fresh("", "")),
		"a name twice in the payload":                 hs256(secret, plain, fresh("", `,"sub":"admin"`)),
		"… in the header":                             hs256(secret, `{"alg":"HS256","kid":"a","kid":"b"}`, fresh("", "")),
		"another `typ` (a log-out token, say)":        hs256(secret, `{"alg":"HS256","typ":"logout+jwt"}`, fresh("", "")),
		"bound to a key (`cnf`), proof unchecked":     hs256(secret, plain, fresh("", `,"cnf":{"jkt":"AA"}`)),
		"an HS256 secret of 6 bytes":                  hs256([]byte("secret"), plain, fresh("", "")),
		"a PEM public key as HS256 secret":            hs256(pem, plain, fresh("", "")),
		"base64url with stray last bits or line ends": stray(hs256(secret, plain, fresh("", ""))),
		"a token of 1 MB":                             hs256(secret, plain, fresh("", `,"x":"`+strings.Repeat("x", 1<<20)+`"`)),
		"`exp` as a string":                           hs256(secret, plain, fresh("exp", `"exp":"`+late+`"`)),
	} {
		key := map[string][]byte{"an HS256 secret of 6 bytes": []byte("secret"), "a PEM public key as HS256 secret": pem}[row]
		if key == nil {
			key = secret
		}
		compareColumns(t, row, guideRow(t, row), key, token)
	}
	// Lest the programs refuse or accept everything:
	compareColumns(t, "a good token", []string{"accepted", "accepted", "accepted", "accepted"}, secret, hs256(secret, plain, fresh("", "")))
	ahead := fmt.Sprintf(`,"nbf":%d`, time.Now().Unix()+3600)
	for name, token := range map[string]string{
		"another's MAC": hs256([]byte(strings.Repeat("another ", 8)), plain, fresh("", "")), "nbf ahead": hs256(secret, plain, fresh("", ahead)),
		"EXP beside an exp that is over": hs256(secret, plain, fresh("exp", `"exp":1,"EXP":`+late)),
	} {
		compareColumns(t, name, []string{"refused", "refused", "refused", "refused"}, secret, token)
	}
}

func compareColumns(t *testing.T, row string, want []string, secret []byte, token string) {
	t.Helper()
	for i, verify := range shortest(secret) {
		got := "accepted"
		if err := verify(token); err != nil {
			got = "refused"
		}
		if got != want[i] {
			t.Errorf("%s: column %d says %s; it is %s", row, i+1, want[i], got)
		}
	}
}

// guideRow answers what a row of the guide says of each library.
func guideRow(t *testing.T, name string) []string {
	t.Helper()
	text, err := os.ReadFile("../docs/guides/choosing-a-library.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\n| "+name+" |")
	if !found {
		t.Fatalf("the guide has no row %q", name)
	}
	line, _, _ := strings.Cut(rest, "\n")
	var says []string
	for cell := range strings.SplitSeq(strings.TrimSuffix(strings.TrimSpace(line), "|"), "|") {
		cell = strings.Trim(strings.TrimSpace(cell), "*")
		switch {
		case strings.HasPrefix(cell, "refused") || strings.HasPrefix(cell, "no"):
			says = append(says, "refused")
		case strings.HasPrefix(cell, "accepted") || strings.HasPrefix(cell, "taken") || strings.HasPrefix(cell, "yes"):
			says = append(says, "accepted")
		default:
			t.Fatalf("row %q: %q is neither accepted nor refused", name, cell)
		}
	}
	if len(says) != 4 {
		t.Fatalf("row %q has %d cells", name, len(says))
	}
	return says
}

// stray puts a bit into the signature's last letter that belongs to no byte.
func stray(token string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, token[len(token)-1])
	return token[:len(token)-1] + alphabet[last|1:last|1+1]
}

// publicPEM is a key that everybody may have.
func publicPEM(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := jwk.NewPublicKey(jwk.ES256, key.Public())
	if err != nil {
		t.Fatal(err)
	}
	pem, err := public.ExportPEM()
	if err != nil {
		t.Fatal(err)
	}
	return pem
}

// What the guide says of golang-jwt's struct claims, in bold: EXP is taken for
// exp, and a date may be a text.
func TestStructClaimsInTheGuide(t *testing.T) {
	secret := newSecret(t, jwk.HS256).ExportBytes()
	late := fmt.Sprint(time.Now().Unix() + 900)
	for name, payload := range map[string]string{
		"EXP": fresh("exp", `"exp":1,"EXP":`+late), "a text": fresh("exp", `"exp":"`+late+`"`),
	} {
		var claims gojwt.RegisteredClaims
		_, err := gojwt.ParseWithClaims(hs256(secret, `{"alg":"HS256"}`, payload), &claims, func(*gojwt.Token) (any, error) { return secret, nil })
		if err != nil {
			t.Errorf("%s: refused: %v", name, err)
		}
	}
}

// The guide's second table: of a name that is there twice, which counts?
func TestWhichOfTwoCounts(t *testing.T) {
	secret := newSecret(t, jwk.HS256).ExportBytes()
	token := hs256(secret, `{"alg":"HS256","kid":"first","kid":"last"}`, fresh("", `,"sub":"last"`))
	golang, err := gojwt.Parse(token, func(*gojwt.Token) (any, error) { return secret, nil })
	if err != nil || golang.Header["kid"] != "last" || golang.Claims.(gojwt.MapClaims)["sub"] != "last" {
		t.Errorf("golang-jwt: %v, %v", golang, err)
	}
	parsed, err := jwxjwt.Parse([]byte(token), jwxjwt.WithKey(jwa.HS256(), secret))
	if err != nil {
		t.Fatal(err)
	}
	if sub, _ := parsed.Subject(); sub != "last" {
		t.Errorf("jwx reads the subject %q", sub)
	}
	_, ours := jwt.DecodeUnverified(token)
	var refusal *jwt.Error
	if !errors.As(ours, &refusal) {
		t.Errorf("even unverified it has two readings: %v", ours)
	}
}

// TestAlgorithmsInTheGuide has everybody verify a token of each algorithm.
func TestAlgorithmsInTheGuide(t *testing.T) {
	for row, algs := range map[string][]jwk.Algorithm{
		"HS256, HS384, HS512": {jwk.HS256, jwk.HS384, jwk.HS512}, "RS256, RS384, RS512": {jwk.RS256, jwk.RS384, jwk.RS512},
		"PS256, PS384, PS512": {jwk.PS256, jwk.PS384, jwk.PS512}, "ES256, ES384, ES512": {jwk.ES256, jwk.ES384, jwk.ES512},
		"EdDSA (Ed25519)": {jwk.EdDSA}, "the same by its new name, `Ed25519` (RFC 9864)": {jwk.Ed25519},
	} {
		says := guideRow(t, row)
		for _, alg := range algs {
			c := newCourt(t, alg)
			token := c.example(t, `{"alg":"ALG"}`, good).String()
			_, err := c.ours.Verify(t.Context(), token)
			got := []error{err}
			for _, name := range []string{"golang-jwt", "jwx", "go-jose"} {
				for _, j := range c.judges {
					if j.name == name {
						_, err := j.verify(token, 0)
						got = append(got, err)
					}
				}
			}
			for i, err := range got {
				if (err == nil) != (says[i] == "accepted") {
					t.Errorf("%s: column %d says %s; it is %v", alg, i+1, says[i], err)
				}
			}
		}
	}
}

// TestChecksInTheGuide holds our column of jwt.io's table to the verifier: a
// token that is good passes, and one that fails the check is refused for it.
func TestChecksInTheGuide(t *testing.T) {
	c := newCourt(t, jwk.ES256)
	v, err := jwt.NewVerifier[jwt.Claims](c.key.(*jwk.PrivateKey).Public(), jwt.Expect{
		Issuer: issuer, Audience: []string{audience}, Type: "JWT", Subject: "u1", Required: []string{"sub", "jti"}, Now: clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	payload := func(name, value string) string {
		return without(name, `"jti":"a1",`+value)
	}
	if _, err := v.Verify(t.Context(), c.example(t, `{"alg":"ES256"}`, with(`"jti":"a1"`)).String()); err != nil {
		t.Fatal(err)
	}
	forged := newCourt(t, jwk.ES256).example(t, `{"alg":"ES256"}`, with(`"jti":"a1"`)).String()
	for _, tt := range []struct {
		row, token string
		want       error
	}{
		{"sign, verify", forged, jwt.ErrSignature},
		{"`iss`", c.example(t, `{"alg":"ES256"}`, payload("iss", `"iss":"https://issuer.example/"`)).String(), jwt.ErrIssuer},
		{"`sub`", c.example(t, `{"alg":"ES256"}`, payload("sub", `"a":1`)).String(), jwt.ErrClaim},
		{"`sub`", c.example(t, `{"alg":"ES256"}`, payload("sub", `"sub":"somebody else"`)).String(), jwt.ErrClaim},
		{"`aud`", c.example(t, `{"alg":"ES256"}`, payload("aud", `"aud":["x"]`)).String(), jwt.ErrAudience},
		{"`exp`", c.example(t, `{"alg":"ES256"}`, payload("exp", `"exp":1800000000`)).String(), jwt.ErrExpired},
		{"`nbf`", c.example(t, `{"alg":"ES256"}`, payload("x", `"nbf":1800000001`)).String(), jwt.ErrNotYetValid},
		{"`iat` not ahead", c.example(t, `{"alg":"ES256"}`, payload("iat", `"iat":1800000061`)).String(), jwt.ErrNotYetValid},
		{"`jti`", c.example(t, `{"alg":"ES256"}`, good).String(), jwt.ErrClaim},
		{"`typ`", c.example(t, `{"alg":"ES256","typ":"at+jwt"}`, with(`"jti":"a1"`)).String(), jwt.ErrType},
	} {
		guideHasRow(t, tt.row)
		_, err := v.Verify(t.Context(), tt.token)
		if e, ok := errors.AsType[*jwt.Error](err); !ok || e.Reason != tt.want {
			t.Errorf("%s: got %v, want %v", tt.row, err, tt.want)
		}
	}
}

func guideHasRow(t *testing.T, name string) {
	t.Helper()
	text, err := os.ReadFile("../docs/guides/choosing-a-library.md")
	if err != nil || !strings.Contains(string(text), "\n| "+name+" |") {
		t.Errorf("the guide has no row %q (%v)", name, err)
	}
}
