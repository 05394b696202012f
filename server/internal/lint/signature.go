package lint

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"hash"
	"strings"

	"github.com/writ-auth/writ/jwk"
)

// signature checks the signature's form, tries secrets that everyone knows, and
// the key if there is one.
func (l *linter) signature(ctx context.Context) {
	t := l.token
	alg, _ := t.header.string("alg")
	switch {
	case t.parts[2] == "":
		if !l.found("alg-none") {
			l.find("sig-empty", "")
		}
		return
	case len(t.sig) >= 16 && bytes.Count(t.sig, t.sig[:1]) == len(t.sig):
		l.find("sig-constant", "")
		return
	}
	l.length(alg)
	if strings.HasPrefix(alg, "HS") {
		l.knownSecret(alg)
	}
	if l.opts.Key != nil {
		l.key(ctx, alg)
	}
}

func (l *linter) length(alg string) {
	got, want := len(l.token.sig), signatureLength(alg)
	switch {
	case want == 0:
	case strings.HasPrefix(alg, "RS") || strings.HasPrefix(alg, "PS"):
		if got < want {
			l.find("sig-rsa-small", "signature: %d bits", got*8)
		}
	case got != want && strings.HasPrefix(alg, "ES") && got > 8 && l.token.sig[0] == 0x30:
		l.find("sig-length", "signature: DER instead of %d bytes", want)
	case got != want:
		l.find("sig-length", "signature: %d bytes instead of %d", got, want)
	}
}

// signatureLength is the length of a signature in bytes, the least with RSA; 0
// for algorithms that are not known.
func signatureLength(alg string) int {
	switch alg {
	case "HS256":
		return 32
	case "HS384":
		return 48
	case "HS512", "ES256", "ES256K", "EdDSA", "Ed25519":
		return 64
	case "ES384":
		return 96
	case "Ed448":
		return 114
	case "ES512":
		return 132
	case "RS256", "RS384", "RS512", "PS256", "PS384", "PS512":
		return 256
	case "ML-DSA-44":
		return 2420
	case "ML-DSA-65":
		return 3309
	case "ML-DSA-87":
		return 4627
	}
	return 0
}

func (l *linter) key(ctx context.Context, alg string) {
	kid, _ := l.token.header.string("kid")
	key, err := l.opts.Key.FindKey(ctx, jwk.Algorithm(alg), kid)
	switch {
	case err != nil:
		l.find("sig-key", "header alg and kid: no such key")
	case !key.Verify([]byte(l.token.parts[0]+"."+l.token.parts[1]), l.token.sig):
		l.find("sig-key", "signature")
	}
}

// knownSecret tries what anyone would try first. It is no search: a word list
// has millions of entries, and the tools for it run elsewhere.
func (l *linter) knownSecret(alg string) {
	newHash := map[string]func() hash.Hash{"HS256": sha256.New, "HS384": sha512.New384, "HS512": sha512.New}[alg]
	if newHash == nil {
		return
	}
	message := []byte(l.token.parts[0] + "." + l.token.parts[1])
	for _, secret := range append(publishedSecrets(), l.ownValues()...) {
		for _, key := range keysOf(secret) {
			mac := hmac.New(newHash, key)
			mac.Write(message)
			if hmac.Equal(mac.Sum(nil), l.token.sig) {
				l.find("secret-known", "signature: a secret of %d bytes", len(key))
				return
			}
		}
	}
}

// keysOf are the keys that a text may stand for.
func keysOf(text string) [][]byte {
	keys := [][]byte{[]byte(text), []byte(text + "\n")}
	plain := strings.NewReplacer("-", "+", "_", "/", "=", "").Replace(text)
	if decoded, err := base64.RawStdEncoding.DecodeString(plain); err == nil && len(decoded) > 0 {
		keys = append(keys, decoded)
	}
	return keys
}

// ownValues are the values out of the token that someone may have taken for a
// secret.
func (l *linter) ownValues() []string {
	values := []string{""}
	kid, _ := l.token.header.string("kid")
	values = append(values, kid)
	for _, claim := range []string{"iss", "sub", "client_id", "jti"} {
		v, _ := l.token.payload.string(claim)
		values = append(values, v)
	}
	audience, _ := l.token.payload.strings("aud")
	if len(audience) > 4 {
		audience = audience[:4]
	}
	return append(values, audience...)
}

// publishedSecrets are those of RFCs, documentation, sample configurations, and
// what people type first.
func publishedSecrets() []string {
	return []string{
		"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow", // RFC 7515 A.1
		"hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg",                                            // RFC 7520 3.5
		"your-256-bit-secret", "your-384-bit-secret", "your-512-bit-secret",
		"a-string-secret-at-least-256-bits-long",
		"a-valid-string-secret-that-is-at-least-384-bits-long",
		"a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long",
		"super-secret-jwt-token-with-at-least-32-characters-long",
		"your-super-secret-jwt-token-with-at-least-32-characters-long",
		"404E635266556A586E3272357538782F413F4428472B4B6250645367566B5970",
		"09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
		"01234567890123456789012345678901", "0123456789abcdef0123456789abcdef",
		"secret", "Secret", "SECRET", "secretkey", "secret_key", "secret-key", "secretKey", "SecretKey", "SECRET_KEY",
		"mysecret", "my_secret", "my-secret", "mysecretkey", "my-secret-key", "my_secret_key", "MySecretKey",
		"supersecret", "super-secret", "super_secret", "supersecretkey", "super-secret-key", "shhhhh", "shhhhhhh",
		"jwt", "jwtsecret", "jwt_secret", "jwt-secret", "jwtSecret", "JWT_SECRET", "jwt-secret-key", "jwt_secret_key", "jwtkey",
		"token", "tokensecret", "token_secret", "access_token_secret", "ACCESS_TOKEN_SECRET", "refresh_token_secret",
		"your-secret-key", "your_secret_key", "yourSecretKey", "your-secret", "your_jwt_secret", "your-jwt-secret",
		"your_jwt_secret_key", "your-super-secret-key", "your-secret-key-change-this-in-production",
		"change-this-secret-in-production", "changeme", "change_me", "change-me", "changeit", "CHANGE_ME", "default", "example",
		"password", "Password", "password1", "passw0rd", "P@ssw0rd", "admin", "root", "test", "testing", "test123", "demo", "dev",
		"development", "key", "privatekey", "private_key", "signing-key", "hello", "helloworld", "hello world", "keyboard cat",
		"qwerty", "abc", "abc123", "abcdef", "abcdefgh", "123", "1234", "12345", "123456", "1234567", "12345678", "123456789",
		"1234567890", "000000", "111111", "foo", "foobar", "bar", "null", "undefined", "None", "nil", "true",
	}
}
