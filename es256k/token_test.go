package es256k_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/writ-auth/writ/es256k"
	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwks"
	"github.com/writ-auth/writ/jwt"
)

const audience = "https://api.example"

// token signs an access token of issuer.
func token(t testing.TB, key jwk.SigningKey, issuer string) string {
	t.Helper()
	claims := jwt.AccessClaims{
		Claims:   jwt.Claims{Issuer: issuer, Subject: "u1", Audience: jwt.Audience{audience}},
		ClientID: "web",
	}
	return must(jwt.Sign(key, claims, jwt.SignOptions{Lifetime: time.Minute, Type: "at+jwt", NewID: true}))(t)
}

// TestToken signs and verifies tokens by a key, by a set that was read, and by a
// ring.
func TestToken(t *testing.T) {
	const issuer = "https://issuer.example"
	k := generate(t)
	published := must(json.Marshal(must(jwk.NewSet(k.Public(), must(jwk.Generate(jwk.ES256))(t).Public()))(t)))(t)
	raw := token(t, k, issuer)
	for name, keys := range map[string]jwt.KeySource{
		"key":  k.Public(),
		"set":  must(parser().Set(published))(t),
		"ring": must(jwk.NewRing(k.Public()))(t),
	} {
		v := must(jwt.NewVerifier[jwt.AccessClaims](keys, jwt.AccessToken(issuer, audience)))(t)
		got, err := v.Verify(t.Context(), raw)
		if err != nil || got.Claims().Subject != "u1" || got.Algorithm() != es256k.ES256K {
			t.Errorf("by a %s: %v", name, err)
		}
	}
}

// TestConfusion: a token is held against the key's algorithm, never its own. The
// signatures of both curves have the same form.
func TestConfusion(t *testing.T) {
	const issuer = "https://issuer.example"
	k, classic := generate(t), must(jwk.Generate(jwk.ES256))(t)
	for name, tt := range map[string]struct {
		signer *jwk.PrivateKey
		header string // what the token says, with the key ID of the verifier's key
		key    *jwk.PublicKey
		want   error
	}{
		"secp256k1, said to be ES256":    {k, "ES256", k.Public(), jwt.ErrKey},
		"P-256, said to be ES256K":       {classic, "ES256K", classic.Public(), jwt.ErrKey},
		"ES256K for a P-256 key":         {k, "ES256K", classic.Public(), jwt.ErrKey},
		"ES256 for a secp256k1 key":      {classic, "ES256", k.Public(), jwt.ErrKey},
		"secp256k1 with a P-256 key":     {k, "ES256", classic.Public(), jwt.ErrSignature},
		"P-256 with a secp256k1 key":     {classic, "ES256K", k.Public(), jwt.ErrSignature},
		"none":                           {k, "none", k.Public(), jwt.ErrHeader},
		"HS256":                          {k, "HS256", k.Public(), jwt.ErrKey},
		"in small letters":               {k, "es256k", k.Public(), jwt.ErrKey},
		"good, to see that the rest may": {k, "ES256K", k.Public(), nil},
	} {
		raw := forge(t, tt.signer, tt.header, tt.key.KeyID(), issuer)
		set := must(jwk.NewSet(tt.key))(t)
		v := must(jwt.NewVerifier[jwt.AccessClaims](set, jwt.AccessToken(issuer, audience)))(t)
		if _, err := v.Verify(t.Context(), raw); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

// forge signs a token whose header says what it likes.
func forge(t testing.TB, k *jwk.PrivateKey, alg, kid, issuer string) string {
	t.Helper()
	encode := base64.RawURLEncoding.EncodeToString
	now := time.Now().Unix()
	header := fmt.Sprintf(`{"alg":%q,"typ":"at+jwt","kid":%q}`, alg, kid)
	claims := fmt.Sprintf(`{"iss":%q,"sub":"u1","aud":%q,"client_id":"web","jti":"1","iat":%d,"exp":%d}`, issuer, audience, now, now+60)
	message := encode([]byte(header)) + "." + encode([]byte(claims))
	return message + "." + encode(must(k.Sign([]byte(message)))(t))
}

// issuer serves discovery and a key set: a key that everybody knows, k, and one
// that nobody knows.
func issuer(t testing.TB, k *jwk.PublicKey) string {
	t.Helper()
	keys := must(json.Marshal([]*jwk.PublicKey{must(jwk.Generate(jwk.ES256))(t).Public(), k}))(t)
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, server.URL, server.URL+"/jwks")
	})
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"keys":[{"kty":"XYZ","kid":"x"},%s}`, keys[1:])
	})
	return server.URL
}

// TestRemote: jwks.Remote finds the key with the extension, and without it skips
// the key and keeps what it knows.
func TestRemote(t *testing.T) {
	k := generate(t)
	url := issuer(t, k.Public())
	with := must(jwks.New(jwks.Config{Issuer: url, Parser: parser()}))(t)
	defer with.Close()
	found, err := with.FindKey(t.Context(), es256k.ES256K, k.KeyID())
	if err != nil || found.KeyID() != k.KeyID() {
		t.Errorf("with the extension: %v, %v", found, err)
	}
	without := must(jwks.New(jwks.Config{Issuer: url}))(t)
	defer without.Close()
	if _, err := without.FindKey(t.Context(), es256k.ES256K, k.KeyID()); !errors.Is(err, jwk.ErrNotFound) {
		t.Errorf("without the extension: %v, want ErrNotFound", err)
	}
	if set := without.Set(); set.Len() != 1 {
		t.Errorf("without the extension: %d keys, want the one that is known", set.Len())
	}
}

// TestGuard protects a route with tokens of an issuer that signs with ES256K.
func TestGuard(t *testing.T) {
	k := generate(t)
	url := issuer(t, k.Public())
	for name, tt := range map[string]struct {
		extensions []jwk.Extension
		want       int
	}{
		"with the extension": {[]jwk.Extension{es256k.Extension()}, http.StatusOK},
		"without it":         {nil, http.StatusUnauthorized},
	} {
		g := must(guard.New(guard.Config{
			Issuers:    []guard.Issuer{{URL: url, Audience: []string{audience}, Revocation: guard.DontFollow}},
			Extensions: tt.extensions,
		}))(t)
		defer g.Close()
		h := g.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, guard.From(r.Context()).Subject())
		}))
		for range 2 { // the second time it is a token that the guard knows
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Authorization", "Bearer "+token(t, k, url))
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tt.want || tt.want == http.StatusOK && w.Body.String() != "u1" {
				t.Errorf("%s: %d %s, want %d", name, w.Code, w.Body, tt.want)
			}
		}
	}
}
