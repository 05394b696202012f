package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

// maxBatch bounds how many transactions one commit carries, and so how long
// the first of a batch waits for the last.
const maxBatch = 512

// A writer commits the transactions of many callers together, since what a
// durable commit costs, waiting for the disk, costs the same for one as for a
// hundred. One goroutine owns the one connection that writes. It takes all
// transactions that wait, runs each in a savepoint of its own, commits once,
// and only then answers any of them: an answer is a promise that the disk
// keeps. A transaction that fails leaves the others unharmed; a commit that
// fails fails them all, also those that decided to change nothing, for they
// may have decided so after reading a neighbour's change that is gone.
type writer struct {
	db        *sql.DB // of one connection
	conn      *sql.Conn
	sql       *statements
	now       func() time.Time
	published func()                 // called when committed transactions added to the log
	changed   func(clients []string) // called with those that tx.concerns named

	jobs    chan *job
	quit    chan struct{} // closed by close: no more jobs
	stopped chan struct{} // closed when the goroutine has ended
	once    sync.Once
}

// job is a transaction that waits for its turn.
type job struct {
	run   func(context.Context, *tx) error
	state atomic.Int32
	err   error         // set before done is closed
	done  chan struct{} // closed when the outcome is known
}

// A job is waiting until either the writer starts it or its caller gives up.
const (
	waiting int32 = iota
	started
	abandoned
)

// tx is a transaction. Its methods, one or two statements each, stand beside
// the subject they belong to.
type tx struct {
	*statements
	now     time.Time
	logged  bool     // an entry was added to the revocation log
	changed []string // see concerns
}

// since is the column of a time that the caller may leave out: now.
func (t *tx) since(at time.Time) int64 {
	if at.IsZero() {
		return micros(t.now)
	}
	return micros(at)
}

func newWriter(ctx context.Context, db *sql.DB, now func() time.Time, published func(), changed func(clients []string)) (*writer, error) {
	w := &writer{
		db:        db,
		now:       now,
		published: published,
		changed:   changed,
		jobs:      make(chan *job, 2*maxBatch),
		quit:      make(chan struct{}),
		stopped:   make(chan struct{}),
	}
	if err := w.connect(ctx); err != nil {
		return nil, err
	}
	go w.loop()
	return w, nil
}

// write runs fn in a transaction and returns when it is durable. If ctx ends
// before fn was started, fn never runs; after that its outcome is waited for,
// so that a caller is never left in doubt about what was stored.
func (w *writer) write(ctx context.Context, fn func(context.Context, *tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j := &job{run: fn, done: make(chan struct{})}
	select {
	case <-w.quit:
		return unavailable(ErrClosed, nil)
	default:
	}
	select {
	case w.jobs <- j:
	case <-w.quit:
		return unavailable(ErrClosed, nil)
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-j.done:
		return j.err
	case <-ctx.Done():
		if j.state.CompareAndSwap(waiting, abandoned) {
			return ctx.Err()
		}
	case <-w.stopped:
		if j.state.CompareAndSwap(waiting, abandoned) {
			return unavailable(ErrClosed, nil)
		}
	}
	<-j.done
	return j.err
}

// close carries out what waits, then ends the goroutine and its connection.
func (w *writer) close() error {
	w.once.Do(func() { close(w.quit) })
	<-w.stopped
	w.disconnect(nil)
	return w.db.Close()
}

func (w *writer) loop() {
	defer close(w.stopped)
	batch := make([]*job, 0, maxBatch)
	for {
		select {
		case j := <-w.jobs:
			batch = w.gather(append(batch[:0], j))
		case <-w.quit:
			batch = w.gather(batch[:0])
			if len(batch) == 0 {
				return
			}
		}
		w.commit(batch)
		clear(batch)
	}
}

// gather adds the jobs that wait. Callers whose answer has just been given
// come back with their next transaction as soon as they are let run: without
// giving way to them, batches of one and of all the others would alternate.
func (w *writer) gather(batch []*job) []*job {
	for yielded := false; len(batch) < maxBatch; {
		select {
		case j := <-w.jobs:
			batch = append(batch, j)
			yielded = false
		default:
			if yielded {
				return batch
			}
			runtime.Gosched()
			yielded = true
		}
	}
	return batch
}

// commit runs a batch in one transaction of the database and answers it.
func (w *writer) commit(batch []*job) {
	ran := batch[:0]
	for _, j := range batch {
		if j.state.CompareAndSwap(waiting, started) {
			ran = append(ran, j)
		}
	}
	if len(ran) == 0 {
		return
	}
	logged, changed, err := w.transact(ran)
	if len(changed) > 0 {
		w.changed(changed)
	}
	if logged {
		w.published()
	}
	for _, j := range ran {
		if err != nil {
			j.err = err
		}
		close(j.done)
	}
}

// transact leaves each job's own outcome in its err and returns an error that
// replaces them all if the transaction as a whole came to nothing.
func (w *writer) transact(batch []*job) (logged bool, changed []string, err error) {
	// Not the callers' contexts: to interrupt one statement would roll back
	// the whole transaction.
	ctx := context.Background()
	if err := w.connect(ctx); err != nil {
		return false, nil, err
	}
	if _, err := w.sql.exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		w.disconnect(err)
		return false, nil, err
	}
	now := w.now()
	for _, j := range batch {
		t := &tx{statements: w.sql, now: now}
		if j.err, err = w.one(ctx, t, j.run); err != nil {
			return false, nil, w.rollback(ctx, err)
		}
		logged = logged || j.err == nil && t.logged
		changed = append(changed, t.changed...)
	}
	if _, err := w.sql.exec(ctx, "COMMIT"); err != nil {
		// A commit that failed may have happened all the same.
		return false, changed, w.rollback(ctx, err)
	}
	return logged, changed, nil
}

// one runs a job in a savepoint. The first error is the job's own; the second
// means that the transaction around it is gone: after a full disk, for one,
// SQLite rolls back all of it by itself.
func (w *writer) one(ctx context.Context, t *tx, run func(context.Context, *tx) error) (own, fatal error) {
	if _, err := t.exec(ctx, "SAVEPOINT job"); err != nil {
		return nil, err
	}
	if own = guarded(ctx, t, run); own != nil {
		if _, err := t.exec(ctx, "ROLLBACK TO job"); err != nil {
			return nil, gone(own, err)
		}
	}
	if _, err := t.exec(ctx, "RELEASE job"); err != nil {
		return nil, errors.Join(own, err)
	}
	return own, nil
}

// gone says why the transaction is gone: the job's error if it speaks of the
// database, never if it speaks of the job.
func gone(own, err error) error {
	var shown *auth.Error
	if errors.As(own, &shown) && shown.Code == auth.CodeUnavailable {
		return own
	}
	return unavailable(ErrIO, err)
}

func guarded(ctx context.Context, t *tx, run func(context.Context, *tx) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return run(ctx, t)
}

// rollback ends a transaction that failed. The connection is replaced: after a
// failure of the disk it is worth less to know why than to start afresh.
func (w *writer) rollback(ctx context.Context, cause error) error {
	_, err := w.sql.exec(ctx, "ROLLBACK")
	w.disconnect(errors.Join(cause, err))
	return cause
}

// connect takes the connection if there is none.
func (w *writer) connect(ctx context.Context) error {
	if w.conn != nil {
		return nil
	}
	conn, err := w.db.Conn(ctx)
	if err != nil {
		return classify(fmt.Errorf("open the writing connection: %w", err))
	}
	w.conn, w.sql = conn, &statements{on: conn}
	return nil
}

// disconnect gives the connection up, for good if a failure was the reason.
func (w *writer) disconnect(failure error) {
	if w.conn == nil {
		return
	}
	w.sql.close()
	if failure != nil {
		w.conn.Raw(func(any) error { return driver.ErrBadConn })
	}
	w.conn.Close()
	w.conn, w.sql = nil, nil
}
