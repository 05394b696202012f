// Package keyring holds the server's keys: those that sign tokens and stand in
// the JWKS, those that sign heads of the revocation log, the secrets of HS256
// APIs, and the keys that tag refresh tokens.
//
// Keys are loaded and opened once, at start, and stay parsed in memory: a
// request never touches the database for a key. Private parts are sealed at
// rest under the master key.
package keyring

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/server/internal/auth"
)

// Options are what a Ring is made of; every field but Changed and Prepare is required.
type Options struct {
	Keys      auth.Keys
	Secrets   Secrets
	Sealer    *Sealer
	Algorithm jwk.Algorithm // the default for signing, and the first key made
	Period    time.Duration // how long a key signs before its successor does; 0: until somebody rotates
	Announce  time.Duration // how long a key is published before it signs
	Now       func() time.Time
	// Changed answers a channel that is closed when somebody else has changed
	// the keys. Default: nobody else can.
	Changed func() <-chan struct{}
	// Prepare returns a published key with faster arithmetic, as fast.Prepare
	// does. It is called once for each key, not at each reload. Default: none.
	Prepare func(*jwk.PublicKey) *jwk.PublicKey
}

// Secrets is where an API's shared secrets are kept.
type Secrets interface {
	APIs(ctx context.Context, p auth.Page) (list []auth.API, next string, err error)
	APISecrets(ctx context.Context, apiID string, now time.Time) ([]auth.APISecret, error)
}

// Ring is the open keyring, safe for concurrent use.
type Ring struct {
	opts    Options
	change  sync.Mutex           // one at a time makes, turns or ends keys
	odd     map[string]time.Time // by kid, since when it is said to sign at a time that can't be; see doubt
	state   atomic.Pointer[state]
	marks   sync.Map      // kid → unix seconds: no token that it signed expires later
	secrets sync.Map      // secret row id → *jwk.Secret
	wake    chan struct{} // tells Run that something is due at another time
}

// state is immutable: a change swaps it whole.
type state struct {
	signing map[jwk.Algorithm]*jwk.PrivateKey
	public  *jwk.Set
	tags    map[uint32][]byte
	tag     uint32 // the number in use

	log     *jwk.PrivateKey // signs heads of the revocation log
	logKeys *jwk.Set        // with which such heads are checked
}

// signer is the key that signs for an algorithm, nil if there is none.
func (s *state) signer(purpose auth.KeyPurpose, alg jwk.Algorithm) *jwk.PrivateKey {
	if purpose == auth.KeyLog {
		return s.log
	}
	return s.signing[alg]
}

// Open loads the keys and makes the first of what is missing: a signing key of
// the default algorithm, a log key and a tag key. ErrSealed if the master key is not the
// one that sealed the rows.
//
// What else is due waits for Run or Advance: a verb of the command line opens the
// ring of a server that isn't running, with settings that need not be the server's,
// and must not announce a key on their account.
func Open(ctx context.Context, opts Options) (*Ring, error) {
	r := &Ring{opts: opts, wake: make(chan struct{}, 1)}
	if err := r.Reload(ctx); err != nil {
		return nil, err
	}
	r.change.Lock()
	defer r.change.Unlock()
	if err := r.repair(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// Reload reads the keys again, after another node or a person changed them.
func (r *Ring) Reload(ctx context.Context) error {
	rows, err := r.opts.Keys.Keys(ctx)
	if err != nil {
		return err
	}
	return r.use(rows)
}

// settleTime is how long a change that has been stored may wait for being read.
const settleTime = 5 * time.Second

// settle is Reload after a change that this node has stored: whoever asked for it
// may be gone, and it is true all the same. If the keys can't be read now, Run
// does so as soon as they can.
func (r *Ring) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	err := r.Reload(ctx)
	if err != nil {
		r.poke()
	}
	return err
}

// use makes the rows the keys in use.
func (r *Ring) use(rows []auth.Key) (err error) {
	s := &state{signing: map[jwk.Algorithm]*jwk.PrivateKey{}, tags: map[uint32][]byte{}}
	published := map[auth.KeyPurpose][]*jwk.PublicKey{}
	for _, row := range rows {
		public, err := r.load(s, row)
		if err != nil {
			return fmt.Errorf("key %s: %w", row.ID, err)
		}
		if public != nil {
			published[row.Purpose] = append(published[row.Purpose], public)
		}
	}
	for i, k := range published[auth.KeySign] {
		published[auth.KeySign][i] = r.prepared(k)
	}
	if s.public, err = jwk.NewSet(published[auth.KeySign]...); err != nil {
		return err
	}
	if s.logKeys, err = jwk.NewSet(published[auth.KeyLog]...); err != nil {
		return err
	}
	r.state.Store(s)
	return nil
}

// prepared is the key as the state in use has it, or else prepared now: so a
// reload makes no new tables, and those of a key that is gone go with the state
// that had it.
func (r *Ring) prepared(k *jwk.PublicKey) *jwk.PublicKey {
	if s := r.state.Load(); s != nil {
		for known := range s.public.All() {
			if known.KeyID() == k.KeyID() && known.Algorithm() == k.Algorithm() && known.Thumbprint() == k.Thumbprint() {
				return known
			}
		}
	}
	if r.opts.Prepare == nil {
		return k
	}
	return r.opts.Prepare(k)
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
	case auth.KeySign, auth.KeyLog:
		return r.loadPair(s, row)
	default:
		return nil, nil
	}
}

// sealOf is how the private part of a key pair is sealed.
func sealOf(p auth.KeyPurpose) Purpose {
	if p == auth.KeyLog {
		return SealLogKey
	}
	return SealPrivateKey
}

func (r *Ring) loadPair(s *state, row auth.Key) (*jwk.PublicKey, error) {
	if row.State == auth.KeyRevoked || !row.PublishedUntil.IsZero() && !r.opts.Now().Before(row.PublishedUntil) {
		return nil, nil
	}
	public, err := jwk.ParsePublicJWK(row.Public)
	if err != nil {
		return nil, err
	}
	public = public.WithKeyID(row.ID)
	if row.State != auth.KeySigning {
		return public, nil
	}
	pem, err := r.opts.Sealer.Open(sealOf(row.Purpose), "keys", row.ID, row.Sealed)
	if err != nil {
		return nil, err
	}
	private, err := jwk.ParsePrivatePEM(row.Algorithm, pem)
	if err != nil {
		return nil, err
	}
	private = private.WithKeyID(row.ID)
	if row.Purpose == auth.KeyLog {
		s.log = private
		return public, nil
	}
	s.signing[row.Algorithm] = private
	r.marks.Store(row.ID, row.Mark.Unix())
	return public, nil
}

// Signing answers the key that signs with alg ("": the default), and makes the
// algorithm's first, which signs at once: nobody can hold an older set that
// lacks it and yet expect its tokens.
func (r *Ring) Signing(ctx context.Context, alg jwk.Algorithm) (*jwk.PrivateKey, error) {
	if alg == "" {
		alg = r.opts.Algorithm
	}
	if k, ok := r.state.Load().signing[alg]; ok {
		return k, nil
	}
	r.change.Lock()
	defer r.change.Unlock()
	if err := r.first(ctx, auth.KeySign, alg); err != nil {
		return nil, err
	}
	return r.state.Load().signing[alg], nil
}

// Ready is Signing without waiting: nil where the algorithm has no key yet.
func (r *Ring) Ready(alg jwk.Algorithm) *jwk.PrivateKey {
	if alg == "" {
		alg = r.opts.Algorithm
	}
	return r.state.Load().signing[alg]
}

// add seals and stores a private key.
func (r *Ring) add(ctx context.Context, purpose auth.KeyPurpose, key *jwk.PrivateKey, state auth.KeyState, signsFrom time.Time, ev auth.Event) error {
	row, err := r.row(purpose, key, state, signsFrom, ev.At)
	if err != nil {
		return err
	}
	ev.Target, ev.Verdict = row.ID, "allowed"
	return r.opts.Keys.AddKey(ctx, row, ev)
}

// row seals a private key.
func (r *Ring) row(purpose auth.KeyPurpose, key *jwk.PrivateKey, state auth.KeyState, signsFrom, now time.Time) (auth.Key, error) {
	pem, err := key.ExportPEM()
	if err != nil {
		return auth.Key{}, err
	}
	public, err := key.Public().MarshalJSON()
	if err != nil {
		return auth.Key{}, err
	}
	return auth.Key{
		ID: key.KeyID(), Purpose: purpose, Algorithm: key.Algorithm(), State: state,
		Public: public, Sealed: r.opts.Sealer.Seal(sealOf(purpose), "keys", key.KeyID(), pem),
		CreatedAt: now, SignsFrom: signsFrom,
	}, nil
}

var errNoLogKey = errors.New("keyring: there is no log key")

// SignHead signs the head of the revocation log with the key of which it
// answers the kid. Log keys are good for nothing else.
func (r *Ring) SignHead(message []byte) (kid string, signature []byte, err error) {
	key := r.state.Load().log
	if key == nil {
		return "", nil, errNoLogKey
	}
	signature, err = key.Sign(message)
	return key.KeyID(), signature, err
}

// LogKeys is the set with which heads of the revocation log are checked. It
// shares no key with Public.
func (r *Ring) LogKeys() *jwk.Set { return r.state.Load().logKeys }

// Marked says whether the store knows that a token of this key lives until
// expiry. If not, whoever makes such a token raises the key's mark first, and
// tells the ring with Mark.
func (r *Ring) Marked(kid string, expiry time.Time) bool {
	mark, ok := r.marks.Load(kid)
	return ok && mark.(int64) >= expiry.Unix()
}

// Mark remembers that the key's mark is expiry in the store.
func (r *Ring) Mark(kid string, expiry time.Time) { r.marks.Store(kid, expiry.Unix()) }

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
