package jwt

import (
	"encoding/json"
	"errors"
	"reflect"

	"github.com/writ-auth/writ/internal/strictjson"
	"github.com/writ-auth/writ/jwk"
)

// Token is a token that a [Verifier] found genuine and as expected, at the
// time. It is immutable and safe for concurrent use.
type Token[C ClaimSet] struct {
	claims  C
	payload string
	alg     jwk.Algorithm
	kid     string
	lists   [6]string // see listRoom
}

// Claims returns the claims. The struct is the caller's own, and its slices
// have no spare capacity, so that appending copies. The elements of slices and
// maps, and what pointers point to, are shared by all callers: don't write to
// them.
func (t *Token[C]) Claims() C {
	if t == nil {
		var none C
		return none
	}
	return t.claims
}

// Algorithm is the algorithm of the key that verified the token.
func (t *Token[C]) Algorithm() jwk.Algorithm {
	if t == nil {
		return ""
	}
	return t.alg
}

// KeyID is the id of the key that verified the token, as the key has it, not as
// the token says.
func (t *Token[C]) KeyID() string {
	if t == nil {
		return ""
	}
	return t.kid
}

// Payload returns a copy of the JSON that was signed, with the claims that C
// has no field for.
func (t *Token[C]) Payload() json.RawMessage {
	if t == nil {
		return nil
	}
	return json.RawMessage(t.payload)
}

// As reads the verified payload of t as another claim set. It checks nothing
// again: what t's verifier expected holds. The error is an *[Error] with
// [ErrClaim] if a claim doesn't fit a field of D. What it returns is the caller's
// own, with all that it refers to. Each call looks at D's fields anew, which takes
// longer than reading; see [AsFunc].
func As[D, C ClaimSet](t *Token[C]) (D, error) {
	read, err := AsFunc[D, C]()
	if err != nil {
		var none D
		return none, err
	}
	return read(t)
}

// AsFunc returns As for many tokens: D's fields are compiled once, here. The error
// names the one that can't be read. The function is safe for concurrent use.
func AsFunc[D, C ClaimSet]() (func(*Token[C]) (D, error), error) {
	plan, err := newPayloadPlan(reflect.TypeFor[D](), nil, nil, false)
	if err != nil {
		return nil, err
	}
	return func(t *Token[C]) (D, error) {
		var out, none D
		if t == nil || t.payload == "" {
			return none, errors.New("jwt: the token was not made by a Verifier")
		}
		var f facts
		if err := plan.read(new(strictjson.Reader), t.payload, claimSetOf(&out), &f); err != nil {
			return none, err
		}
		return out, nil
	}, nil
}
