package jwk

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/writ-auth/writ/internal/strictjson"
)

// checkSecret refuses the secrets that NewSecret names, for a hash of size bytes.
func checkSecret(secret []byte, size int) error {
	if len(secret) < size {
		return fmt.Errorf("%w: secret of %d bytes, %d are the least", ErrWeak, len(secret), size)
	}
	text := plain(secret)
	forms := append(decoded(text), secret, text)
	switch {
	case slices.ContainsFunc(forms, isKeyFile):
		return fmt.Errorf("%w: this is a key file, not a secret", ErrWeak)
	case len(text) < size && isText(text):
		return fmt.Errorf("%w: secret of %d bytes besides white space and zeros, %d are the least", ErrWeak, len(text), size)
	case len(unpadded(secret)) < size:
		return fmt.Errorf("%w: secret is padded to its length", ErrWeak)
	case repeats(secret, size):
		return fmt.Errorf("%w: secret repeats itself", ErrWeak)
	case slices.ContainsFunc(forms, isListed):
		return fmt.Errorf("%w: secret is publicly known", ErrWeak)
	}
	return nil
}

// plain is secret without what editors and other systems put into a text: a byte
// order mark, the zero bytes of UTF-16, white space around it.
func plain(secret []byte) []byte {
	text := bytes.TrimSpace(bytes.ReplaceAll(secret, []byte{0}, nil))
	for _, mark := range []string{"\xef\xbb\xbf", "\xff\xfe", "\xfe\xff"} {
		text = bytes.TrimPrefix(text, []byte(mark))
	}
	return bytes.TrimSpace(text)
}

// isText reports whether a person could have typed it. Random bytes of the least
// length look so once in 10¹² times.
func isText(b []byte) bool {
	return utf8.Valid(b) && !bytes.ContainsFunc(b, func(r rune) bool { return !unicode.IsPrint(r) && !unicode.IsSpace(r) })
}

// decoded returns what text is the base64 or the hex of: a key that a
// configuration or an issuer's page shows without its armour, or a known secret.
func decoded(text []byte) [][]byte {
	digits := strings.Trim(strings.Join(strings.Fields(string(text)), ""), `"'=`)
	var all [][]byte
	for _, decode := range []func(string) ([]byte, error){
		base64.RawStdEncoding.DecodeString, base64.RawURLEncoding.DecodeString, hex.DecodeString,
	} {
		if b, err := decode(digits); err == nil {
			all = append(all, b, plain(b))
		}
	}
	return all
}

// isKeyFile reports whether b is a public or private key or a certificate. An
// application that hands its RSA public key to an HMAC accepts tokens from
// everyone (CVE-2015-9235, CVE-2022-29217, CVE-2024-33663, CVE-2026-34950).
func isKeyFile(b []byte) bool {
	return looksLikeKey(b) || looksLikeJWK(b) || looksLikeDER(b)
}

// looksLikeKey reports whether text is PEM, or a key of SSH, PuTTY or .NET.
func looksLikeKey(text []byte) bool {
	for _, prefix := range []string{"ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"} {
		if bytes.HasPrefix(text, []byte(prefix)) {
			return true
		}
	}
	for _, part := range []string{
		"-----BEGIN", "---- BEGIN SSH2", "PuTTY-User-Key-File-", "<RSAKeyValue>",
		"AAAAB3NzaC", "AAAAC3NzaC", "AAAAE2VjZHNh", "AAAAGnNrLX", "AAAAInNrLX", // how the base64 of SSH keys begins
	} {
		if bytes.Contains(text, []byte(part)) {
			return true
		}
	}
	return false
}

// looksLikeJWK reports whether text is a JWK, a JWK Set or a list of JWKs.
func looksLikeJWK(text []byte) bool {
	if !bytes.HasPrefix(text, []byte("{")) && !bytes.HasPrefix(text, []byte("[")) {
		return false
	}
	lax := bytes.Contains(text, []byte(`"kty"`)) || bytes.Contains(text, []byte(`"keys"`))
	return lax || strictjson.Check(text) == nil // any JSON object or list is a document, not a secret
}

// looksLikeDER reports whether b is a binary key or certificate. White space
// after one is told from its own last bytes by the length that it begins with.
func looksLikeDER(b []byte) bool {
	var outer asn1.RawValue
	rest, err := asn1.Unmarshal(bytes.TrimLeft(b, " \t\r\n"), &outer)
	if err != nil || outer.Tag != asn1.TagSequence || len(bytes.TrimSpace(rest)) != 0 {
		return false
	}
	der := outer.FullBytes
	if !knownSPKI(der) || !knownPKCS8(der) || !knownEC(der) { // of another type or curve
		return true
	}
	for _, err := range []error{
		parses(x509.ParsePKIXPublicKey, der), parses(x509.ParsePKCS1PublicKey, der), parses(x509.ParseCertificate, der),
		parses(x509.ParsePKCS8PrivateKey, der), parses(x509.ParsePKCS1PrivateKey, der), parses(x509.ParseECPrivateKey, der),
	} {
		if err == nil {
			return true
		}
	}
	return false
}

func parses[K any](parse func([]byte) (K, error), der []byte) error {
	_, err := parse(der)
	return err
}

// unpadded strips a run of eight or more equal bytes from either end; shorter
// ones do occur in random secrets.
func unpadded(secret []byte) []byte {
	tail := len(secret)
	for tail > 0 && secret[tail-1] == secret[len(secret)-1] {
		tail--
	}
	if len(secret)-tail >= 8 {
		secret = secret[:tail]
	}
	head := 0
	for head < len(secret) && secret[head] == secret[0] {
		head++
	}
	if head >= 8 {
		secret = secret[head:]
	}
	return secret
}

// repeats reports whether secret is a unit shorter than the hash over and over,
// as far as twelve bytes at least; of random hex digits so many never agree.
func repeats(secret []byte, size int) bool {
	for unit := 1; unit < size && unit+12 <= len(secret); unit++ {
		if bytes.Equal(secret[unit:], secret[:len(secret)-unit]) {
			return true
		}
	}
	return false
}

// isListed looks a secret up in listedSecrets by the first bytes of its SHA-256,
// so that this package spreads no list of passwords; binary search.
func isListed(secret []byte) bool {
	sum := sha256.Sum256(secret)
	want := string(sum[:listedSize])
	low, high := 0, len(listedSecrets)/listedSize
	for low < high {
		mid := (low + high) / 2
		got := listedSecrets[mid*listedSize : (mid+1)*listedSize]
		if got == want {
			return true
		}
		if got < want {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return false
}
