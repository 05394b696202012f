package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"github.com/writ-auth/writ/jwk"
)

// floor is what nobody can do without: the standard library's cryptography on
// the bytes that are signed, which lie ready. No base64, no JSON, no check.
type floor struct {
	message   []byte // header and payload of the token, as they are signed
	signature []byte // in the standard library's own form
	verify    func(message, signature []byte) bool
	sign      func(message []byte) ([]byte, error)
}

func newFloor(m *material) (*floor, error) {
	f := &floor{message: []byte(m.token[:strings.LastIndexByte(m.token, '.')])}
	switch m.alg {
	case jwk.HS256:
		f.useHMAC(m.secret)
	case jwk.RS256:
		f.useRSA(m.private.(*rsa.PrivateKey))
	case jwk.PS256:
		f.usePSS(m.private.(*rsa.PrivateKey))
	case jwk.ES256:
		f.useECDSA(m.private.(*ecdsa.PrivateKey))
	case jwk.EdDSA:
		f.useEd25519(m.private.(ed25519.PrivateKey))
	default:
		return nil, fmt.Errorf("%s is not measured", m.alg)
	}
	var err error
	f.signature, err = f.sign(f.message)
	return f, err
}

// useHMAC keeps the keyed state: to key it anew costs as much again.
func (f *floor) useHMAC(secret []byte) {
	mac := hmac.New(sha256.New, secret)
	var room [sha256.Size]byte
	f.sign = func(message []byte) ([]byte, error) {
		mac.Reset()
		mac.Write(message)
		return mac.Sum(nil), nil
	}
	f.verify = func(message, signature []byte) bool {
		mac.Reset()
		mac.Write(message)
		return hmac.Equal(mac.Sum(room[:0]), signature)
	}
}

func (f *floor) useRSA(key *rsa.PrivateKey) {
	f.sign = func(message []byte) ([]byte, error) {
		sum := sha256.Sum256(message)
		return rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	}
	f.verify = func(message, signature []byte) bool {
		sum := sha256.Sum256(message)
		return rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum[:], signature) == nil
	}
}

func (f *floor) usePSS(key *rsa.PrivateKey) {
	opts := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
	f.sign = func(message []byte) ([]byte, error) {
		sum := sha256.Sum256(message)
		return rsa.SignPSS(rand.Reader, key, crypto.SHA256, sum[:], opts)
	}
	f.verify = func(message, signature []byte) bool {
		sum := sha256.Sum256(message)
		return rsa.VerifyPSS(&key.PublicKey, crypto.SHA256, sum[:], signature, opts) == nil
	}
}

func (f *floor) useECDSA(key *ecdsa.PrivateKey) {
	f.sign = func(message []byte) ([]byte, error) {
		sum := sha256.Sum256(message)
		return ecdsa.SignASN1(rand.Reader, key, sum[:])
	}
	f.verify = func(message, signature []byte) bool {
		sum := sha256.Sum256(message)
		return ecdsa.VerifyASN1(&key.PublicKey, sum[:], signature)
	}
}

func (f *floor) useEd25519(key ed25519.PrivateKey) {
	public := key.Public().(ed25519.PublicKey)
	f.sign = func(message []byte) ([]byte, error) { return ed25519.Sign(key, message), nil }
	f.verify = func(message, signature []byte) bool { return ed25519.Verify(public, message, signature) }
}

var errRefused = errors.New("refused a good signature")

// verifyOnce and signOnce are what is timed.
func (f *floor) verifyOnce() error {
	if !f.verify(f.message, f.signature) {
		return errRefused
	}
	return nil
}

func (f *floor) signOnce() error {
	_, err := f.sign(f.message)
	return err
}

func (f *floor) check() error {
	if err := f.verifyOnce(); err != nil {
		return err
	}
	changed := bytes.Clone(f.message)
	changed[len(changed)/2] ^= 1
	if f.verify(changed, f.signature) {
		return errors.New("accepted a message that was changed")
	}
	return nil
}
