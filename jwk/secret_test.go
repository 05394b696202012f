package jwk_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/writ-auth/writ/jwk"
)

// random stands for a good secret of up to 80 bytes.
const random = "0kd8Jq2mPz7Wv5Xn3Rt9Yb1Lc6Hf4GsEoA-uTiVyDwBxCzKjQpMhNgFrSlU_IeZaOk1Qm8Tz3Vb6Yn5P"

func TestHMAC(t *testing.T) {
	for alg, newHash := range map[jwk.Algorithm]func() hash.Hash{jwk.HS256: sha256.New, jwk.HS384: sha512.New384, jwk.HS512: sha512.New} {
		s := must(jwk.NewSecret(alg, []byte(random)))(t)
		for _, message := range []string{"", "m", strings.Repeat("long ", 100)} {
			mac := hmac.New(newHash, []byte(random))
			mac.Write([]byte(message))
			want := mac.Sum(nil)
			if got := must(s.Sign([]byte(message)))(t); !bytes.Equal(got, want) {
				t.Errorf("%s: Sign = %x, want %x", alg, got, want)
			}
			if !s.Verify([]byte(message), want) {
				t.Errorf("%s: own MAC is refused", alg)
			}
			for name, bad := range map[string][]byte{
				"nothing": nil, "cut": want[:len(want)-1], "longer": append(bytes.Clone(want), 0), "half": want[:len(want)/2],
				"changed": append(bytes.Clone(want[:len(want)-1]), want[len(want)-1]^1),
			} {
				if s.Verify([]byte(message), bad) {
					t.Errorf("%s: accepted a MAC: %s", alg, name)
				}
			}
		}
	}
}

func TestHMACConcurrently(t *testing.T) {
	s := must(jwk.GenerateSecret(jwk.HS256))(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 200 {
				message := []byte{byte(i), byte(j)}
				sig, err := s.Sign(message)
				if err != nil || !s.Verify(message, sig) || s.Verify([]byte("other"), sig) {
					t.Errorf("message %v: signature %x, %v", message, sig, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestSecretLength(t *testing.T) {
	for alg, size := range map[jwk.Algorithm]int{jwk.HS256: 32, jwk.HS384: 48, jwk.HS512: 64} {
		for n, want := range map[int]error{0: jwk.ErrWeak, 1: jwk.ErrWeak, size - 1: jwk.ErrWeak, size: nil, 80: nil} {
			if _, err := jwk.NewSecret(alg, []byte(random[:n])); !errors.Is(err, want) {
				t.Errorf("%s with %d bytes: %v, want %v", alg, n, err, want)
			}
		}
		s := must(jwk.GenerateSecret(alg))(t)
		if len(s.ExportBytes()) != size || len(s.KeyID()) != 22 {
			t.Errorf("%s: generated %d bytes with key ID %q", alg, len(s.ExportBytes()), s.KeyID())
		}
	}
	if s := must(jwk.NewSecret(jwk.HS256, []byte(random)))(t); s.KeyID() != "" {
		t.Errorf("NewSecret gives key ID %q, want none", s.KeyID())
	}
}

func TestSecretAlgorithm(t *testing.T) {
	for alg, want := range map[jwk.Algorithm]error{
		"none": jwk.ErrUnsupported, "": jwk.ErrUnsupported, "hs256": jwk.ErrUnsupported, "A256KW": jwk.ErrUnsupported,
		jwk.RS256: jwk.ErrMismatch, jwk.ES256: jwk.ErrMismatch, jwk.EdDSA: jwk.ErrMismatch,
	} {
		if _, err := jwk.NewSecret(alg, []byte(random)); !errors.Is(err, want) {
			t.Errorf("NewSecret(%q): %v, want %v", alg, err, want)
		}
		if _, err := jwk.GenerateSecret(alg); err == nil {
			t.Errorf("GenerateSecret(%q) gives a secret", alg)
		}
	}
}

func TestWeakSecrets(t *testing.T) {
	for name, secret := range map[string]string{
		"jwt.io":                          "a-string-secret-at-least-256-bits-long",
		"jwt.io, with a line feed":        "a-string-secret-at-least-256-bits-long\n",
		"Supabase":                        "super-secret-jwt-token-with-at-least-32-characters-long",
		"old jwt.io with zeros":           "your-256-bit-secret" + strings.Repeat("\x00", 13),
		"old jwt.io with digits":          "your-256-bit-secret" + strings.Repeat("0", 13),
		"old jwt.io with equals signs":    "your-256-bit-secret" + strings.Repeat("=", 45),
		"old jwt.io with spaces before":   strings.Repeat(" ", 20) + "your-256-bit-secret",
		"old jwt.io padded on both ends":  strings.Repeat("*", 10) + "your-256-bit-secret" + strings.Repeat("*", 10),
		"old jwt.io twice":                "your-256-bit-secret-your-256-bit-secret",
		"zeros":                           strings.Repeat("\x00", 64),
		"one letter":                      strings.Repeat("a", 100),
		"secretsecret":                    strings.Repeat("secret", 6),
		"changeme":                        strings.Repeat("changeme", 8),
		"digits":                          "12345678901234567890123456789012",
		"listed":                          "%^&kwicms319842__71839^HBSksmdil", // see testdata/NOTICE
		"listed, a UUID":                  "0069c482-d42c-4e4b-bae9-893749215257",
		"listed, with spaces":             "  0069c482-d42c-4e4b-bae9-893749215257 ",
		"an SSH key":                      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGk3Yl7QXc7s6c0j7mB2 root@host",
		"an ECDSA SSH key":                "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAI root",
		"JSON with kty":                   `{"kty":"RSA","n":"AQAB and so on`,
		"any JSON object":                 `{"this": "is a document, not a secret, is it"}`,
		"any JSON list":                   `["this", "is a document, not a secret, is it"]`,
		"a list of JWKs, cut off":         `[{"kty":"RSA","n":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA`,
		"31 characters, a line feed":      random[:31] + "\n",
		"31 characters, CR LF":            random[:31] + "\r\n",
		"31 characters, a space before":   " " + random[:31],
		"31 characters, a zero":           random[:31] + "\x00",
		"31 characters, a no-break space": random[:31] + "\u00a0",
		"31 characters, a mark":           "\xef\xbb\xbf" + random[:31],
		"31 characters in UTF-16":         utf16le(random[:31]),
		"31 characters, marked UTF-16":    "\xff\xfe" + utf16le(random[:31]),
		"old jwt.io among spaces":         "       your-256-bit-secret       ",
		"an accent short of 32":           "é" + random[:29] + "\n",
		"RFC 7515 A.1":                    string(unbase64(t, rfc7515A1)),
		"RFC 7515 A.1 as text":            rfc7515A1,
		"RFC 7515 A.1 as a line":          rfc7515A1 + "\n",
		"RFC 7515 A.1 as hex":             fmt.Sprintf("%x", unbase64(t, rfc7515A1)),
		"RFC 7520 3.5":                    string(unbase64(t, "hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg")),
		"RFC 7520 3.5 as padded text":     "hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg=",
		"listed, as base64":               "JV4ma3dpY21zMzE5ODQyX183MTgzOV5IQlNrc21kaWw=",
		"hex digits twice":                "0123456789abcdef0123456789abcdef",
		"sixteen random ones twice":       random[:16] + random[:16],
		"twenty and twelve of them":       random[:20] + random[:12],
		"31 random ones twice":            random[:31] + random[:31],
		"SSH key with options":            `no-pty,command="true" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGk3Yl7QXc7s6c0j7mB2`,
		"SSH key alone":                   "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABB",
		"key of .NET":                     "<RSAKeyValue><Modulus>AQAB</Modulus></RSAKeyValue>",
	} {
		if _, err := jwk.NewSecret(jwk.HS256, []byte(secret)); !errors.Is(err, jwk.ErrWeak) {
			t.Errorf("%s: NewSecret = %v, want ErrWeak", name, err)
		}
	}
}

func TestGoodSecrets(t *testing.T) {
	for name, secret := range map[string]string{
		"random":               random,
		"starts with a brace":  "{" + random[:40],
		"starts as DER does":   "\x30\x82\x01\x22" + random[:40],
		"hex":                  "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
		"short run at the end": random[:40] + "zzzz",
		"long, padded":         random + strings.Repeat("=", 20),
		"32 characters":        random[:32],
		"with a line feed":     random[:32] + "\n",
		"with CR LF":           random[:32] + "\r\n",
		"in UTF-16":            utf16le(random[:32]),
		"a long one twice":     random[:32] + random[:32],
		"bytes and a space":    "\x01\x02" + random[:29] + " ",
		"starts with a list":   "[" + random[:40],
		"words":                "four score and seven years ago our fathers brought forth",
	} {
		if _, err := jwk.NewSecret(jwk.HS256, []byte(secret)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// rfc7515A1 is the secret by which half of all HS256 examples are signed.
const rfc7515A1 = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"

// utf16le is how a program on Windows may read an ASCII text.
func utf16le(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		b.Write([]byte{c, 0})
	}
	return b.String()
}

// No entry of the list becomes good by what an editor, a shell or another
// encoding adds to it.
func TestListedSecretsInDisguise(t *testing.T) {
	file := must(os.Open("testdata/secrets/jwt.secrets.part.txt.gz"))(t)
	defer file.Close()
	lines := bufio.NewScanner(must(gzip.NewReader(file))(t))
	tried := 0
	for lines.Scan() {
		entry := strings.TrimSpace(lines.Text())
		if len(entry) < 24 { // with what is added here still too short
			continue
		}
		tried++
		for _, secret := range []string{entry, entry + "\n", entry + "\r\n", " " + entry + " ", entry + "\t\n\n\n\n\n\n", "\ufeff" + entry, entry + "\x00"} {
			if _, err := jwk.NewSecret(jwk.HS256, []byte(secret)); !errors.Is(err, jwk.ErrWeak) {
				t.Errorf("%q: NewSecret = %v, want ErrWeak", secret, err)
			}
		}
	}
	if lines.Err() != nil || tried < 1000 {
		t.Errorf("%d entries tried, %v; want a thousand", tried, lines.Err())
	}
}

// keyForms are all texts that a public key could be mistaken for a secret in.
func keyForms(t *testing.T, key *jwk.PublicKey) map[string][]byte {
	t.Helper()
	pemText := must(key.ExportPEM())(t)
	jwkText := must(json.Marshal(key))(t)
	set := must(json.Marshal(must(jwk.NewSet(key))(t)))(t)
	forms := map[string][]byte{
		"PEM":                        pemText,
		"PEM without line feed":      bytes.TrimSpace(pemText),
		"PEM with CR LF":             bytes.ReplaceAll(pemText, []byte("\n"), []byte("\r\n")),
		"PEM after white space":      append([]byte(" \t\r\n"), pemText...),
		"PEM on one line":            bytes.ReplaceAll(pemText, []byte("\n"), nil),
		"DER":                        must(x509.MarshalPKIXPublicKey(key.CryptoKey()))(t),
		"JWK":                        jwkText,
		"JWK after white space":      append([]byte("\n "), jwkText...),
		"JWK with spaces inside":     bytes.ReplaceAll(jwkText, []byte(":"), []byte(" : ")),
		"JWK Set":                    set,
		"certificate":                []byte("-----BEGIN CERTIFICATE-----\nMIIB"),
		"private PEM":                []byte("-----BEGIN PRIVATE KEY-----\nMIIBAAAAAAAAAAAAAAAAAAAAAAA"),
		"SSH2 public key":            []byte("---- BEGIN SSH2 PUBLIC KEY ----\nAAAAB3NzaC1yc2EAAAADAQABAAAB"),
		"line of authorized_keys":    []byte("ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQC7 user@host"),
		"the same after white space": []byte("\n ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQC7 user@host"),
	}
	if key, ok := key.CryptoKey().(*rsa.PublicKey); ok {
		forms["PKCS#1 DER"] = x509.MarshalPKCS1PublicKey(key)
	}
	for name, form := range maps.Clone(forms) {
		forms["mark and "+name] = append([]byte("\xef\xbb\xbf"), form...)
		forms[name+" as base64"] = base64.StdEncoding.AppendEncode(nil, form)
		forms[name+" as base64url"] = base64.RawURLEncoding.AppendEncode(nil, form)
		forms[name+" as hex"] = hex.AppendEncode(nil, form)
	}
	delete(forms, "mark and DER") // no text
	delete(forms, "mark and PKCS#1 DER")
	body := base64.StdEncoding.EncodeToString(forms["DER"])
	forms["base64 in lines"] = []byte(body[:48] + "\r\n " + body[48:] + "\r\n")
	forms["quoted base64"] = []byte(`"` + body + `"`)
	forms["PEM in UTF-16"] = []byte(utf16le(string(pemText)))
	forms["PEM in UTF-16 with a mark"] = []byte("\xff\xfe" + utf16le(string(pemText)))
	forms["PEM after a no-break space"] = append([]byte("\u00a0"), pemText...)
	forms["PEM after a name"] = append([]byte("JWT_KEY="), pemText...)
	forms["quoted PEM"] = []byte(strconv.Quote(string(pemText)))
	forms["base64 of PEM in UTF-16"] = base64.StdEncoding.AppendEncode(nil, forms["PEM in UTF-16"])
	forms["list of JWKs"] = fmt.Appendf(nil, "[%s]", jwkText)
	return forms
}

// A public key must not become an HMAC secret in any form: with it as the secret
// everyone could sign (CVE-2015-9235 and its many successors).
func TestPublicKeyIsNoSecret(t *testing.T) {
	for _, alg := range []jwk.Algorithm{jwk.RS256, jwk.ES256, jwk.ES384, jwk.ES512, jwk.EdDSA} {
		for name, form := range keyForms(t, pair(t, alg).Public()) {
			if _, err := jwk.NewSecret(jwk.HS256, form); !errors.Is(err, jwk.ErrWeak) {
				t.Errorf("%s key as %s: NewSecret = %v, want ErrWeak", alg, name, err)
			}
		}
	}
	// A key whose last byte is a line feed keeps it.
	var der []byte
	for len(der) == 0 || der[len(der)-1] != '\n' {
		der = must(x509.MarshalPKIXPublicKey(pair(t, jwk.ES256).Public().CryptoKey()))(t)
	}
	for _, form := range [][]byte{der, append(bytes.Clone(der), " \n"...), append([]byte("\n"), der...)} {
		if _, err := jwk.NewSecret(jwk.HS256, form); !errors.Is(err, jwk.ErrWeak) {
			t.Errorf("key %x: NewSecret = %v, want ErrWeak", form, err)
		}
	}
	// Also private ones, and those of a curve that this package does not know.
	files := must(filepath.Glob("testdata/josekit/der/*.der"))(t)
	for _, file := range files {
		if strings.Contains(file, "_raw_public") {
			continue // a bare point is no file of a key
		}
		if _, err := jwk.NewSecret(jwk.HS256, must(os.ReadFile(file))(t)); !errors.Is(err, jwk.ErrWeak) {
			t.Errorf("%s: NewSecret = %v, want ErrWeak", file, err)
		}
	}
	if len(files) < 20 {
		t.Errorf("%d files of keys", len(files))
	}
}

// The bytes of a secret that was generated never look weak, nor do they written
// down. The server makes its own as base64url of as many bytes as the hash has.
func TestGeneratedSecretsPass(t *testing.T) {
	for i := range 300 {
		alg := []jwk.Algorithm{jwk.HS256, jwk.HS384, jwk.HS512}[i%3]
		b := must(jwk.GenerateSecret(alg))(t).ExportBytes()
		for _, secret := range []string{
			string(b), base64.RawURLEncoding.EncodeToString(b), base64.StdEncoding.EncodeToString(b), hex.EncodeToString(b),
			hex.EncodeToString(b[:len(b)/2]), base64.StdEncoding.EncodeToString(b[:len(b)*3/4]), // just as long as the hash
		} {
			for _, end := range []string{"", "\n", "\r\n"} {
				if _, err := jwk.NewSecret(alg, []byte(secret+end)); err != nil {
					t.Fatalf("%s: a generated secret, as %q, is refused: %v", alg, secret+end, err)
				}
			}
		}
	}
}

func TestSecretJWK(t *testing.T) {
	s := must(jwk.NewSecret(jwk.HS512, []byte(random)))(t).WithKeyID("k1")
	text := must(s.ExportJWK())(t)
	want := `{"kty":"oct","alg":"HS512","use":"sig","kid":"k1","k":"MGtkOEpxMm1Qejd`
	if !strings.HasPrefix(string(text), want) {
		t.Errorf("ExportJWK = %s, want %s…", text, want)
	}
	back := must(jwk.ParseSecretJWK(text))(t)
	if back.Algorithm() != jwk.HS512 || back.KeyID() != "k1" || string(back.ExportBytes()) != random {
		t.Errorf("read back as %v", back)
	}
}

func TestParseSecretJWK(t *testing.T) {
	const k = `"k":"MGtkOEpxMm1Qejd1djVYbjNSdDlZYjFMYzZIZjRHc0U"` // 32 bytes
	for _, tt := range []struct {
		name, text string
		want       error
	}{
		{"without alg", `{"kty":"oct",` + k + `}`, nil},
		{"HS256", `{"kty":"oct","alg":"HS256",` + k + `}`, nil},
		{"too short for HS384", `{"kty":"oct","alg":"HS384",` + k + `}`, jwk.ErrWeak},
		{"key wrapping", `{"kty":"oct","alg":"A256KW",` + k + `}`, jwk.ErrUnsupported},
		{"none", `{"kty":"oct","alg":"none",` + k + `}`, jwk.ErrUnsupported},
		{"asymmetric", `{"kty":"oct","alg":"RS256",` + k + `}`, jwk.ErrMismatch},
		{"for encryption", `{"kty":"oct","use":"enc",` + k + `}`, jwk.ErrMismatch},
		{"key_ops for encryption", `{"kty":"oct","key_ops":["encrypt"],` + k + `}`, jwk.ErrMismatch},
		{"no k", `{"kty":"oct"}`, jwk.ErrMalformed},
		{"empty k", `{"kty":"oct","k":""}`, jwk.ErrWeak},
		{"padded base64", `{"kty":"oct","k":"MGtkOEpxMm1Qejd1djVYbjNSdDlZYjFMYzZIZjRHc0U="}`, jwk.ErrMalformed},
		{"another kty", `{"kty":"RSA",` + k + `}`, jwk.ErrMismatch},
		{"no kty", `{` + k + `}`, jwk.ErrMalformed},
		{"duplicate alg", `{"kty":"oct","alg":"HS256","\u0061lg":"HS512",` + k + `}`, jwk.ErrMalformed},
	} {
		if _, err := jwk.ParseSecretJWK([]byte(tt.text)); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

// A secret of which key_ops allow half does that half.
func TestSecretKeyOps(t *testing.T) {
	full := must(jwk.NewSecret(jwk.HS256, []byte(random[:32])))(t)
	sig := must(full.Sign([]byte("m")))(t)
	text := string(must(full.ExportJWK())(t))
	for ops, want := range map[string]struct{ sign, verify bool }{
		`["sign"]`: {true, false}, `["verify"]`: {false, true}, `["verify","sign"]`: {true, true},
	} {
		s := must(jwk.ParseSecretJWK([]byte(strings.Replace(text, `{`, `{"key_ops":`+ops+`,`, 1))))(t)
		if _, err := s.Sign([]byte("m")); (err == nil) != want.sign {
			t.Errorf("key_ops %s: Sign = %v, want it allowed: %v", ops, err, want.sign)
		}
		if got := s.WithKeyID("x").Verify([]byte("m"), sig); got != want.verify {
			t.Errorf("key_ops %s: Verify = %v, want %v", ops, got, want.verify)
		}
	}
}

func BenchmarkHMAC(b *testing.B) {
	s := must(jwk.GenerateSecret(jwk.HS256))(b)
	message := []byte(strings.Repeat("x", 400))
	sig := must(s.Sign(message))(b)
	b.ReportAllocs()
	for b.Loop() {
		if !s.Verify(message, sig) {
			b.Fatal("refused")
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	message := []byte(strings.Repeat("x", 400))
	for _, alg := range []jwk.Algorithm{jwk.RS256, jwk.PS256, jwk.ES256, jwk.EdDSA} {
		key := pair(b, alg)
		sig := must(key.Sign(message))(b)
		b.Run(string(alg), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !key.Public().Verify(message, sig) {
					b.Fatal("refused")
				}
			}
		})
	}
}
