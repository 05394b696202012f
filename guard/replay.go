package guard

import (
	"crypto/sha256"
	"errors"
	"sync"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
)

// ErrReplayed says that a JWT which counts once was used before.
var ErrReplayed = errors.New("token was used before")

// replay remembers in this process which jtis were used. Only JWTs with good
// signatures get in, and no client takes more than its share: who floods it
// keeps out nobody else.
type replay struct {
	most, share int

	mu    sync.Mutex
	used  map[hash]use
	by    map[string]int // of each client
	swept time.Time
}

type use struct {
	client string
	until  int64 // unix seconds
}

func newReplay(most int) *replay {
	return &replay{most: most, share: max(most/4, 1), used: make(map[hash]use), by: make(map[string]int)}
}

// sweepEvery bounds how often all is looked through for what is over.
const sweepEvery = time.Second

// use uses a jti of a client up until a time: of any number of calls exactly one
// succeeds.
func (r *replay) use(client, jti string, until, now time.Time) error {
	sum := sha256.Sum256([]byte(client + "\x00" + jti))
	name := hash(sum[:revlog.HashSize])
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.used[name]; known { // over or not: it counts once
		return ErrReplayed
	}
	if r.full(client) || now.Sub(r.swept) > time.Minute {
		r.sweep(now)
	}
	if r.full(client) {
		return stale("too many JWTs of clients at once")
	}
	r.used[name] = use{client, until.Unix()}
	r.by[client]++
	return nil
}

func (r *replay) full(client string) bool {
	return len(r.used) >= r.most || r.by[client] >= r.share
}

// sweep forgets what has expired. The caller holds the lock.
func (r *replay) sweep(now time.Time) {
	if age := now.Sub(r.swept); age >= 0 && age < sweepEvery {
		return
	}
	r.swept = now
	for name, u := range r.used {
		if u.until >= now.Unix() {
			continue
		}
		delete(r.used, name)
		if r.by[u.client]--; r.by[u.client] == 0 {
			delete(r.by, u.client)
		}
	}
}
