// Package keyring holds the server's keys: those that sign tokens and stand in
// the JWKS, the secrets of HS256 APIs, and the keys that tag refresh tokens.
//
// Keys are loaded and opened once, at start, and stay parsed in memory: a
// request never touches the database for a key. Private parts are sealed at
// rest under the master key.
package keyring

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/server/internal/auth"
)

// Options are what a Ring is made of; every field is required.
type Options struct {
	Keys      auth.Keys
	Secrets   Secrets
	Sealer    *Sealer
	Algorithm jwk.Algorithm // the default for signing, and the first key made
	Now       func() time.Time
}

// Secrets is where an API's shared secrets are kept.
type Secrets interface {
	APISecrets(ctx context.Context, apiID string, now time.Time) ([]auth.APISecret, error)
}

// Ring is the open keyring, safe for concurrent use.
type Ring struct {
	opts    Options
	create  sync.Mutex // one at a time makes a first key
	state   atomic.Pointer[state]
	secrets sync.Map // secret row id → *jwk.Secret
}

// state is immutable: a change swaps it whole.
type state struct {
	signing map[jwk.Algorithm]signingKey
	public  *jwk.Set
	tags    map[uint32][]byte
	tag     uint32 // the number in use
}

type signingKey struct {
	key   *jwk.PrivateKey
	until time.Time
}

// Signing is a key to sign with, and until when its public part is published:
// a token must not outlive that (zero: no end is set).
type Signing struct {
	Key            *jwk.PrivateKey
	PublishedUntil time.Time
}

// Open loads the keys and makes the first of what is missing: a signing key of
// the default algorithm and a tag key. ErrSealed if the master key is not the
// one that sealed the rows.
func Open(ctx context.Context, opts Options) (*Ring, error) {
	r := &Ring{opts: opts}
	if err := r.Reload(ctx); err != nil {
		return nil, err
	}
	if _, err := r.Signing(ctx, opts.Algorithm); err != nil {
		return nil, err
	}
	return r, r.ensureTag(ctx)
}

// Reload reads the keys again, after another node or a person changed them.
func (r *Ring) Reload(ctx context.Context) error {
	rows, err := r.opts.Keys.Keys(ctx)
	if err != nil {
		return err
	}
	s := &state{signing: map[jwk.Algorithm]signingKey{}, tags: map[uint32][]byte{}}
	var published []*jwk.PublicKey
	for _, row := range rows {
		public, err := r.load(s, row)
		if err != nil {
			return fmt.Errorf("key %s: %w", row.ID, err)
		}
		if public != nil {
			published = append(published, public)
		}
	}
	if s.public, err = jwk.NewSet(published...); err != nil {
		return err
	}
	r.state.Store(s)
	return nil
}

// load opens one row into s; the public key if it is to be published.
func (r *Ring) load(s *state, row auth.Key) (*jwk.PublicKey, error) {
	switch row.Purpose {
	case auth.KeyTag:
		secret, err := r.opts.Sealer.Open(SealTagKey, "keys", row.ID, row.Sealed)
		if err != nil {
			return nil, err
		}
		s.tags[row.Number] = secret
		s.tag = max(s.tag, row.Number)
		return nil, nil
	case auth.KeySign:
		return r.loadSigning(s, row)
	default:
		return nil, nil
	}
}

func (r *Ring) loadSigning(s *state, row auth.Key) (*jwk.PublicKey, error) {
	if !row.PublishedUntil.IsZero() && !r.opts.Now().Before(row.PublishedUntil) {
		return nil, nil
	}
	public, err := jwk.ParsePublicJWK(row.Public)
	if err != nil {
		return nil, err
	}
	if row.State != auth.KeySigning {
		return public, nil
	}
	pem, err := r.opts.Sealer.Open(SealPrivateKey, "keys", row.ID, row.Sealed)
	if err != nil {
		return nil, err
	}
	private, err := jwk.ParsePrivatePEM(row.Algorithm, pem)
	if err != nil {
		return nil, err
	}
	s.signing[row.Algorithm] = signingKey{private.WithKeyID(row.ID), row.PublishedUntil}
	return public, nil
}

// Signing answers the key that signs with alg ("": the default), and makes the
// algorithm's first, which signs at once: nobody can hold an older set that
// lacks it and yet expect its tokens.
func (r *Ring) Signing(ctx context.Context, alg jwk.Algorithm) (Signing, error) {
	if alg == "" {
		alg = r.opts.Algorithm
	}
	if k, ok := r.state.Load().signing[alg]; ok {
		return Signing{k.key, k.until}, nil
	}
	if err := r.makeFirst(ctx, alg); err != nil {
		return Signing{}, fmt.Errorf("make the first %s key: %w", alg, err)
	}
	k, ok := r.state.Load().signing[alg]
	if !ok {
		return Signing{}, fmt.Errorf("keyring: no signing key for %s", alg)
	}
	return Signing{k.key, k.until}, nil
}

func (r *Ring) makeFirst(ctx context.Context, alg jwk.Algorithm) error {
	r.create.Lock()
	defer r.create.Unlock()
	if _, ok := r.state.Load().signing[alg]; ok {
		return nil
	}
	key, err := jwk.Generate(alg)
	if err != nil {
		return err
	}
	return r.Add(ctx, key, auth.Event{Action: "key.create", Reason: "first of its algorithm"})
}

// Add seals and stores a private key that signs at once, as the first of its
// algorithm. A key that another node added in the meantime wins, without an
// error; one that signs already is a *auth.ConflictError.
func (r *Ring) Add(ctx context.Context, key *jwk.PrivateKey, ev auth.Event) error {
	row, err := r.row(key)
	if err != nil {
		return err
	}
	ev.At, ev.Target, ev.Verdict = row.CreatedAt, row.ID, "allowed"
	err = r.opts.Keys.AddKey(ctx, row, ev)
	if err != nil && !(errors.Is(err, auth.ErrConflict) && ev.Actor == "") {
		return err
	}
	return r.Reload(ctx)
}

func (r *Ring) row(key *jwk.PrivateKey) (auth.Key, error) {
	pem, err := key.ExportPEM()
	if err != nil {
		return auth.Key{}, err
	}
	public, err := key.Public().MarshalJSON()
	if err != nil {
		return auth.Key{}, err
	}
	now := r.opts.Now()
	return auth.Key{
		ID: key.KeyID(), Purpose: auth.KeySign, Algorithm: key.Algorithm(), State: auth.KeySigning,
		Public: public, Sealed: r.opts.Sealer.Seal(SealPrivateKey, "keys", key.KeyID(), pem),
		CreatedAt: now, SignsFrom: now,
	}, nil
}

// ensureTag makes the first tag key. Two nodes that start together agree on
// whichever the store took.
func (r *Ring) ensureTag(ctx context.Context) error {
	if r.state.Load().tag != 0 {
		return nil
	}
	const number = 1
	id := strconv.Itoa(number)
	now := r.opts.Now()
	row := auth.Key{
		ID: id, Purpose: auth.KeyTag, Number: number, State: auth.KeySigning,
		Sealed: r.opts.Sealer.Seal(SealTagKey, "keys", id, random(32)), CreatedAt: now, SignsFrom: now,
	}
	ev := auth.Event{At: now, Action: "key.create", Target: "tag " + id, Verdict: "allowed"}
	if err := r.opts.Keys.AddKey(ctx, row, ev); err != nil && !errors.Is(err, auth.ErrConflict) {
		return err
	}
	return r.Reload(ctx)
}

// Public is the set that the JWKS endpoint serves.
func (r *Ring) Public() *jwk.Set { return r.state.Load().public }

// FindKey makes the ring a jwt.KeySource for tokens that this server issued
// with a key pair. Shared secrets are not found here: whoever holds one could
// make tokens for Writ itself.
func (r *Ring) FindKey(ctx context.Context, alg jwk.Algorithm, kid string) (jwk.VerifyingKey, error) {
	return r.state.Load().public.FindKey(ctx, alg, kid)
}

// CurrentTag answers the number and the secret of the key that tags new
// refresh tokens.
func (r *Ring) CurrentTag() (number uint32, secret []byte) {
	s := r.state.Load()
	return s.tag, s.tags[s.tag]
}

// Tag answers the secret of the tag key of a number, nil if there is none.
func (r *Ring) Tag(number uint32) []byte { return r.state.Load().tags[number] }

// Algorithm answers the algorithm of a published signing key.
func (r *Ring) Algorithm(kid string) (jwk.Algorithm, bool) {
	for key := range r.Public().All() {
		if key.KeyID() == kid {
			return key.Algorithm(), true
		}
	}
	return "", false
}

// Retire takes a compromised key out of use and out of the set at once. The
// next call of Signing makes its successor.
func (r *Ring) Retire(ctx context.Context, kid string, ev auth.Event) error {
	rows, err := r.opts.Keys.Keys(ctx)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if row.ID != kid || row.Purpose != auth.KeySign {
			continue
		}
		row.State, row.PublishedUntil = auth.KeyRetired, r.opts.Now()
		if err := r.opts.Keys.UpdateKey(ctx, row, ev); err != nil {
			return err
		}
	}
	return r.Reload(ctx)
}
