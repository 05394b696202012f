package limit

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"log/slog"
	"sync"
	"time"
)

const (
	// answerWithin is how long a request waits for Redis, at most once.
	answerWithin = 50 * time.Millisecond
	// retryEvery is how often a Redis that was gone is tried again.
	retryEvery = time.Second
)

// RedisOptions say which Redis or Valkey server the nodes of a fleet count in.
type RedisOptions struct {
	URL    string // redis://user:password@host:port/db, rediss:// for TLS, unix:///path
	Key    []byte // secret, the same on every node: names in Redis are MACs of what they stand for
	Logger *slog.Logger
	Roots  *x509.CertPool // who may vouch for a server with TLS; nil: whom the system trusts
}

// Redis is where nodes count together. What it forgets or loses costs a
// guesser's few more guesses, so it needs no persistence. While it can't be
// reached each node counts for itself: once a second, when somebody asks, a
// connection is tried behind the requests, none of which waits for it. Both
// changes are logged, once.
//
// Redis holds no address and no account, only MACs, and nothing for longer than
// it counts.
type Redis struct {
	RedisOptions
	server server
	within time.Duration // answerWithin

	mu         sync.Mutex
	link       *link // nil while there is no connection
	connecting bool
	closed     bool
	down       bool
	next       time.Time // when down may be doubted
	work       sync.WaitGroup
}

// OpenRedis connects; that it can't be reached is no error, that the URL is
// wrong is.
func OpenRedis(o RedisOptions) (*Redis, error) {
	server, err := parseServer(o.URL, o.Roots)
	if err != nil {
		return nil, errors.New("limit: the URL of Redis can't be used; give redis://host:port") // the cause may repeat a password
	}
	r := &Redis{RedisOptions: o, server: server, within: answerWithin, connecting: true}
	r.work.Add(1)
	r.connect()
	return r, nil
}

// connect makes the connection that all requests share: what is found out about
// it holds for all of them.
func (r *Redis) connect() {
	defer r.work.Done()
	l, err := r.server.dial(r.name("probe"))
	r.mu.Lock()
	r.connecting = false
	if err == nil && !r.closed {
		r.link = l
		r.work.Add(1)
		go r.watch(l)
	} else if err == nil {
		l.close()
	}
	r.mu.Unlock()
	r.note(err)
}

// watch hands out the answers of a connection until it is lost.
func (r *Redis) watch(l *link) {
	defer r.work.Done()
	r.lose(l, l.read())
}

// lose gives a connection up.
func (r *Redis) lose(l *link, err error) {
	r.mu.Lock()
	current := r.link == l
	if current {
		r.link = nil
	}
	r.mu.Unlock()
	l.close()
	if current {
		r.note(err)
	}
}

// Close closes the connection.
func (r *Redis) Close() {
	r.mu.Lock()
	r.closed = true
	if r.link != nil {
		r.link.close()
	}
	r.mu.Unlock()
	r.work.Wait()
}

// reach answers the connection, or nil while Redis is known to be gone.
func (r *Redis) reach() *link {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	if r.down {
		now := time.Now() // not the clock of those who count: it may stand still
		if now.Before(r.next) {
			return nil
		}
		r.next = now.Add(retryEvery) // for the others
	}
	if r.link == nil && !r.connecting {
		r.connecting = true
		r.work.Add(1)
		go r.connect()
	}
	return r.link
}

// ask answers what Redis said to each command, nil for a name that it doesn't
// have; false if it didn't in time or refused.
func (r *Redis) ask(ctx context.Context, commands ...command) (answers []any, ok bool) {
	l := r.reach()
	if l == nil {
		return nil, false
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.within) // a client that goes away says nothing of Redis
	defer cancel()
	answers, err := l.ask(ctx, commands)
	if err != nil {
		r.lose(l, err)
		return nil, false
	}
	err = refused(answers)
	r.note(err)
	return answers, err == nil
}

// note remembers whether Redis is there, and says so when that changes.
func (r *Redis) note(err error) {
	r.mu.Lock()
	changed := r.down != (err != nil) && !r.closed
	r.down = err != nil
	if err != nil {
		r.next = time.Now().Add(retryEvery)
	}
	r.mu.Unlock()
	switch {
	case changed && err != nil:
		r.Logger.Warn("Redis can't be reached: this node counts failed attempts and sign-ups for itself", "error", err)
	case changed:
		r.Logger.Info("Redis can be reached again: the nodes count together")
	}
}

// name is the key of something that is counted.
func (r *Redis) name(what string, parts ...string) string {
	mac := hmac.New(sha256.New, r.Key)
	for _, part := range append([]string{what}, parts...) {
		var size [4]byte
		binary.BigEndian.PutUint32(size[:], uint32(len(part)))
		mac.Write(size[:])
		mac.Write([]byte(part))
	}
	return "writ:limit:" + what + ":" + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}
