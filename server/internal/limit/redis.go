package limit

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

const (
	// answerWithin is how long a request waits for Redis, at most once.
	answerWithin = 50 * time.Millisecond
	// retryEvery is how often one request tries a Redis that was gone.
	retryEvery = time.Second
	dialWithin = 250 * time.Millisecond
)

// RedisOptions say which Redis or Valkey server the nodes of a fleet count in.
type RedisOptions struct {
	URL    string // redis://user:password@host:port/db, rediss:// for TLS, unix:///path
	Key    []byte // secret, the same on every node: names in Redis are MACs of what they stand for
	Logger *slog.Logger
}

// Redis is where nodes count together. What it forgets or loses costs a
// guesser's few more guesses, so it needs no persistence. While it can't be
// reached each node counts for itself: one request a second finds out whether
// it is back, the others don't wait for it. Both changes are logged, once.
//
// Redis holds no address and no account, only MACs, and nothing for longer than
// it counts.
type Redis struct {
	RedisOptions
	client rueidis.ClientOption

	mu         sync.Mutex
	conn       rueidis.Client // nil until it could be reached for the first time
	connecting bool
	closed     bool
	down       bool
	next       time.Time // when down may be doubted
	work       sync.WaitGroup
}

// OpenRedis connects; that it can't be reached is no error, that the URL is
// wrong is.
func OpenRedis(o RedisOptions) (*Redis, error) {
	option, err := rueidis.ParseURL(o.URL)
	if err != nil {
		return nil, fmt.Errorf("limit: the URL of Redis can't be used; give redis://host:port") // the cause may repeat a password
	}
	option.DisableCache = true
	option.DisableRetry = true // who asks has no time for it
	option.ForceSingleClient = true
	option.PipelineMultiplex = -1 // one connection: what is found out about it holds for all
	option.RingScaleEachConn = 8
	option.ReadBufferEachConn, option.WriteBufferEachConn = 8<<10, 8<<10
	option.Dialer = net.Dialer{Timeout: dialWithin, KeepAlive: 5 * time.Second}
	option.ConnWriteTimeout = time.Second
	option.ClientName = "writ"
	r := &Redis{RedisOptions: o, client: option, connecting: true}
	r.work.Add(1)
	r.connect()
	return r, nil
}

// connect makes the client, which fails if there is no server yet.
func (r *Redis) connect() {
	defer r.work.Done()
	conn, err := rueidis.NewClient(r.client)
	r.mu.Lock()
	closed := r.closed
	r.connecting = false
	if err == nil && !closed {
		r.conn = conn
	}
	r.mu.Unlock()
	if err == nil && closed {
		conn.Close()
	}
	r.note(err)
}

// Close closes the connections.
func (r *Redis) Close() {
	r.mu.Lock()
	r.closed = true
	conn := r.conn
	r.conn = nil
	r.mu.Unlock()
	r.work.Wait()
	if conn != nil {
		conn.Close()
	}
}

// reach answers the client, or nil while Redis is known to be gone.
func (r *Redis) reach() rueidis.Client {
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
	if r.conn == nil && !r.connecting {
		r.connecting = true
		r.work.Add(1)
		go r.connect()
	}
	return r.conn
}

// ask runs a command, and reports whether it was answered in time.
func (r *Redis) ask(ctx context.Context, command func(context.Context, rueidis.Client) error) bool {
	conn := r.reach()
	if conn == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerWithin) // a client that goes away says nothing of Redis
	defer cancel()
	err := command(ctx, conn)
	r.note(err)
	return err == nil
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
