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

// A writer commits the transactions of many callers together, since what a
// durable commit costs, waiting for the disk, costs the same for one as for a
// hundred. One goroutine owns the one connection that writes. It takes all
// transactions that wait, runs each in a savepoint of its own, commits once,
// and only then answers any of them: an answer is a promise that the disk
// keeps. A transaction that fails leaves the others unharmed; a commit that
// fails fails them all, also those that decided to change nothing, for they
// may have decided so after reading a neighbour's change that is gone.
//
// In a fleet its transactions begin with the fleet's lock, which they hold
// until after the commit: of all nodes' writers one writes. Others change rows
// meanwhile without it (hot.go). Who holds one that a job wants may want one that
// a job before it has locked; so a job waits briefly, and not behind others: it
// comes again after their commit.
type writer struct {
	db      *sql.DB // of one connection
	engine  *engine
	columns *columns // on SQLite
	conn    *sql.Conn
	sql     *statements
	now     func() time.Time
	link    *link
	settled func(outcome) // called after each commit, before the answers
	door    *arrivals     // on SQLite

	jobs    chan *job
	quit    chan struct{} // closed by close: no more jobs
	stopped chan struct{} // closed when the goroutine has ended
	once    sync.Once
}

// job is a transaction that waits for its turn.
type job struct {
	run   func(context.Context, *tx) error
	alone bool // it has no savepoint
	state atomic.Int32
	err   error         // set before done is closed
	done  chan struct{} // closed when the outcome is known
	// ran, if not nil, is closed when the job has succeeded and the commit has
	// yet to come.
	ran chan struct{}
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
	engine  *engine
	now     time.Time
	unsure  bool     // an error of a job alone would leave the transaction in doubt
	logged  bool     // an entry was added to the revocation log
	head    uint64   // its number
	changed []string // see concerns
	keys    bool     // it changed keys
}

// since is the column of a time that the caller may leave out: now.
func (t *tx) since(at time.Time) int64 {
	if at.IsZero() {
		return micros(t.now)
	}
	return micros(at)
}

func newWriter(ctx context.Context, s *Store, db *sql.DB) (*writer, error) {
	w := &writer{
		db:      db,
		engine:  s.engine,
		columns: s.columns,
		now:     s.now,
		link:    s.link,
		settled: s.settled,
		jobs:    make(chan *job, 2*s.engine.maxBatch),
		quit:    make(chan struct{}),
		stopped: make(chan struct{}),
	}
	if err := w.connect(ctx); err != nil {
		return nil, err
	}
	// In a fleet the rows that a batch has changed are locked until all of it is
	// done: the larger it is the more it gets into the way of others.
	if !s.fleet() {
		var err error
		if w.door, err = newArrivals(); err != nil {
			w.disconnect(err)
			return nil, err
		}
	}
	go w.loop()
	return w, nil
}

// write runs fn in a transaction and returns when it is durable. If ctx ends
// before fn was started, fn never runs; after that its outcome is waited for,
// so that a caller is never left in doubt about what was stored.
func (w *writer) write(ctx context.Context, fn func(context.Context, *tx) error) error {
	j := &job{run: fn, done: make(chan struct{})}
	if err := w.enqueue(ctx, j); err != nil {
		return err
	}
	return j.wait(ctx, w.stopped)
}

// writeWhile is write for a job that changes nothing before it is sure to
// succeed, unless the storage fails; see tx.unsure. When it has, meanwhile is
// called, while the commit is under way: what that makes may be used if the
// answer is nil. It isn't called if the job fails.
func (w *writer) writeWhile(ctx context.Context, fn func(context.Context, *tx) error, meanwhile func()) error {
	j := &job{run: fn, alone: true, done: make(chan struct{}), ran: make(chan struct{})}
	if err := w.enqueue(ctx, j); err != nil {
		return err
	}
	return j.waitWhile(ctx, w.stopped, meanwhile)
}

// enqueue hands a job to the writer.
func (w *writer) enqueue(ctx context.Context, j *job) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := w.link.check(); err != nil {
		return err
	}
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
	return nil
}

// waitWhile is wait for a job with ran, and calls meanwhile as soon as that is
// closed; for one that has succeeded, at the latest then.
func (j *job) waitWhile(ctx context.Context, stopped <-chan struct{}, meanwhile func()) error {
	prepared := false
	select {
	case <-j.ran:
		meanwhile()
		prepared = true
	case <-j.done:
	case <-ctx.Done():
	case <-stopped:
	}
	err := j.wait(ctx, stopped)
	if err == nil && !prepared {
		meanwhile()
	}
	return err
}

// wait waits for the outcome of a job, or gives it up before it is started: if
// ctx ends, or those who would start it have stopped.
func (j *job) wait(ctx context.Context, stopped <-chan struct{}) error {
	select {
	case <-j.done:
		return j.err
	case <-ctx.Done():
		if j.state.CompareAndSwap(waiting, abandoned) {
			return ctx.Err()
		}
	case <-stopped:
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
	err := w.db.Close()
	if w.door != nil {
		err = errors.Join(err, w.door.close())
	}
	return err
}

func (w *writer) loop() {
	defer close(w.stopped)
	batch := make([]*job, 0, w.engine.maxBatch)
	for {
		select {
		case j := <-w.jobs:
			batch = w.gather(append(batch[:0], j))
		case <-w.quit:
			batch = w.add(batch[:0])
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
// giving way to them, and to those who are at the door, batches of one and of all
// the others would alternate.
func (w *writer) gather(batch []*job) []*job {
	batch = w.add(batch)
	for begun, had := time.Now(), 0; len(batch) > had && len(batch) < w.engine.maxBatch && time.Since(begun) < gatherFor; {
		had = len(batch)
		if w.door != nil {
			w.door.look()
		}
		runtime.Gosched()
		batch = w.add(batch)
	}
	return batch
}

// add adds the jobs that are there already.
func (w *writer) add(batch []*job) []*job {
	for len(batch) < w.engine.maxBatch {
		select {
		case j := <-w.jobs:
			batch = append(batch, j)
		default:
			return batch
		}
	}
	return batch
}

// commit runs a batch and answers it: in one transaction of the database, and
// another for those that are put off.
func (w *writer) commit(batch []*job) {
	ran := batch[:0]
	for _, j := range batch {
		if j.state.CompareAndSwap(waiting, started) {
			ran = append(ran, j)
		}
	}
	for len(ran) > 0 {
		ran = w.commitOnce(ran)
	}
}

// commitOnce leaves those that are put off. The first never is.
func (w *writer) commitOnce(batch []*job) (putOff []*job) {
	var o outcome
	err := w.link.check() // they may have waited behind one that found the database hung
	if err == nil {
		o, err = w.transact(batch)
	}
	w.settled(o)
	for _, j := range batch {
		if err != nil {
			j.err = err
		}
		if errors.Is(j.err, errPutOff) {
			putOff = append(putOff, j)
		} else {
			close(j.done)
		}
	}
	return putOff
}

// errPutOff says that nothing of a job was done, for others have locked a row.
var errPutOff = errors.New("store: put off")

// transact leaves each job's own outcome in its err and returns an error that
// replaces them all if the transaction as a whole came to nothing.
func (w *writer) transact(batch []*job) (o outcome, err error) {
	// Not the callers' contexts: to interrupt one statement would roll back
	// the whole transaction.
	ctx := context.Background()
	if err := w.begin(ctx); err != nil {
		return outcome{}, err
	}
	now := w.now()
	for i, j := range batch {
		var t *tx
		if t, j.err, err = w.carryOut(ctx, now, j, i == 0); err != nil {
			return outcome{}, w.rollback(ctx, err)
		}
		if j.err == nil {
			o.add(t)
		}
		if j.err == nil && j.ran != nil {
			close(j.ran)
		}
	}
	if err := w.engine.commit(ctx, w.sql, &o); err != nil {
		// A commit that failed may have happened all the same.
		return outcome{changed: o.changed}, w.rollback(ctx, err)
	}
	return o, nil
}

// begin begins the transaction. Nothing has been done yet: a connection that
// turns out to be dead, since the database was started anew, is replaced once.
func (w *writer) begin(ctx context.Context) (err error) {
	for range 2 {
		had := w.conn != nil
		if err = w.connect(ctx); err != nil {
			return err
		}
		if _, err = w.sql.exec(ctx, w.engine.begin); err == nil {
			return nil
		}
		w.disconnect(err)
		if !had || !errors.Is(err, ErrUnreachable) {
			return err
		}
	}
	return err
}

// carryOut runs a job; the errors are those of one.
func (w *writer) carryOut(ctx context.Context, now time.Time, j *job, first bool) (t *tx, own, fatal error) {
	if !j.alone {
		return w.one(ctx, now, j.run, first)
	}
	t = &tx{statements: w.sql, engine: w.engine, now: now}
	own = guarded(ctx, t, j.run)
	if own != nil && t.unsure {
		return nil, nil, gone(own, own)
	}
	return t, own, nil
}

// one runs a job in a savepoint. The first error is the job's own; the second
// means that the transaction around it is gone: after a full disk, for one,
// SQLite rolls back all of it by itself. The first of a batch is tried again when
// it didn't get a lock: what it had locked itself is free in between.
func (w *writer) one(ctx context.Context, now time.Time, run func(context.Context, *tx) error, first bool) (t *tx, own, fatal error) {
	if _, err := w.sql.exec(ctx, "SAVEPOINT job"); err != nil {
		return nil, nil, err
	}
	for attempt := range writerTries {
		t = &tx{statements: w.sql, engine: w.engine, now: now}
		if own = guarded(ctx, t, run); own == nil {
			break
		}
		if _, err := t.exec(ctx, "ROLLBACK TO job"); err != nil {
			return nil, nil, gone(own, err)
		}
		if !crossed(own) {
			break
		}
		if !first {
			own = errPutOff
			break
		}
		wait(ctx, backOff(attempt))
	}
	if lost(own) {
		own = unavailable(ErrBusy, own)
	}
	if _, err := t.exec(ctx, "RELEASE job"); err != nil {
		return nil, nil, errors.Join(own, err)
	}
	return t, own, nil
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

func guarded(ctx context.Context, t *tx, run func(context.Context, *tx) error) error {
	return caught(func() error { return run(ctx, t) })
}

// caught makes an error of a panic.
func caught(run func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return run()
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
	w.conn, w.sql = conn, &statements{on: conn, direct: w.engine.direct}
	if w.columns != nil {
		w.sql.driven = &driven{conn: conn, columns: w.columns, held: newHeldScan()}
	}
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
