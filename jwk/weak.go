package jwk

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"fmt"

	"github.com/writ-auth/writ/internal/strictjson"
)

// checkSecret refuses the secrets that NewSecret names, for a hash of size bytes.
func checkSecret(secret []byte, size int) error {
	text := bytes.TrimSpace(secret)
	switch {
	case len(secret) < size:
		return fmt.Errorf("%w: secret of %d bytes, %d are the least", ErrWeak, len(secret), size)
	case looksLikeKey(text) || looksLikeDER(secret):
		return fmt.Errorf("%w: this is a key file, not a secret", ErrWeak)
	case len(unpadded(secret)) < size:
		return fmt.Errorf("%w: secret is padded to its length", ErrWeak)
	case repeats(secret):
		return fmt.Errorf("%w: secret repeats itself", ErrWeak)
	case isListed(secret) || isListed(text):
		return fmt.Errorf("%w: secret is publicly known", ErrWeak)
	}
	return nil
}

// looksLikeKey reports whether text, white space removed around it, is a public
// or private key: PEM, an SSH or a JWK public key, or a JWK Set. An
// application that hands its RSA public key to an HMAC accepts tokens from
// everyone (CVE-2015-9235, CVE-2022-29217, CVE-2024-33663).
func looksLikeKey(text []byte) bool {
	for _, prefix := range []string{
		"-----BEGIN", "---- BEGIN SSH2", "ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-", "PuTTY-User-Key-File-",
	} {
		if bytes.HasPrefix(text, []byte(prefix)) {
			return true
		}
	}
	return looksLikeJWK(text)
}

func looksLikeJWK(text []byte) bool {
	if !bytes.HasPrefix(text, []byte("{")) {
		return false
	}
	lax := bytes.Contains(text, []byte(`"kty"`)) || bytes.Contains(text, []byte(`"keys"`))
	return lax || strictjson.Check(text) == nil // any JSON object is a document, not a secret
}

// looksLikeDER is looksLikeKey for binary keys. White space after one is told
// from its own last bytes by the length that it begins with.
func looksLikeDER(secret []byte) bool {
	var outer asn1.RawValue
	rest, err := asn1.Unmarshal(bytes.TrimLeft(secret, " \t\r\n"), &outer)
	if err != nil || outer.Tag != asn1.TagSequence || len(bytes.TrimSpace(rest)) != 0 {
		return false
	}
	der := outer.FullBytes
	if _, err := x509.ParsePKIXPublicKey(der); err == nil || !knownSPKI(der) {
		return true
	}
	if _, err := x509.ParsePKCS1PublicKey(der); err == nil {
		return true
	}
	_, err = x509.ParseCertificate(der)
	return err == nil
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

// repeats reports whether secret is a unit of at most 12 bytes over and over.
func repeats(secret []byte) bool {
	for unit := 1; unit <= 12 && unit < len(secret); unit++ {
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
