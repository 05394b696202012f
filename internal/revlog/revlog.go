// Package revlog is the wire form of the revocation log: what the issuer
// writes and every verifier reads.
//
// The log is a numbered list of things that are over before their tokens
// expire. It names nobody: an entry holds a kind, the first 128 bits of a
// hash over kind and identifier, and the time until which a verifier has to
// remember it. A verifier that has a token computes the same hashes and looks
// them up; somebody who only has the log learns volume and timing, so it may
// sit on a public cache.
//
// A [Page] is the answer of the issuer's revocations endpoint. [Decode] reads
// one strictly, since what it lets through decides which tokens live: an
// answer that is not exactly understood is no answer.
//
// Entries are chained by hashes ([Chain]), and a page carries a [Head] that one
// of the issuer's log keys has signed, so that whoever passes pages on needs no
// trust. An [EventReader] reads pages from a stream of server-sent events; a
// [View] is what those who serve the log serve from.
package revlog

import (
	"crypto/sha256"
	"errors"
	"time"
)

// Kind says what an entry revokes. Kinds below 128 are critical: a verifier
// that meets one it doesn't know has to consider itself out of date, since it
// can't tell which tokens are meant. Others may be passed over.
type Kind byte

// The kinds that exist.
const (
	Token   Kind = 1 // one token; the id is its jti
	Session Kind = 2 // a grant; the id is the sid of its tokens
	Epoch   Kind = 3 // all that a user or a client held; the id is a member of epochs
	Key     Kind = 4 // all that a key signed; the id is its kid

	// ClaimsChanged revokes nothing, and isn't critical: tokens of a user, the id
	// is their sub, say something that isn't so any more. Who holds one does well
	// to refresh it.
	ClaimsChanged Kind = 128
)

// Known reports whether this package knows what the kind revokes.
func (k Kind) Known() bool { return k >= Token && k <= Key }

// Critical reports whether a verifier that doesn't know the kind must not
// consider itself up to date.
func (k Kind) Critical() bool { return k < 128 }

// Limits of one answer. A server sends no more, a verifier reads no more.
const (
	MaxEntries = 10_000           // entries in a page
	MaxBytes   = 1 << 20          // bytes of a page; MaxEntries of the longest entries fit
	MaxWait    = 25 * time.Second // the longest a long poll is held
	MaxLogID   = 128              // bytes of a log id
	MaxKeyID   = 128              // bytes of a log key's id
)

// HashSize is the number of bytes of a [Hash].
const HashSize = 16

// Hash returns the name under which an id stands in the log: the first
// 16 bytes of SHA-256(kind ‖ 0x00 ‖ id), id being the bytes of the claim as
// the token has them. It doesn't allocate for ids up to 128 bytes.
func Hash(kind Kind, id string) [HashSize]byte {
	buf := make([]byte, 0, 2+128)
	buf = append(buf, byte(kind), 0)
	buf = append(buf, id...)
	sum := sha256.Sum256(buf)
	return [HashSize]byte(sum[:HashSize])
}

// Entry is one revocation. In JSON it is the array [seq, kind, hash, expiry],
// the hash in base64url without padding.
type Entry struct {
	Seq    uint64         // its number, from 1 up; numbers never repeat within a log
	Kind   Kind           // what is revoked
	Hash   [HashSize]byte // Hash(Kind, id)
	Expiry int64          // unix seconds until which to keep it; 0: for ever
}

// Page is one answer of the log.
type Page struct {
	Log     string  // names this log; another name means another history
	First   uint64  // the lowest number still in force, or Head+1 if none is
	Head    uint64  // the highest number published, 0 if none is
	Time    int64   // unix seconds on the issuer's clock, read after the log was
	Entries []Entry // in order of number; there may be gaps
	More    bool    // there are more after the last of Entries
	Proof   *Proof  // nil where the issuer signs nothing
}

// ErrMalformed is what every error of [Decode] wraps.
var ErrMalformed = errors.New("revlog: malformed page")
