package fast

import (
	"runtime"
	"sync/atomic"

	"github.com/writ-auth/writ/jwk"
)

// DefaultMaxBytes is the bound of a Preparer that sets none: 32 MiB, enough for
// more than 250 keys of any kind.
const DefaultMaxBytes = 32 << 20

// Preparer prepares keys until their tables together take MaxBytes; those that
// come later it gives back as they are, to be verified at the usual speed. What
// a key takes is free again once the garbage collector has found that nobody
// uses the key, as when its issuer has rotated it out.
//
// The zero value is ready to use. A Preparer is safe for concurrent use and must
// not be copied.
type Preparer struct {
	// MaxBytes bounds the memory of all prepared keys that are in use; 0 means
	// DefaultMaxBytes, less than 0 that nothing is prepared. It must not be
	// changed after the first call of Prepare.
	MaxBytes int64

	used atomic.Int64
}

// Prepare is the function Prepare as long as the bound allows, and else returns
// k.
func (p *Preparer) Prepare(k *jwk.PublicKey) *jwk.PublicKey {
	prepare, size := choose(k)
	if prepare == nil || !p.reserve(size) {
		return k
	}
	v, err := prepare()
	if err != nil {
		p.used.Add(-size)
		return k
	}
	r := &reserved{arithmetic: v}
	runtime.AddCleanup(r, func(size int64) { p.used.Add(-size) }, size)
	return k.WithVerify(r.verify)
}

// reserve takes size bytes of what is left, before they are allocated: so keys
// prepared at once can't exceed the bound together.
func (p *Preparer) reserve(size int64) bool {
	limit := p.MaxBytes
	if limit == 0 {
		limit = DefaultMaxBytes
	}
	for {
		used := p.used.Load()
		if used+size > limit {
			return false
		}
		if p.used.CompareAndSwap(used, used+size) {
			return true
		}
	}
}

// Bytes is the memory of the prepared keys that are in use, for a metric.
func (p *Preparer) Bytes() int64 { return p.used.Load() }

// reserved is what the garbage collector watches: every copy of a prepared key
// refers to it.
type reserved struct{ arithmetic verifier }

func (r *reserved) verify(message, signature []byte) bool {
	return r.arithmetic.verify(message, signature)
}
