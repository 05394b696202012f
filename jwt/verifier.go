package jwt

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/writ-auth/writ/jwk"
)

// KeySource finds the key to verify a token with: a [jwk.PublicKey] or
// [jwk.Secret] by itself, a [jwk.Set], a [jwk.Ring], a remote key set. Of the
// token it sees algorithm and key id, which anyone can write there, and nothing
// else: it can only choose among keys that it trusts anyway.
//
// FindKey returns an error that wraps [jwk.ErrNotFound] when it has no such
// key. Any other error means that it could not look, and is [ErrUnavailable].
type KeySource interface {
	FindKey(ctx context.Context, alg jwk.Algorithm, kid string) (jwk.VerifyingKey, error)
}

// Verifier verifies tokens whose claims are a C. It is immutable and safe for
// concurrent use. The zero Verifier refuses every token.
type Verifier[C ClaimSet] struct {
	keys    KeySource
	expect  *Expect // with defaults; its Issuer is not used, issuer is
	issuer  string  // "" with AnyIssuer
	plan    *payloadPlan
	headers *headerCache
	rooms   *rooms

	byIssuer map[string]*Verifier[C] // of OneOf, which sets nothing else
}

// NewVerifier returns a Verifier for tokens that keys signed and that are what
// expect says. Its error names the field of expect that is missing, or the
// field of C that can't be read.
func NewVerifier[C ClaimSet](keys KeySource, expect Expect) (*Verifier[C], error) {
	if isNil(keys) {
		return nil, errors.New("jwt: NewVerifier needs a key source")
	}
	if err := expect.validate(); err != nil {
		return nil, err
	}
	expect = expect.withDefaults()
	plan, err := newPayloadPlan(reflect.TypeFor[C](), expect.Required, expect.Ignore, expect.authorizedParty != "")
	if err != nil {
		return nil, err
	}
	return &Verifier[C]{
		keys: keys, expect: &expect, issuer: expect.Issuer, plan: plan, headers: new(headerCache), rooms: new(rooms),
	}, nil
}

// isNil finds nil pointers and functions in interfaces too: they would panic at
// the first token instead of failing at the start.
func isNil(v any) bool {
	if v == nil {
		return true
	}
	p := reflect.ValueOf(v)
	return (p.Kind() == reflect.Pointer || p.Kind() == reflect.Func) && p.IsNil()
}

// With returns a Verifier for another issuer's keys that expects the same in
// all else. It costs one small allocation, so it may be made for a single
// token: a client assertion, a DPoP proof, a tenant among thousands. An empty
// issuer keeps AnyIssuer. Where there is nothing to verify with — keys is nil,
// the issuer is empty without AnyIssuer, or v came from [OneOf] — the Verifier
// refuses every token with ErrKey.
func (v *Verifier[C]) With(issuer string, keys KeySource) *Verifier[C] {
	if !v.ready() || isNil(keys) || (issuer == "" && !v.expect.AnyIssuer) {
		return new(Verifier[C])
	}
	return &Verifier[C]{keys: keys, expect: v.expect, issuer: issuer, plan: v.plan, headers: v.headers, rooms: v.rooms}
}

// OneOf returns a Verifier for tokens of several issuers. It reads iss, which
// nobody has vouched for yet, to choose the verifier for that issuer; all else
// is up to that one, which also compares iss again. An issuer that none of them
// expects is ErrKey. It is an error if two expect the same issuer, or one any.
func OneOf[C ClaimSet](verifiers ...*Verifier[C]) (*Verifier[C], error) {
	if len(verifiers) == 0 {
		return nil, errors.New("jwt: OneOf needs a verifier")
	}
	byIssuer := make(map[string]*Verifier[C])
	for _, v := range verifiers {
		switch {
		case v != nil && v.byIssuer != nil:
			return nil, errors.New("jwt: OneOf takes no verifier that is itself made by OneOf")
		case !v.ready():
			return nil, errors.New("jwt: OneOf needs verifiers made by NewVerifier")
		case v.issuer == "":
			return nil, errors.New("jwt: OneOf can't choose a verifier with AnyIssuer")
		case byIssuer[v.issuer] != nil:
			return nil, fmt.Errorf("jwt: two verifiers for the issuer %q", v.issuer)
		}
		byIssuer[v.issuer] = v
	}
	return &Verifier[C]{byIssuer: byIssuer}, nil
}

func (v *Verifier[C]) ready() bool { return v != nil && v.keys != nil }

// Verify returns the token if it is genuine and what was expected. Any error is
// an *[Error], and the token is nil then. It is an error ([ErrNonce]) if the
// profile demands a nonce.
//
// The checks come in the order of the Err variables: nothing is said about a
// claim before the signature was found good.
func (v *Verifier[C]) Verify(ctx context.Context, token string) (*Token[C], error) {
	return v.verify(ctx, token, nil)
}

// VerifyNonce is Verify for a token that has to repeat nonce in its nonce
// claim, as an ID token repeats that of the authentication request. An empty
// nonce matches no token.
func (v *Verifier[C]) VerifyNonce(ctx context.Context, token, nonce string) (*Token[C], error) {
	return v.verify(ctx, token, &nonce)
}

func (v *Verifier[C]) verify(ctx context.Context, token string, nonce *string) (*Token[C], error) {
	if v != nil && v.byIssuer != nil {
		chosen, err := v.choose(token)
		if err != nil {
			return nil, err
		}
		v = chosen
	}
	if !v.ready() {
		return nil, refuse(ErrKey, "", "the verifier has no keys")
	}
	room := v.rooms.get()
	defer v.rooms.put(room)
	t, err := v.authenticate(ctx, token, room)
	if err != nil {
		return nil, err
	}
	f := facts{room: t.lists[:]}
	set := claimSetOf(&t.claims)
	if err := v.plan.read(&room.reader, t.payload, set, &f); err != nil {
		return nil, err
	}
	if err := v.checkFacts(&f); err != nil {
		return nil, err
	}
	if err := v.checkClaims(set.own.core(), &f, nonce); err != nil {
		return nil, err
	}
	return t, nil
}

// authenticate returns a token whose signature is good, and whose claims have
// not been read.
func (v *Verifier[C]) authenticate(ctx context.Context, token string, room *room) (*Token[C], error) {
	c, err := split(token, v.expect.MaxSize)
	if err != nil {
		return nil, err
	}
	parts, err := c.decode(room.bytes[:])
	if err != nil {
		return nil, err
	}
	h := v.headers.get(c.header())
	known := h != nil
	if !known {
		if h, err = parseHeader(c.header()); err != nil {
			return nil, err
		}
		if err := h.checkType(v.expect.Type); err != nil {
			return nil, err
		}
	}
	key, err := findKey(ctx, v.keys, h)
	if err != nil {
		return nil, err
	}
	if !key.Verify(parts.message(), parts.signature()) {
		return nil, refuse(ErrSignature, "", "")
	}
	if !known {
		v.headers.put(c.header(), h)
	}
	return &Token[C]{payload: string(parts.payload()), alg: key.Algorithm(), kid: key.KeyID()}, nil
}

// findKey compares the algorithm once more: whatever the source, a key never
// verifies under an algorithm that is not its own (RFC 8725 section 3.1).
func findKey(ctx context.Context, keys KeySource, h *header) (jwk.VerifyingKey, error) {
	key, err := keys.FindKey(ctx, h.alg, h.kid)
	if err != nil {
		if errors.Is(err, jwk.ErrNotFound) {
			return nil, refuse(ErrKey, "kid", "no key has this algorithm and key id")
		}
		return nil, &Error{Reason: ErrUnavailable, cause: err}
	}
	switch {
	case isNil(key):
		return nil, refuse(ErrKey, "kid", "the key source returned no key")
	case key.Algorithm() != h.alg:
		return nil, refuse(ErrKey, "alg", "not the algorithm of the key")
	}
	return key, nil
}

// choose returns the verifier for the issuer that the token names.
func (v *Verifier[C]) choose(token string) (*Verifier[C], error) {
	largest := 0
	for _, one := range v.byIssuer {
		largest = max(largest, one.expect.MaxSize)
	}
	c, err := split(token, largest)
	if err != nil {
		return nil, err
	}
	payload, err := c.decodePayload()
	if err != nil {
		return nil, err
	}
	issuer, err := readIssuer(payload)
	if err != nil {
		return nil, err
	}
	chosen, ok := v.byIssuer[issuer]
	if !ok {
		return nil, refuse(ErrKey, "iss", "no keys are known for this issuer")
	}
	return chosen, nil
}
