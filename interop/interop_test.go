package interop_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/go-jose/go-jose/v4"
	josejwt "github.com/go-jose/go-jose/v4/jwt"
	gojwt "github.com/golang-jwt/jwt/v5"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

const (
	issuer   = "https://issuer.example"
	audience = "https://api.example"
)

// algorithms of key pairs that all three libraries know.
func algorithms() []jwk.Algorithm {
	return []jwk.Algorithm{
		jwk.ES256, jwk.ES384, jwk.ES512, jwk.RS256, jwk.RS384, jwk.RS512, jwk.PS256, jwk.PS384, jwk.PS512, jwk.EdDSA,
	}
}

// newSigner makes a key of the standard library, which all three can use.
func newSigner(t *testing.T, alg jwk.Algorithm) crypto.Signer {
	t.Helper()
	var key crypto.Signer
	var err error
	switch alg {
	case jwk.ES256:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jwk.ES384:
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case jwk.ES512:
		key, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case jwk.EdDSA:
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newKey(t *testing.T, alg jwk.Algorithm) (*jwk.PrivateKey, crypto.Signer) {
	t.Helper()
	signer := newSigner(t, alg)
	key, err := jwk.NewPrivateKey(alg, signer)
	if err != nil {
		t.Fatal(err)
	}
	return key, signer
}

func newSet(t *testing.T, keys ...*jwk.PublicKey) *jwk.Set {
	t.Helper()
	set, err := jwk.NewSet(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func newSecret(t testing.TB, alg jwk.Algorithm) *jwk.Secret {
	t.Helper()
	secret, err := jwk.GenerateSecret(alg)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// sign makes a token of ours, with non-ASCII text, a list and an object in it.
func sign(t testing.TB, key jwk.SigningKey) string {
	t.Helper()
	token, err := jwt.Sign(key, claims{
		Claims: jwt.Claims{Issuer: issuer, Subject: "Zoë \u2028 \"<&>\"", Audience: jwt.Audience{audience, "other"}},
		Roles:  []string{"admin", "é"}, Limits: map[string]int{"b": 2, "a": 1},
	}, jwt.SignOptions{Lifetime: time.Minute, NewID: true, Type: "at+jwt"})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

type claims struct {
	jwt.Claims
	Roles  []string       `json:"roles"`
	Limits map[string]int `json:"limits"`
}

// verify reads a token of theirs.
func verify(t *testing.T, keys jwt.KeySource, typ, token string) claims {
	t.Helper()
	v, err := jwt.NewVerifier[claims](keys, jwt.Expect{Issuer: issuer, Audience: []string{audience}, Type: typ})
	if err != nil {
		t.Fatal(err)
	}
	tok, err := v.Verify(t.Context(), token)
	if err != nil {
		t.Fatalf("refused: %v", err)
	}
	return tok.Claims()
}

// serve publishes a set as an issuer does.
func serve(t *testing.T, set any) string {
	t.Helper()
	body, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/jwk-set+json")
		w.Write(body)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestGolangJWTVerifiesOurs(t *testing.T) {
	for _, alg := range algorithms() {
		t.Run(string(alg), func(t *testing.T) {
			key, _ := newKey(t, alg)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			keys, err := keyfunc.NewDefaultCtx(ctx, []string{serve(t, newSet(t, newKeyOf(t, jwk.ES256).Public(), key.Public()))})
			if err != nil {
				t.Fatal(err)
			}
			checkGolangJWT(t, sign(t, key), alg, keys.Keyfunc)
		})
	}
	for _, alg := range []jwk.Algorithm{jwk.HS256, jwk.HS384, jwk.HS512} {
		t.Run(string(alg), func(t *testing.T) {
			secret := newSecret(t, alg)
			checkGolangJWT(t, sign(t, secret), alg, func(*gojwt.Token) (any, error) { return secret.ExportBytes(), nil })
		})
	}
}

func newKeyOf(t *testing.T, alg jwk.Algorithm) *jwk.PrivateKey {
	t.Helper()
	key, _ := newKey(t, alg)
	return key
}

type golangClaims struct {
	gojwt.RegisteredClaims
	Roles  []string       `json:"roles"`
	Limits map[string]int `json:"limits"`
}

func checkGolangJWT(t *testing.T, token string, alg jwk.Algorithm, keys gojwt.Keyfunc) {
	t.Helper()
	var c golangClaims
	tok, err := gojwt.ParseWithClaims(token, &c, keys, gojwt.WithValidMethods([]string{string(alg)}), gojwt.WithStrictDecoding(),
		gojwt.WithIssuer(issuer), gojwt.WithAudience(audience), gojwt.WithExpirationRequired(), gojwt.WithIssuedAt())
	if err != nil {
		t.Fatalf("golang-jwt refuses: %v", err)
	}
	if c.Subject != "Zoë \u2028 \"<&>\"" || len(c.Audience) != 2 || c.Roles[1] != "é" || c.Limits["b"] != 2 || tok.Header["typ"] != "at+jwt" {
		t.Errorf("golang-jwt reads %+v", c)
	}
}

func TestGoJoseVerifiesOurs(t *testing.T) {
	for _, alg := range algorithms() {
		t.Run(string(alg), func(t *testing.T) {
			key, _ := newKey(t, alg)
			body, err := json.Marshal(newSet(t, newKeyOf(t, jwk.ES256).Public(), key.Public()))
			if err != nil {
				t.Fatal(err)
			}
			var set jose.JSONWebKeySet
			if err := json.Unmarshal(body, &set); err != nil {
				t.Fatal(err)
			}
			found := set.Key(key.KeyID())
			if len(found) != 1 || !found[0].Valid() || found[0].Use != "sig" || found[0].Algorithm != string(alg) {
				t.Fatalf("go-jose reads the key as %+v", found)
			}
			checkGoJose(t, sign(t, key), alg, set)
		})
	}
	secret := newSecret(t, jwk.HS256)
	checkGoJose(t, sign(t, secret), jwk.HS256, secret.ExportBytes())
}

func checkGoJose(t *testing.T, token string, alg jwk.Algorithm, key any) {
	t.Helper()
	tok, err := josejwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
	if err != nil {
		t.Fatalf("go-jose doesn't parse: %v", err)
	}
	var registered josejwt.Claims
	var own struct {
		Roles  []string       `json:"roles"`
		Limits map[string]int `json:"limits"`
	}
	if err := tok.Claims(key, &registered, &own); err != nil {
		t.Fatalf("go-jose refuses: %v", err)
	}
	if err := registered.ValidateWithLeeway(josejwt.Expected{Issuer: issuer, AnyAudience: josejwt.Audience{audience}, Time: time.Now()}, 0); err != nil {
		t.Errorf("go-jose refuses the claims: %v", err)
	}
	if registered.Subject != "Zoë \u2028 \"<&>\"" || own.Roles[1] != "é" || own.Limits["b"] != 2 {
		t.Errorf("go-jose reads %+v %+v", registered, own)
	}
}

// theirs are claims as golang-jwt writes them; go-jose takes the same map.
func theirs() gojwt.MapClaims {
	return gojwt.MapClaims{
		"iss": issuer, "sub": "Zoë \u2028 \"<&>\"", "aud": []string{audience, "other"}, "exp": time.Now().Add(time.Minute).Unix(),
		"iat": time.Now().Unix(), "jti": "1", "client_id": "c", "roles": []string{"admin", "é"}, "limits": map[string]int{"a": 1, "b": 2}, "unknown": map[string]any{"x": 1.5},
	}
}

func check(t *testing.T, c claims) {
	t.Helper()
	if c.Subject != "Zoë \u2028 \"<&>\"" || !c.Audience.Has("other") || c.Roles[1] != "é" || c.Limits["b"] != 2 || c.Expiry.Time().Before(time.Now()) {
		t.Errorf("read as %+v", c)
	}
}

func TestOursVerifiesGolangJWT(t *testing.T) {
	for _, alg := range algorithms() {
		t.Run(string(alg), func(t *testing.T) {
			key, signer := newKey(t, alg)
			tok := gojwt.NewWithClaims(gojwt.GetSigningMethod(string(alg)), theirs())
			tok.Header["kid"] = key.KeyID()
			raw, err := tok.SignedString(signer)
			if err != nil {
				t.Fatal(err)
			}
			check(t, verify(t, key.Public(), "JWT", raw))
			check(t, verify(t, newSet(t, newKeyOf(t, jwk.ES256).Public(), key.Public()), "JWT", raw))
		})
	}
	for _, alg := range []jwk.Algorithm{jwk.HS256, jwk.HS384, jwk.HS512} {
		secret := newSecret(t, alg)
		raw, err := gojwt.NewWithClaims(gojwt.GetSigningMethod(string(alg)), theirs()).SignedString(secret.ExportBytes())
		if err != nil {
			t.Fatal(err)
		}
		check(t, verify(t, secret, "JWT", raw))
	}
}

func TestOursVerifiesGoJose(t *testing.T) {
	for _, alg := range algorithms() {
		t.Run(string(alg), func(t *testing.T) {
			signer := newSigner(t, alg)
			key := jose.JSONWebKey{Key: signer, KeyID: "k1", Algorithm: string(alg), Use: "sig"}
			raw := signGoJose(t, alg, key)
			body, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}})
			if err != nil {
				t.Fatal(err)
			}
			set, err := jwk.ParseSet(body)
			if err != nil || len(set.Skipped()) != 0 {
				t.Fatalf("their key set is refused: %v %v", err, set.Skipped())
			}
			check(t, verify(t, set, "at+jwt", raw))
		})
	}
	secret := newSecret(t, jwk.HS256)
	check(t, verify(t, secret, "at+jwt", signGoJose(t, jwk.HS256, secret.ExportBytes())))
}

func signGoJose(t *testing.T, alg jwk.Algorithm, key any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(alg), Key: key}, (&jose.SignerOptions{}).WithType("at+jwt"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := josejwt.Signed(signer).Claims(map[string]any(theirs())).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// A key has the same name everywhere.
func TestThumbprints(t *testing.T) {
	for _, alg := range algorithms() {
		key, signer := newKey(t, alg)
		theirs := jose.JSONWebKey{Key: signer.Public()}
		sum, err := theirs.Thumbprint(crypto.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := key.Public().Thumbprint(), encode(sum); got != want {
			t.Errorf("%s: thumbprint %s, go-jose says %s", alg, got, want)
		}
	}
}
