package e2e

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// forger signs whatever a test wants with a key that an API trusts. What an
// API refuses from it is refused for what the token says.
type forger struct {
	t      testing.TB
	alg    jwt.SigningMethod
	key    any
	kid    string
	claims jwt.MapClaims // of a good token
}

// forger has the server publish a key made here, and signs with it as issuer.
func (s *server) forger(alg, aud string) forger {
	s.t.Helper()
	key := newKey(s.t, alg)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		s.t.Fatal(err)
	}
	file := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	var made struct{ KID string }
	if err := json.Unmarshal(s.writ(string(file), "keys", "import", "-", "--alg", alg, "--json"), &made); err != nil {
		s.t.Fatal(err)
	}
	return s.forgerWith(alg, key, made.KID, aud)
}

// forgerWith signs with a key that somebody trusts already.
func (s *server) forgerWith(alg string, key any, kid, aud string) forger {
	now := time.Now()
	return forger{s.t, jwt.GetSigningMethod(alg), key, kid, jwt.MapClaims{
		"iss": s.url(""), "aud": aud, "sub": "usr_forged", "jti": "jti", "client_id": "writ",
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}}
}

func newKey(t testing.TB, alg string) crypto.Signer {
	t.Helper()
	var key crypto.Signer
	var err error
	switch alg {
	case "RS256":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ES256":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	default:
		t.Fatalf("no key for %s", alg)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// writ runs a command of the program on the server's data and returns its output.
func (s *server) writ(input string, args ...string) []byte {
	s.t.Helper()
	cmd := exec.Command(s.binary, append(args, "--data", filepath.Join(s.dir, "data"), "--issuer", s.url(""))...)
	cmd.Stdin = strings.NewReader(input)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("writ %s: %v: %s", args[0], err, &stderr)
	}
	return out
}

// sign makes a token that is good but for what change does to it.
func (f forger) sign(change func(header, claims map[string]any)) string {
	f.t.Helper()
	token := jwt.NewWithClaims(f.alg, maps.Clone(f.claims))
	token.Header["typ"], token.Header["kid"] = "at+jwt", f.kid
	if change != nil {
		change(token.Header, token.Claims.(jwt.MapClaims))
	}
	text, err := token.SignedString(f.key)
	if err != nil {
		f.t.Fatal(err)
	}
	return text
}

// with signs under another key.
func (f forger) with(alg jwt.SigningMethod, key any) forger {
	f.alg, f.key = alg, key
	return f
}

// wrongClaims are tokens with a good signature that say something wrong.
func (f forger) wrongClaims() map[string]string {
	claim := func(name string, value any) string {
		return f.sign(func(_, claims map[string]any) { claims[name] = value })
	}
	header := func(name string, value any) string {
		return f.sign(func(header, _ map[string]any) { header[name] = value })
	}
	now := time.Now()
	return map[string]string{
		"expired":            claim("exp", now.Add(-time.Minute).Unix()),
		"without expiry":     f.sign(func(_, claims map[string]any) { delete(claims, "exp") }),
		"not yet valid":      claim("nbf", now.Add(time.Hour).Unix()),
		"another API's":      claim("aud", "https://other.example.com"),
		"without audience":   f.sign(func(_, claims map[string]any) { delete(claims, "aud") }),
		"another issuer's":   claim("iss", "https://evil.example"),
		"an ID token":        header("typ", "JWT"),
		"without a type":     f.sign(func(header, _ map[string]any) { delete(header, "typ") }),
		"bound to a key":     claim("cnf", map[string]string{"jkt": "thumbprint"}),
		"critical extension": header("crit", []string{"bound"}),
	}
}

// wrongSignatures are tokens that say the right things under the wrong key.
func (f forger) wrongSignatures() map[string]string {
	stranger := f.with(f.alg, newKey(f.t, f.alg.Alg()))
	unknown := stranger
	unknown.kid = "made-up"
	good := f.sign(nil)
	return map[string]string{
		"a stranger's":                       stranger.sign(nil),
		"an unknown key":                     unknown.sign(nil),
		"without algorithm":                  f.with(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType).sign(nil),
		"the public key as a secret":         f.with(jwt.SigningMethodHS256, publicPEM(f.t, f.key)).sign(nil),
		"without signature":                  cutSignature(good),
		"without signature, an unknown key":  cutSignature(unknown.sign(nil)),
		"changed":                            changed(f.t, good),
		"changed signature":                  good[:len(good)-12] + "AAAA" + good[len(good)-8:],
		"no token":                           "a.b.c",
		"a header that is no JSON":           segment("{") + "." + segment("{}") + ".AAAA",
		"a header without bottom":            segment(strings.Repeat("[", 8000)) + "." + segment("{}") + ".AAAA",
		"a header whose kid is no string":    segment(fmt.Sprintf(`{"alg":%q,"typ":"at+jwt","kid":[1]}`, f.alg.Alg())) + "." + segment("{}") + ".AAAA",
		"claims that are no JSON":            segment(`{"alg":"RS256","typ":"JWT"}`) + "." + segment("{") + ".AAAA",
		"claims that are no object, at+jwt":  segment(fmt.Sprintf(`{"alg":%q,"typ":"at+jwt"}`, f.alg.Alg())) + "." + segment("null") + ".AAAA",
		"claims that are no object, no type": segment(fmt.Sprintf(`{"alg":%q}`, f.alg.Alg())) + "." + segment("null") + ".AAAA",
	}
}

func publicPEM(t testing.TB, key any) []byte {
	der, err := x509.MarshalPKIXPublicKey(key.(crypto.Signer).Public())
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func segment(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func cutSignature(token string) string { return token[:strings.LastIndex(token, ".")+1] }

// changed makes somebody else of the token's subject and keeps the signature.
func changed(t testing.TB, token string) string {
	t.Helper()
	parts := strings.Split(token, ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(payload), `"sub":"usr_`, `"sub":"usr-`, 1)
	if text == string(payload) {
		t.Fatalf("nothing to change in %s", payload)
	}
	return parts[0] + "." + segment(text) + "." + parts[2]
}
