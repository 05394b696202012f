package keyring

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// Purpose keeps sealed things apart: each has a key of its own, derived from
// the master key, so that a row moved to another table opens nowhere.
type Purpose string

// The purposes of sealing.
const (
	SealPrivateKey Purpose = "private-key"
	SealLogKey     Purpose = "log-key"
	SealTagKey     Purpose = "tag-key"
	SealAPISecret  Purpose = "api-secret"
	SealTicket     Purpose = "ticket" // what a browser carries from page to page
)

// ErrSealed says that a sealed value does not open: the master key is another
// one, or the row was changed or moved.
var ErrSealed = errors.New("keyring: a sealed value does not open under this master key")

const sealVersion = 1

// Sealer seals private keys and secrets at rest with AES-256-GCM, bound to
// purpose, table and row. It is safe for concurrent use.
type Sealer struct{ aeads map[Purpose]cipher.AEAD }

// NewSealer derives a key for each purpose from the master key (HKDF-SHA256).
func NewSealer(master []byte) (*Sealer, error) {
	if len(master) != MasterSize {
		return nil, fmt.Errorf("keyring: a master key has %d bytes, not %d", MasterSize, len(master))
	}
	s := &Sealer{aeads: map[Purpose]cipher.AEAD{}}
	for _, p := range []Purpose{SealPrivateKey, SealLogKey, SealTagKey, SealAPISecret, SealTicket} {
		aead, err := deriveAEAD(master, p)
		if err != nil {
			return nil, err
		}
		s.aeads[p] = aead
	}
	return s, nil
}

func deriveAEAD(master []byte, p Purpose) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, master, nil, "writ seal v1 "+string(p), 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// Seal encrypts plaintext for one row of one table.
func (s *Sealer) Seal(p Purpose, table, row string, plaintext []byte) []byte {
	return s.aeads[p].Seal([]byte{sealVersion}, nil, plaintext, binding(p, table, row))
}

// Open decrypts what Seal made for the same purpose, table and row, or answers
// ErrSealed.
func (s *Sealer) Open(p Purpose, table, row string, sealed []byte) ([]byte, error) {
	if len(sealed) == 0 || sealed[0] != sealVersion {
		return nil, ErrSealed
	}
	plain, err := s.aeads[p].Open(nil, nil, sealed[1:], binding(p, table, row))
	if err != nil {
		return nil, ErrSealed
	}
	return plain, nil
}

// binding writes each part with its length, so that no two triples are alike.
func binding(p Purpose, table, row string) []byte {
	var out []byte
	for _, part := range []string{string(p), table, row} {
		out = binary.BigEndian.AppendUint32(out, uint32(len(part)))
		out = append(out, part...)
	}
	return out
}

// random returns n random bytes.
func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}
