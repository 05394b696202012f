package store

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// A fleet's nodes share a database and keep some of it in memory. Each follows
// what the others change over a connection of its own: it is notified by the
// very commit, and it asks once a second, should a notification be lost with a
// connection. Both say the same three numbers, so that there is one way to hear
// of a change.

// counts are the numbers by which nodes see that something is new.
type counts struct {
	log     uint64 // the last number in the log
	clients int64  // how often clients, their secrets or APIs changed; 0: not said
	keys    int64  // how often keys did; 0: not said
}

func (c counts) String() string { return fmt.Sprintf("%d %d %d", c.log, c.clients, c.keys) }

func parseCounts(text string) (c counts, err error) {
	_, err = fmt.Sscanf(text, "%d %d %d", &c.log, &c.clients, &c.keys)
	return c, err
}

// seen is what this node knows of.
type seen struct {
	mu sync.Mutex
	counts
}

// advance replaces old by new, if it is higher. next says that it was the next
// number, gap that others were left out in between.
func advance[T uint64 | int64](old *T, new T) (next, gap bool) {
	if new <= *old {
		return false, false
	}
	next, gap = new == *old+1, new != *old+1
	*old = new
	return next, gap
}

// heard carries out what other nodes' changes mean for this one. A node hears
// its own changes too, mostly after it knows of them.
func (s *Store) heard(c counts) {
	s.seen.mu.Lock()
	news := c.log > s.seen.log
	s.seen.log = max(s.seen.log, c.log)
	next1, gap1 := advance(&s.seen.clients, c.clients)
	next2, gap2 := advance(&s.seen.keys, c.keys)
	s.seen.mu.Unlock()
	if next1 || gap1 {
		s.registry.forget([]string{everyClient})
	}
	if next2 || gap2 {
		s.keyNews.ring()
	}
	if news {
		s.logNews.ring()
	}
}

// settled makes known on this node what a transaction of its own changed. It
// is called after the commit and before the answer.
func (s *Store) settled(o outcome) {
	s.checkpointer.committed()
	s.seen.mu.Lock()
	_, gap1 := advance(&s.seen.clients, o.clientCount)
	_, gap2 := advance(&s.seen.keys, o.keyCount)
	s.seen.log = max(s.seen.log, o.head)
	s.seen.mu.Unlock()
	if gap1 {
		o.changed = append(o.changed, everyClient)
	}
	if len(o.changed) > 0 {
		s.registry.forget(o.changed)
	}
	if gap2 {
		s.keyNews.ring()
	}
	if o.logged {
		s.logNews.ring()
	}
}

// everything treats all as new: who was away can't know. The database may even be
// a replica that was promoted before it had all, where the same version of a
// client's row is of another change.
func (s *Store) everything(c counts) {
	s.seen.mu.Lock()
	s.seen.counts = c
	s.seen.mu.Unlock()
	s.clients.forget()
	s.registry.forget([]string{everyClient})
	s.keyNews.ring()
	s.logNews.ring()
}

// link says whether this node has heard from the database lately.
type link struct {
	start time.Time
	last  atomic.Int64 // nanoseconds from start to the last question that was answered, by the monotonic clock
}

// silence is how long a node may hear nothing and yet answer from memory.
const silence = 5 * time.Second

func newLink() *link { return &link{start: time.Now()} }

// alive notes that what the database had to say at a time has been carried out.
// It counts from the question: an answer may have lain there for as long as the
// process was stopped.
func (l *link) alive(asked time.Time) { l.last.Store(int64(asked.Sub(l.start))) }

// check refuses when the node has been cut off: what it holds may be old.
func (l *link) check() error {
	if l != nil && time.Since(l.start)-time.Duration(l.last.Load()) > silence {
		return unavailable(ErrUnreachable, nil)
	}
	return nil
}

// Times of a follower.
const (
	pollEvery   = time.Second
	pollTimeout = 2 * time.Second
	retryEvery  = 250 * time.Millisecond
)

// follower follows the fleet until it is closed.
type follower struct {
	store  *Store
	config *pgx.ConnConfig
	stop   context.CancelFunc
	done   chan struct{}
}

// follow opens the connection, reads for the first time, and goes on.
func (s *Store) follow(ctx context.Context, config *pgx.ConnConfig, guest bool) (*follower, error) {
	config = config.Copy()
	config.RuntimeParams["application_name"] = nameOf(s.engine.channel, s.node.id)
	if guest {
		config.RuntimeParams["application_name"] = guestOf(s.engine.channel, s.node.id)
	}
	f := &follower{store: s, config: config, done: make(chan struct{})}
	conn, err := f.connect(ctx)
	if err != nil {
		return nil, classify(err)
	}
	running, stop := context.WithCancel(context.Background())
	f.stop = stop
	go f.run(running, conn)
	return f, nil
}

func (f *follower) close() {
	if f != nil {
		f.stop()
		<-f.done
	}
}

func (f *follower) run(ctx context.Context, conn *pgx.Conn) {
	defer close(f.done)
	for ctx.Err() == nil {
		if conn != nil {
			f.listen(ctx, conn) // until it fails
			hangUp(conn)
		}
		var err error
		if conn, err = f.connect(ctx); err != nil {
			wait(ctx, retryEvery)
		}
	}
	if conn != nil {
		hangUp(conn)
	}
}

func hangUp(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	conn.Close(ctx)
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// connect listens first and then reads, so that nothing falls in between.
func (f *follower) connect(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout+pollTimeout)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, f.config)
	if err != nil {
		return nil, err
	}
	if _, err = conn.Exec(ctx, "LISTEN "+f.store.engine.channel); err == nil {
		var c counts
		var asked time.Time
		if c, asked, err = f.poll(ctx, conn); err == nil {
			f.store.everything(c)
			f.store.link.alive(asked)
			return conn, nil
		}
	}
	hangUp(conn)
	return nil, err
}

// listen waits for notifications and asks once a second.
func (f *follower) listen(ctx context.Context, conn *pgx.Conn) {
	next := time.Now().Add(pollEvery)
	for {
		notified, err := waitUntil(ctx, conn, next)
		switch {
		case err != nil:
			return
		case notified != "":
			if f.store.node.overheard(notified) {
				continue
			}
			c, err := parseCounts(notified)
			if err != nil {
				continue // somebody else's
			}
			f.store.heard(c)
		default:
			c, asked, err := f.poll(ctx, conn)
			if err != nil {
				return
			}
			f.store.heard(c)
			f.store.link.alive(asked)
			next = time.Now().Add(pollEvery)
		}
	}
}

// waitUntil answers the next notification, or "" when it is time.
func waitUntil(ctx context.Context, conn *pgx.Conn, until time.Time) (string, error) {
	waiting, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	n, err := conn.WaitForNotification(waiting)
	switch {
	case err == nil:
		return n.Payload, nil
	case ctx.Err() == nil && waiting.Err() != nil && !conn.IsClosed():
		return "", nil
	}
	return "", err
}

// poll reads the counts, and what time it is there. They are at most as old as
// the time when it asked.
func (f *follower) poll(ctx context.Context, conn *pgx.Conn) (c counts, asked time.Time, err error) {
	const query = `SELECT (SELECT COALESCE(MAX(seq), 0) FROM log), clients, keys,
		CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT) FROM fleet WHERE id = 1`
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	var micros int64
	asked = time.Now()
	if err := conn.QueryRow(ctx, query).Scan(&c.log, &c.clients, &c.keys, &micros); err != nil {
		return counts{}, asked, err
	}
	f.store.clock.measured(fromMicros(micros), asked, time.Now())
	return c, asked, nil
}

// bell tells those who wait that something is new.
type bell struct {
	mu   sync.Mutex
	next chan struct{}
}

func (b *bell) channel() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next == nil {
		b.next = make(chan struct{})
	}
	return b.next
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next != nil {
		close(b.next)
		b.next = nil
	}
}
