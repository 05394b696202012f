package jwt_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

// CVE-2015-2951 and its many children: "none", as anyone ever spelled it, with
// no signature and with that of a good token.
func TestNoneIsRefused(t *testing.T) {
	key := newSecret(t)
	genuine := forge(t, key, header(key), good)
	kept := genuine[strings.LastIndex(genuine, ".")+1:]
	v := newVerifier(t, key)
	for _, alg := range []string{
		`"none"`, `"None"`, `"NONE"`, `"nOnE"`, `"NoNe"`, `"nonE"`, `"noNE"`, `"n\u006fne"`, `"\u006e\u006f\u006e\u0065"`,
		`"none "`, `" none"`, `"\tnone"`, `"none\n"`, `"none\u0000"`, `"\u0000none"`, `"n\u043ene"`, `"ｎｏｎｅ"`,
		`"no\u200bne"`, `"\"none\""`, `"nоne"`, `""`, `" "`, `null`, `0`, `false`, `true`, `[]`, `["none"]`, `["HS256"]`, `{}`,
		`"HS256 "`, `"HS256\u0000"`,
	} {
		h := `{"alg":` + alg + `}`
		for _, signature := range []string{"", kept} {
			t.Run(h+signature, func(t *testing.T) {
				verify(t, v, b64(h)+"."+b64(good)+"."+signature, jwt.ErrHeader, "alg")
			})
		}
	}
	for _, h := range []string{`{}`, `{"typ":"JWT"}`, `{"ALG":"HS256"}`, `{"Alg":"HS256"}`} {
		verify(t, v, b64(h)+"."+b64(good)+"."+kept, jwt.ErrHeader, "alg")
	}
	for _, alg := range []string{"hs256", "Hs256", "HS257", "HMAC", "RS256", "HS384", "EdDSA", "A128GCM", "RSA1_5"} {
		verify(t, v, b64(`{"alg":"`+alg+`"}`)+"."+b64(good)+"."+kept, jwt.ErrKey, "kid")
	}
}

// An HMAC under a public key, as every form of it that anyone holds.
func TestPublicKeyIsNoSecret(t *testing.T) {
	for _, alg := range []jwk.Algorithm{jwk.RS256, jwk.PS256, jwk.ES256, jwk.ES512, jwk.EdDSA} {
		public := newKey(t, alg).Public()
		set := must[*jwk.Set](t)(jwk.NewSet(public))
		ring := must[*jwk.Ring](t)(jwk.NewRing(public))
		for form, secret := range formsOf(t, public) {
			for _, h := range []string{`{"alg":"HS256"}`, `{"alg":"HS256","kid":"` + public.KeyID() + `"}`} {
				token := hs256(secret, h, good)
				for source, keys := range map[string]jwt.KeySource{"key": public, "set": set, "ring": ring} {
					t.Run(string(alg)+"/"+form+"/"+source, func(t *testing.T) {
						verify(t, newVerifier(t, keys), token, jwt.ErrKey, "kid")
					})
				}
			}
			// Nor can somebody make that mistake by hand.
			if _, err := jwk.NewSecret(jwk.HS256, secret); !strings.HasPrefix(form, "raw") && !errors.Is(err, jwk.ErrWeak) {
				t.Errorf("NewSecret took the %s of an %s key: %v", form, alg, err)
			}
		}
	}
}

func formsOf(t *testing.T, public *jwk.PublicKey) map[string][]byte {
	key := public.CryptoKey()
	der := must[[]byte](t)(x509.MarshalPKIXPublicKey(key))
	lf := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	forms := map[string][]byte{
		"DER": der, "PEM": lf, "PEM with CRLF": bytes.ReplaceAll(lf, []byte("\n"), []byte("\r\n")),
		"PEM without its last newline": bytes.TrimSpace(lf), "PEM after white space": append([]byte(" \n\t"), lf...),
		"JWK": must[[]byte](t)(json.Marshal(public)),
	}
	switch key := key.(type) {
	case *rsa.PublicKey:
		forms["PKCS#1"] = pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(key)})
		forms["raw modulus"] = key.N.Bytes()
	case *ecdsa.PublicKey:
		forms["raw point"] = must[[]byte](t)(key.Bytes())
	}
	return forms
}

func hs256(secret []byte, header, payload string) string {
	input := b64(header) + "." + b64(payload)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(input))
	return input + "." + b64(string(mac.Sum(nil)))
}

// A key is for one algorithm, though its arithmetic would do for others.
func TestKeyHasOneAlgorithm(t *testing.T) {
	rs256 := newKey(t, jwk.RS256)
	signer := rs256.Public().CryptoKey()
	for _, alg := range []jwk.Algorithm{jwk.PS256, jwk.RS384, jwk.RS512} {
		other := must[*jwk.PublicKey](t)(jwk.NewPublicKey(alg, signer))
		token := forge(t, rs256, header(rs256), good)
		verify(t, newVerifier(t, other), token, jwt.ErrKey, "kid")
	}
	ed := newKey(t, jwk.EdDSA)
	verify(t, newVerifier(t, ed.Public()), forge(t, ed, `{"alg":"Ed25519"}`, good), jwt.ErrKey, "kid")
}

// wrongSource gives out a key of another algorithm than it was asked for.
type wrongSource struct{ key jwk.VerifyingKey }

func (s wrongSource) FindKey(context.Context, jwk.Algorithm, string) (jwk.VerifyingKey, error) {
	return s.key, nil
}

func TestAlgorithmIsComparedAgain(t *testing.T) {
	key := newSecret(t)
	for _, alg := range []string{"HS384", "RS256", "hs256"} {
		token := forge(t, key, `{"alg":"`+alg+`"}`, good)
		verify(t, newVerifier(t, wrongSource{key}), token, jwt.ErrKey, "alg")
	}
	genuine := forge(t, key, header(key), good)
	verify(t, newVerifier(t, wrongSource{key}), genuine, nil, "")
	verify(t, newVerifier(t, wrongSource{nil}), genuine, jwt.ErrKey, "kid")
	verify(t, newVerifier(t, wrongSource{(*jwk.Secret)(nil)}), genuine, jwt.ErrKey, "kid")
	verify(t, newVerifier(t, wrongSource{new(jwk.Secret)}), genuine, jwt.ErrKey, "alg")
}

// Keys that come with the token, or that it says where to fetch.
func TestKeyInTheHeaderIsIgnored(t *testing.T) {
	ours, attackers := newKey(t, jwk.ES256), newKey(t, jwk.ES256)
	fetched := 0
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { fetched++ }))
	defer server.Close()
	set := must[*jwk.Set](t)(jwk.NewSet(ours.Public()))
	public := string(must[[]byte](t)(json.Marshal(attackers.Public())))
	for _, parameter := range []string{
		`"jwk":` + public,
		`"jku":"` + server.URL + `/jwks.json"`,
		`"jku":"https://issuer.example@` + strings.TrimPrefix(server.URL, "http://") + `"`,
		`"x5u":"` + server.URL + `/chain.pem"`,
		`"x5c":["` + b64("certificate") + `"]`,
		`"x5t":"` + b64("digest") + `"`,
		`"x5t#S256":"` + b64("digest") + `"`,
	} {
		for kid, reason := range map[string]error{ours.KeyID(): jwt.ErrSignature, attackers.KeyID(): jwt.ErrKey} {
			h := `{"alg":"ES256","kid":"` + kid + `",` + parameter + `}`
			name := map[error]string{jwt.ErrKey: "kid"}[reason]
			verify(t, newVerifier(t, set), forge(t, attackers, h, good), reason, name)
			verify(t, newVerifier(t, ours.Public()), forge(t, attackers, h, good), jwt.ErrSignature, "")
		}
		// Nor does such a parameter harm a genuine token.
		verify(t, newVerifier(t, set), forge(t, ours, `{"alg":"ES256",`+parameter+`}`, good), nil, "")
	}
	if fetched != 0 {
		t.Errorf("%d requests were made", fetched)
	}
}

// A kid is compared, never looked up in files, databases or on the network; what
// isn't a string of reasonable length isn't a kid.
func TestHostileKeyID(t *testing.T) {
	key := newSecret(t)
	ring := must[*jwk.Ring](t)(jwk.NewRing(key, newSecret(t)))
	for kid, reason := range map[string]error{
		`"../../../../dev/null"`:              jwt.ErrKey,
		`"/dev/null"`:                         jwt.ErrKey,
		`"file:///etc/passwd"`:                jwt.ErrKey,
		`"x' UNION SELECT 'secret'-- "`:       jwt.ErrKey,
		`"*)(uid=*))(|(uid=*"`:                jwt.ErrKey,
		`"{\"$ne\":null}"`:                    jwt.ErrKey,
		`"$(id)"`:                             jwt.ErrKey,
		`"a\r\nX-Injected: 1"`:                jwt.ErrKey,
		`"a\u0000b"`:                          jwt.ErrKey,
		`"__proto__"`:                         jwt.ErrKey,
		`"` + strings.Repeat("k", 256) + `"`:  jwt.ErrKey,
		`"` + strings.Repeat("k", 257) + `"`:  jwt.ErrHeader,
		`"` + strings.Repeat("k", 5000) + `"`: jwt.ErrHeader,
		`""`:                                  jwt.ErrHeader,
		`7`:                                   jwt.ErrHeader,
		`null`:                                jwt.ErrHeader,
		`["` + key.KeyID() + `"]`:             jwt.ErrHeader,
		`{"kid":"` + key.KeyID() + `"}`:       jwt.ErrHeader,
	} {
		verify(t, newVerifier(t, ring), forge(t, key, `{"alg":"HS256","kid":`+kid+`}`, good), reason, "kid")
	}
	verify(t, newVerifier(t, ring), forge(t, key, `{"alg":"HS256","kid":"`+key.KeyID()+`"}`, good), nil, "")
}

// Without a kid nobody tries all keys.
func TestMissingKeyID(t *testing.T) {
	a, b := newKey(t, jwk.ES256), newKey(t, jwk.ES256)
	one := must[*jwk.Set](t)(jwk.NewSet(a.Public()))
	two := must[*jwk.Set](t)(jwk.NewSet(a.Public(), b.Public()))
	token := forge(t, a, header(a), good)
	verify(t, newVerifier(t, one), token, nil, "")
	verify(t, newVerifier(t, two), token, jwt.ErrKey, "kid")
}

// asked notes what a key source sees.
type asked struct {
	keys jwt.KeySource
	alg  jwk.Algorithm
	kid  string
}

func (a *asked) FindKey(ctx context.Context, alg jwk.Algorithm, kid string) (jwk.VerifyingKey, error) {
	a.alg, a.kid = alg, kid
	return a.keys.FindKey(ctx, alg, kid)
}

func TestKeySourceSeesAlgorithmAndKeyID(t *testing.T) {
	key := newSecret(t).WithKeyID("k/1")
	source := &asked{keys: key}
	v := newVerifier(t, source)
	for range 2 { // the second time, the header is one that is known
		*source = asked{keys: key}
		verify(t, v, forge(t, key, `{"alg":"HS256","kid":"k\/1"}`, good), nil, "")
		if source.alg != jwk.HS256 || source.kid != "k/1" {
			t.Errorf("asked for %q, %q; want HS256, k/1", source.alg, source.kid)
		}
	}
}
