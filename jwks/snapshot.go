package jwks

import (
	"cmp"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/writ-auth/writ/jwk"
)

// snapshot is a set with its dates. It never changes.
type snapshot struct {
	set     *jwk.Set
	url     string // where it came from, and with which ETag
	etag    string
	fetched time.Time // when it was asked for
	refresh time.Time // look-ups start a fetch from then on
	expires time.Time // look-ups wait for that fetch from then on
	dead    time.Time // no key is used from then on
}

// dates returns s as it is good for lifetime from now on. The refresh comes
// after 75 to 85 % of that: were it always 80 %, all verifiers that began
// together would ask together for ever. The randomness keeps nothing secret.
func (s snapshot) dates(now time.Time, lifetime, maxStale time.Duration) *snapshot {
	s.fetched = now
	s.refresh = now.Add(time.Duration((0.75 + 0.1*rand.Float64()) * float64(lifetime)))
	s.expires = now.Add(lifetime)
	s.dead = now.Add(maxStale)
	return &s
}

func (s *snapshot) fresh(now time.Time) bool  { return s != nil && now.Before(s.expires) }
func (s *snapshot) usable(now time.Time) bool { return s != nil && now.Before(s.dead) }

// merge returns the fetched set with every key that old has as well standing
// for itself: its preparation is kept, and so is its pointer, by which others
// tell that it is still there. If nothing changed, it returns old.
func merge(old, fetched *jwk.Set, prepare func(*jwk.PublicKey) *jwk.PublicKey) (*jwk.Set, error) {
	var keys []*jwk.PublicKey
	kept := 0
	for key := range fetched.All() {
		if before := same(old, key); before != nil {
			key = before
			kept++
		} else if prepare != nil {
			key = cmp.Or(prepare(key), key)
		}
		keys = append(keys, key)
	}
	if old != nil && kept == len(keys) && kept == old.Len() {
		return old, nil
	}
	return jwk.NewSet(keys...)
}

// same returns old's key that equals key in algorithm, id and material.
func same(old *jwk.Set, key *jwk.PublicKey) *jwk.PublicKey {
	if old == nil {
		return nil
	}
	for before := range old.All() {
		if before.Algorithm() == key.Algorithm() && before.KeyID() == key.KeyID() && before.Thumbprint() == key.Thumbprint() {
			return before
		}
	}
	return nil
}

// keyID names a key that was looked for.
type keyID struct {
	alg jwk.Algorithm
	kid string
}

// maxMisses bounds the memory that made-up key ids can take: about 400 kB.
const maxMisses = 1024

// misses remembers which keys a fetch didn't bring, so that a client which goes
// on using a token of long ago doesn't cause a fetch each Cooldown. Each id is
// asked for again after Cooldown, then twice that, and so on.
type misses map[keyID]miss

type miss struct {
	until time.Time
	wait  time.Duration
}

func (m misses) has(id keyID, now time.Time) bool {
	return now.Before(m[id].until)
}

// add remembers a miss. A full table drops an entry at random; the cool-down
// still bounds the fetches.
func (m *misses) add(id keyID, now time.Time, first, most time.Duration) {
	if *m == nil {
		*m = make(misses)
	}
	wait := min(max(first, 2*(*m)[id].wait), max(first, most))
	if _, known := (*m)[id]; !known && len(*m) >= maxMisses {
		for other := range *m {
			delete(*m, other)
			break
		}
	}
	id = keyID{jwk.Algorithm(strings.Clone(string(id.alg))), strings.Clone(id.kid)} // parts of a token would keep the whole
	(*m)[id] = miss{until: now.Add(wait), wait: wait}
}

func (m *misses) clear() { clear(*m) }

// backoff is how long to wait after so many failures in a row: one second,
// two, four, up to most, less up to a quarter of it by chance.
func backoff(failures int, most time.Duration) time.Duration {
	wait := min(time.Second<<min(failures-1, 20), most)
	return wait - time.Duration(rand.Int64N(int64(wait)/4+1))
}
