package introspection

import (
	"sync"
	"time"

	"github.com/writ-auth/writ/server/internal/clientauth"
)

// Bounds of what is known. An entry takes about two kilobytes.
const (
	maxKnown     = 4096
	maxKnownSize = 2048 // of a token; larger ones are judged anew each time
)

// known remembers tokens that were found genuine, and whether they were good, by
// the whole token: to check a signature and to ask the database costs a hundred
// times what the rest of an introspection does, and an API asks about one token
// many times.
//
// What is remembered is good no longer than until the next entry of the
// revocation log: whatever ends a token adds one, and the store makes it known
// before the end is answered. So whoever asks after an end was answered is told
// so. Other nodes' entries come a moment after their commit, and a commit whose
// outcome the store never learned may be missed; age bounds both.
//
// Tokens under a shared secret are not kept: who may use which secret is
// different for every client.
type known struct {
	age     time.Duration
	mu      sync.RWMutex
	entries map[string]*entry
}

// entry is immutable.
type entry struct {
	token   *Token // nil: it is over
	judged  time.Time
	expires time.Time
	news    <-chan struct{} // closed when the log grows
}

// find answers what is known of a token and still holds at now.
func (k *known) find(raw string, now time.Time) (token *Token, ok bool) {
	k.mu.RLock()
	e := k.entries[raw]
	k.mu.RUnlock()
	if e == nil || !now.Before(e.expires) || now.Before(e.judged) || now.Sub(e.judged) >= k.age {
		return nil, false
	}
	select {
	case <-e.news:
		return nil, false
	default:
		return e.token, true
	}
}

// keep remembers a token that was judged at a time after news was taken.
func (k *known) keep(raw string, e *entry) {
	if len(raw) > maxKnownSize {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.entries == nil {
		k.entries = make(map[string]*entry)
	}
	if _, there := k.entries[raw]; !there && len(k.entries) >= maxKnown {
		for other := range k.entries { // whichever comes first makes room
			delete(k.entries, other)
			break
		}
	}
	k.entries[raw] = e
}

// mayKnow says whether a client may be told of an access token: it is its own,
// or for an API that the client is.
func mayKnow(who clientauth.Client, t *Token) bool {
	return t.Claims.ClientID == who.ID() || who.Serves(t.Claims.Audience[0])
}
