package jwk

import (
	"context"
	"fmt"
	"iter"
	"slices"
)

// index finds keys by algorithm and key ID, in time independent of how many
// there are, so that no token can make a verifier try them all.
type index[K VerifyingKey] struct {
	byRef map[ref]K
	sole  map[Algorithm]K // of each algorithm with one key; a nil K where there are more
}

type ref struct {
	alg Algorithm
	kid string
}

func newIndex[K VerifyingKey](keys []K) (index[K], error) {
	ix := index[K]{byRef: make(map[ref]K, len(keys)), sole: make(map[Algorithm]K)}
	var none K
	for _, k := range keys {
		r := ref{k.Algorithm(), k.KeyID()}
		if r.alg == "" {
			return index[K]{}, errZero
		}
		if _, twice := ix.byRef[r]; twice {
			return index[K]{}, fmt.Errorf("%w: two keys with algorithm %s and key ID %.64q", ErrMalformed, r.alg, r.kid)
		}
		ix.byRef[r] = k
		if _, another := ix.sole[r.alg]; another {
			k = none
		}
		ix.sole[r.alg] = k
	}
	return ix, nil
}

func (ix index[K]) find(alg Algorithm, kid string) (k K, ok bool) {
	if kid != "" {
		k, ok = ix.byRef[ref{alg, kid}]
		return k, ok
	}
	var none K
	k = ix.sole[alg]
	return k, any(k) != any(none)
}

// Set is a JWK Set (RFC 7517 section 5) of public keys. It holds no secret and
// no private key by its type, so neither can be published by mistake, and no
// token signed with HMAC can meet a public key as its secret. It is immutable;
// the zero Set is empty. It marshals as {"keys":[…]}.
type Set struct {
	keys    []*PublicKey
	skipped []error
	index   index[*PublicKey]
}

// NewSet returns a set of keys, in that order. The same algorithm and key ID
// twice is an error: which of the two a token meant would be anyone's guess.
func NewSet(keys ...*PublicKey) (*Set, error) {
	for _, k := range keys {
		if k == nil || k.verify == nil {
			return nil, errZero
		}
	}
	ix, err := newIndex(keys)
	if err != nil {
		return nil, err
	}
	return &Set{keys: slices.Clone(keys), index: ix}, nil
}

// FindKey returns the key with this algorithm and key ID, or ErrNotFound. For a
// token without a key ID it returns the key of that algorithm if there is just
// one.
func (s *Set) FindKey(_ context.Context, alg Algorithm, kid string) (VerifyingKey, error) {
	if s == nil {
		return nil, ErrNotFound
	}
	if k, ok := s.index.find(alg, kid); ok {
		return k, nil
	}
	return nil, ErrNotFound
}

// All yields the keys in their order.
func (s *Set) All() iter.Seq[*PublicKey] {
	if s == nil {
		return slices.Values[[]*PublicKey](nil)
	}
	return slices.Values(s.keys)
}

// Len is the number of keys.
func (s *Set) Len() int {
	if s == nil {
		return 0
	}
	return len(s.keys)
}

// Skipped says which keys ParseSet left out, and why.
func (s *Set) Skipped() []error {
	if s == nil {
		return nil
	}
	return slices.Clone(s.skipped)
}

// MarshalJSON writes the set as {"keys":[…]}.
func (s Set) MarshalJSON() ([]byte, error) {
	out := []byte(`{"keys":[`)
	for i, k := range s.keys {
		if i > 0 {
			out = append(out, ',')
		}
		text, err := k.members()
		if err != nil {
			return nil, err
		}
		out = append(out, text...)
	}
	return append(out, "]}"...), nil
}

// Ring holds verifying keys of any kind, so also secrets, and is never
// published: two secrets while one replaces the other, told apart by key ID.
type Ring struct {
	index index[VerifyingKey]
}

// NewRing returns a ring of keys; the same algorithm and key ID twice is an
// error.
func NewRing(keys ...VerifyingKey) (*Ring, error) {
	for _, k := range keys {
		if k == nil {
			return nil, errZero
		}
	}
	ix, err := newIndex(keys)
	if err != nil {
		return nil, err
	}
	return &Ring{index: ix}, nil
}

// FindKey finds a key as Set.FindKey does.
func (r *Ring) FindKey(_ context.Context, alg Algorithm, kid string) (VerifyingKey, error) {
	if r == nil {
		return nil, ErrNotFound
	}
	if k, ok := r.index.find(alg, kid); ok {
		return k, nil
	}
	return nil, ErrNotFound
}
