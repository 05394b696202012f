package jwt_test

import (
	"bytes"
	"compress/gzip"
	"crypto"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/writ-auth/writ/internal/strictjson"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

func keySuites() []suite {
	return []suite{
		{"jwk/testdata/wycheproof/json_web_key.json", runWycheproofKeys},
		{"jwk/testdata/wycheproof/ecdsa_secp256r1_sha256_p1363_test.json", runSignatures(jwk.ES256)},
		{"jwk/testdata/wycheproof/ecdsa_secp384r1_sha384_p1363_test.json", runSignatures(jwk.ES384)},
		{"jwk/testdata/wycheproof/ed25519_test.json", runSignatures(jwk.Ed25519)},
		{"jwk/testdata/wycheproof/rsa_signature_2048_sha256_test.json", runSignatures(jwk.RS256)},
		{"jwk/testdata/rfc7515/*", runRFC7515Keys},
		{"jwk/testdata/rfc7517/*", runRFCKeys},
		{"jwk/testdata/rfc7517-c/*", runRFCKeys},
		{"jwk/testdata/rfc7638/*", runThumbprint},
		{"jwk/testdata/rfc8037/*", runRFC8037Keys},
		{"jwk/testdata/josekit/jwk/*", runRFCKeys},
		{"jwk/testdata/josekit/jwks/*", runRFCKeys},
		{"jwk/testdata/josekit/pem/*", runPEM},
		{"jwk/testdata/josekit/der/*", runDER},
	}
}

func otherSuites() []suite {
	return []suite{
		{"jwk/testdata/secrets/jwt.secrets.part.txt.gz", runSecrets},
		{"internal/strictjson/testdata/jsontestsuite/*.json", runJSON},
	}
}

// runWycheproofKeys: the keys are those of an issuer, or secrets.
func runWycheproofKeys(t *testing.T, files []string, c *tally) {
	var file struct{ TestGroups []wycheproofGroup }
	readJSON(t, files[0], &file)
	for _, g := range file.TestGroups {
		keys, err := g.keySet(t)
		for _, test := range g.Tests {
			c.add(strconv.Itoa(test.TcID), test.Result == "valid", err == nil && accepts(keys, test.JWS))
		}
	}
}

func (g wycheproofGroup) keySet(t *testing.T) (jwt.KeySource, error) {
	if g.Public != nil {
		return jwk.ParseSet(g.Public)
	}
	var private struct{ Keys []json.RawMessage }
	if err := json.Unmarshal(g.Private, &private); err != nil {
		t.Fatal(err)
	}
	var secrets []jwk.VerifyingKey
	for _, text := range private.Keys {
		secret, err := jwk.ParseSecretJWK(text)
		if err != nil {
			return nil, err
		}
		secrets = append(secrets, secret)
	}
	return jwk.NewRing(secrets...)
}

func runSignatures(alg jwk.Algorithm) func(*testing.T, []string, *tally) {
	return func(t *testing.T, files []string, c *tally) {
		var file struct {
			TestGroups []struct {
				PublicKeyPem string
				Tests        []struct {
					TcID             int
					Result, Msg, Sig string
				}
			}
		}
		readJSON(t, files[0], &file)
		for _, g := range file.TestGroups {
			key := must[*jwk.PublicKey](t)(jwk.ParsePublicPEM(alg, []byte(g.PublicKeyPem)))
			for _, test := range g.Tests {
				message, sig := must[[]byte](t)(hex.DecodeString(test.Msg)), must[[]byte](t)(hex.DecodeString(test.Sig))
				if got := key.Verify(message, sig); test.Result == "acceptable" {
					c.addEither(strconv.Itoa(test.TcID), got)
				} else {
					c.add(strconv.Itoa(test.TcID), test.Result == "valid", got)
				}
			}
		}
	}
}

// readKey reports whether the text is a key, or a set of keys, that we take.
func readKey(name string, text []byte) bool {
	var err error
	var set *jwk.Set
	switch {
	case strings.HasSuffix(name, "set") || strings.HasSuffix(name, ".jwks"):
		set, err = jwk.ParseSet(text)
		return err == nil && set.Len() > 0 // others may be skipped
	case bytes.Contains(text, []byte(`"oct"`)):
		_, err = jwk.ParseSecretJWK(text)
	case bytes.Contains(text, []byte(`"d":`)):
		_, err = jwk.ParsePrivateJWK(text)
	default:
		_, err = jwk.ParsePublicJWK(text)
	}
	return err == nil
}

func runRFCKeys(t *testing.T, files []string, c *tally) {
	for _, file := range files {
		c.add(filepath.Base(file), true, readKey(file, readFile(t, file)))
	}
}

// runRFC7515Keys: keys, and the signatures that they made.
func runRFC7515Keys(t *testing.T, files []string, c *tally) {
	for _, file := range files {
		if strings.HasSuffix(file, ".jwsc") {
			key := readFile(t, strings.TrimSuffix(file, ".jwsc")+".jwk")
			token := strings.TrimSpace(string(readFile(t, file)))
			if bytes.Contains(key, []byte(`"oct"`)) {
				c.add(filepath.Base(file), true, acceptsShared(key, token))
			} else {
				c.add(filepath.Base(file), true, accepts(must[*jwk.PrivateKey](t)(jwk.ParsePrivateJWK(key)).Public(), token))
			}
			continue
		}
		c.add(filepath.Base(file), true, readKey(file, readFile(t, file)))
	}
}

// runThumbprint counts the key as one case and its name as another.
func runThumbprint(t *testing.T, files []string, c *tally) {
	key := must[*jwk.PublicKey](t)(jwk.ParsePublicJWK(readFile(t, files[0])))
	c.add("key", true, true)
	c.add("thumbprint", true, key.Thumbprint() == strings.TrimSpace(string(readFile(t, files[1]))))
}

// runRFC8037Keys: two files are keys, A.3 is a thumbprint, A.4 a signature; A.6
// and A.7 have two keys each, for key agreement.
func runRFC8037Keys(t *testing.T, files []string, c *tally) {
	for _, file := range files {
		name := filepath.Base(file)
		if strings.HasSuffix(name, ".jwk.json") {
			c.add(name, true, readKey(name, readFile(t, file)))
			continue
		}
		var texts map[string]string
		readJSON(t, file, &texts)
		public := must[*jwk.PublicKey](t)(jwk.ParsePublicJWK(readFile(t, filepath.Join(filepath.Dir(file), "a.2.jwk.json"))))
		switch name[:3] {
		case "a.3":
			c.add("a.3", true, public.Thumbprint() == texts["a.3.thumbprint+b64"])
		case "a.4":
			c.add("a.4", true, public.Verify([]byte(texts["a.4.signing-input"]), must[[]byte](t)(hex.DecodeString(texts["a.4.sig+hex"]))))
		default:
			for _, key := range []string{"bob-jwk", "epk-jwk"} {
				c.add(name[:3]+" "+key[:3], true, readKey(name, []byte(texts[name[:3]+"."+key+"+json"])))
			}
		}
	}
}

// runPEM reads a file under the algorithm that fits its name.
func runPEM(t *testing.T, files []string, c *tally) {
	for _, file := range files {
		name, text := filepath.Base(file), readFile(t, file)
		var err error
		if strings.Contains(name, "public") {
			_, err = jwk.ParsePublicPEM(algorithmOf(name), text)
		} else {
			_, err = jwk.ParsePrivatePEM(algorithmOf(name), text)
		}
		c.add(name, true, err == nil)
	}
}

func algorithmOf(name string) jwk.Algorithm {
	for prefix, alg := range map[string]jwk.Algorithm{
		"EC_P-256": jwk.ES256, "EC_P-384": jwk.ES384, "EC_P-521": jwk.ES512, "EC_secp256k1": jwk.ES256, "ED25519": jwk.EdDSA, "X25519": jwk.EdDSA,
		"RSA_": jwk.RS256, "RSA-PSS_2048bit_SHA-256": jwk.PS256, "RSA-PSS_2048bit_SHA-384": jwk.PS384, "RSA-PSS_2048bit_SHA-512": jwk.PS512,
	} {
		if strings.HasPrefix(name, prefix) {
			return alg
		}
	}
	return ""
}

// runDER: there is no function for DER; a program reads it with crypto/x509 and
// hands over the key.
func runDER(t *testing.T, files []string, c *tally) {
	for _, file := range files {
		name, der := filepath.Base(file), readFile(t, file)
		c.add(name, true, readDER(algorithmOf(name), der))
	}
}

func readDER(alg jwk.Algorithm, der []byte) bool {
	var keys []any
	for _, parse := range []func([]byte) (any, error){
		x509.ParsePKIXPublicKey, x509.ParsePKCS8PrivateKey,
		func(b []byte) (any, error) { return x509.ParsePKCS1PublicKey(b) },
		func(b []byte) (any, error) { return x509.ParsePKCS1PrivateKey(b) },
		func(b []byte) (any, error) { return x509.ParseECPrivateKey(b) },
	} {
		if key, err := parse(der); err == nil {
			keys = append(keys, key)
		}
	}
	if len(keys) != 1 {
		return false
	}
	if signer, ok := keys[0].(crypto.Signer); ok {
		_, err := jwk.NewPrivateKey(alg, signer)
		return err == nil
	}
	_, err := jwk.NewPublicKey(alg, keys[0])
	return err == nil
}

// runSecrets: every secret of the list is refused, for every hash.
func runSecrets(t *testing.T, files []string, c *tally) {
	f := must[*os.File](t)(os.Open(files[0]))
	defer f.Close()
	text := must[[]byte](t)(io.ReadAll(must[*gzip.Reader](t)(gzip.NewReader(f))))
	for i, line := range bytes.Split(bytes.TrimSuffix(text, []byte("\r\n")), []byte("\r\n")) {
		accepted := false
		for _, alg := range []jwk.Algorithm{jwk.HS256, jwk.HS384, jwk.HS512} {
			_, err := jwk.NewSecret(alg, line)
			accepted = accepted || err == nil
		}
		c.add("line "+strconv.Itoa(i+1), false, accepted)
	}
}

// runJSON: a name says what must become of its file.
func runJSON(t *testing.T, files []string, c *tally) {
	for _, file := range files {
		name := filepath.Base(file)
		got := strictjson.Check(readFile(t, file)) == nil
		if name[0] == 'i' {
			c.addEither(name, got)
		} else {
			c.add(name, name[0] == 'y', got)
		}
	}
}
