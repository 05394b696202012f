package jwk

import "errors"

// The reasons for which keys are refused, to be asked for with errors.Is. The
// text around them says what to do; it never holds any part of a key.
var (
	// ErrNotFound: a set, ring or key source has no key for that algorithm and
	// key ID.
	ErrNotFound = errors.New("jwk: no such key")
	// ErrUnsupported: a key type, curve, algorithm or file format that this
	// package does not know; an Extension may.
	ErrUnsupported = errors.New("jwk: unsupported key")
	// ErrMalformed: not a key at all, or one that has two readings.
	ErrMalformed = errors.New("jwk: malformed key")
	// ErrMismatch: a good key, but not one for this algorithm or purpose.
	ErrMismatch = errors.New("jwk: key does not fit")
	// ErrWeak: a key that an attacker could break or guess.
	ErrWeak = errors.New("jwk: weak key")
)

// errZero is what a key says that no constructor made.
var errZero = errors.New("jwk: zero key: use a constructor")
