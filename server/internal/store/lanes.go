package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/writ-auth/writ/server/internal/auth"
)

// Lanes carry out refreshes on PostgreSQL for many callers at once. What one
// costs this node is mostly two round trips, the switches of goroutines and
// calls of the system for them, and they cost the same for one statement as for
// twenty. So a lane takes all refreshes that wait, sends their readings together
// and gets them together, lets each decide, and sends the changes together, in
// one transaction, which the disk is waited for once. While it is, the callers
// make what they will answer.
//
// Of what this node remembers a lane needs not read first; see remembered.
//
// A lane does what is usual: a grant is found, and its state changes, if it is
// still what was read. For everything else, other rows to change beside, a
// client not in memory, an error of the database, the caller is told errAlone
// and goes the long way, by itself. Nobody waits long for a neighbour's row that
// somebody else has: after laneLock the whole batch goes the long way. A session
// is in a batch of changes once at most. Lanes lock rows in one order, that of the
// grants' ids; and sessions' rows, which hardly a batch changes, after them.
type lanes struct {
	store   *Store
	config  *pgconn.Config
	running sync.WaitGroup
	stopped chan struct{} // closed when all lanes have ended

	mu        sync.Mutex
	jobs      []*refreshJob // that wait
	idle      []*lane       // the last to have come is the next to go: it is the warmest
	gathering bool          // a lane is about to take what waits
	brisk     int           // lanes with a batch that they have not had for long
	closed    bool
}

const (
	laneCount = 3  // connections
	laneBatch = 64 // refreshes at once at most; each waits for the last of its batch
	// laneWorth is how many must wait before a second lane sets out behind one
	// that has just done so: fewer are better off together, a moment later.
	laneWorth = 8
	// laneBrisk is for how long others wait so for a lane; then it is held up.
	laneBrisk = 5 * time.Millisecond

	laneLock = "50" // milliseconds; PostgreSQL's lock_timeout for a lane
)

// errAlone says that nothing was changed, and that no lane will.
var errAlone = errors.New("store: not for a lane")

// refreshJob is a refresh that waits for a lane.
type refreshJob struct {
	job
	hash   []byte
	decide func(auth.Held) (*auth.Turn, error)

	held     auth.Held
	version  int64 // of the client's row
	recalled bool  // held is what is remembered
	change   rotation
	rotated  bool // the change was made, or there was nothing to change
}

func newLanes(s *Store, config *pgconn.Config) (*lanes, error) {
	config = config.Copy()
	config.RuntimeParams["lock_timeout"] = laneLock
	config.RuntimeParams["enable_bitmapscan"] = "off" // which would lock in the order of places
	l := &lanes{store: s, config: config, stopped: make(chan struct{})}
	for range laneCount {
		door, err := newArrivals()
		if err != nil {
			l.close()
			return nil, err
		}
		l.running.Go((&lane{lanes: l, door: door, called: make(chan bool, 1)}).run)
	}
	return l, nil
}

// close carries out what waits.
func (l *lanes) close() {
	if l == nil {
		return
	}
	l.mu.Lock()
	first := !l.closed
	l.closed = true
	for _, idle := range l.idle {
		idle.called <- false
	}
	l.idle = nil
	l.mu.Unlock()
	if l.running.Wait(); first {
		close(l.stopped)
	}
}

// refresh is one attempt: not rotated and no error says that another won. The
// answer of meanwhile counts only if it is rotated.
func (l *lanes) refresh(ctx context.Context, hash []byte, decide func(auth.Held) (*auth.Turn, error), meanwhile func()) (rotated bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if err := l.store.link.check(); err != nil {
		return false, err
	}
	j := &refreshJob{job: job{done: make(chan struct{}), ran: make(chan struct{})}, hash: hash, decide: decide}
	if !l.add(j) {
		return false, errAlone
	}
	err = j.waitWhile(ctx, l.stopped, meanwhile)
	return err == nil && j.rotated, err
}

// add is false when the lanes are closed.
func (l *lanes) add(j *refreshJob) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.jobs = append(l.jobs, j)
	l.call()
	return true
}

// worth says that a lane should set out.
func (l *lanes) worth() bool {
	return len(l.jobs) >= laneWorth || len(l.jobs) > 0 && (l.brisk == 0 || l.closed)
}

// call has a lane set out, if that is worth it and none is about to. It is called
// under the mutex.
func (l *lanes) call() {
	last := len(l.idle) - 1
	if last < 0 || l.gathering || !l.worth() {
		return
	}
	l.gathering = true
	l.idle[last].called <- true
	l.idle = l.idle[:last]
}

// take waits for refreshes that are worth it, and takes them; none when the
// lanes are closed.
func (l *lane) take() []*refreshJob {
	l.mu.Lock()
	defer l.mu.Unlock()
	for called := false; !called; {
		if !l.gathering && l.worth() {
			break
		}
		if l.closed { // who gathers carries out the rest
			return nil
		}
		l.idle = append(l.idle, l)
		l.mu.Unlock()
		called = <-l.called
		l.mu.Lock()
	}
	l.gathering = true
	l.giveWay()
	n := min(len(l.jobs), laneBatch)
	batch := slices.Clone(l.jobs[:n])
	l.jobs = slices.Delete(l.jobs, 0, n)
	l.gathering = false
	l.brisk++
	l.call()
	return batch
}

// giveWay lets callers run who have just been answered and come back with their
// next refresh, and those whose request is at the door, until none does.
func (l *lane) giveWay() {
	for begun, n := time.Now(), 0; n < len(l.jobs) && len(l.jobs) < laneBatch && time.Since(begun) < gatherFor; {
		n = len(l.jobs)
		l.mu.Unlock()
		runtime.Gosched()
		l.door.look()
		runtime.Gosched()
		l.mu.Lock()
	}
}

// heldUp is told when a lane has had its batch for long.
func (l *lanes) heldUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.brisk--
	l.call()
}

// done is told when a lane is through with its batch before that. It calls nobody:
// the lane is the next to look whether to go.
func (l *lanes) done() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.brisk--
}

// lane is one connection, which is made when it is needed.
type lane struct {
	*lanes
	conn   *laneConn
	door   *arrivals
	called chan bool // to gather, while it is idle; false: to end
}

func (l *lane) run() {
	defer l.door.close()
	defer l.hangUp()
	for {
		batch := l.take()
		if batch == nil {
			return
		}
		long := time.AfterFunc(laneBrisk, l.heldUp)
		l.carry(batch)
		if long.Stop() {
			l.done()
		}
	}
}

// carry carries out a batch and answers it.
func (l *lane) carry(batch []*refreshJob) {
	begun := batch[:0]
	for _, j := range batch {
		if j.state.CompareAndSwap(waiting, started) {
			begun = append(begun, j)
		}
	}
	if err := l.store.link.check(); err != nil { // the batch before may have found the database hung
		for _, j := range begun {
			j.end(false, err)
		}
		return
	}
	if len(begun) == 0 {
		return
	}
	changing, others := recall(l.store, begun)
	if len(others) > 0 {
		changing = append(changing, l.read(others)...)
	}
	if changing = oneOfEach(changing); len(changing) > 0 {
		l.write(changing)
	}
}

// recall finds those that can do without reading: what is remembered of their
// grants lets them rotate.
func recall(s *Store, batch []*refreshJob) (changing, others []*refreshJob) {
	for _, j := range batch {
		if j.recall(s) {
			changing = append(changing, j)
		} else {
			others = append(others, j)
		}
	}
	return changing, others
}

// recall decides on what is remembered of the grant. Whatever comes of it but a
// change says nothing.
func (j *refreshJob) recall(s *Store) bool {
	m, ok := s.grants.find(j.hash)
	if !ok || !s.clients.complete(&m.held.Client, m.version) {
		return false
	}
	m.held.Now = s.now()
	j.held, j.version = m.held, m.version
	changes, err := j.settle(s)
	j.recalled = changes && err == nil
	return j.recalled
}

// oneOfEach leaves of each session one, and sends the others the long way.
func oneOfEach(batch []*refreshJob) []*refreshJob {
	sessions := make(map[string]bool, len(batch))
	return slices.DeleteFunc(batch, func(j *refreshJob) bool {
		id := j.held.Session.ID
		if sessions[id] {
			j.end(false, errAlone)
			return true
		}
		sessions[id] = true
		return false
	})
}

// end tells a caller the outcome.
func (j *refreshJob) end(rotated bool, err error) {
	j.rotated, j.err = rotated, err
	close(j.done)
}

// fetch reads what the refreshes are about. A connection that turns out to be
// dead, since the database was started anew, is replaced once.
func (l *lane) fetch(batch []*refreshJob) error {
	for {
		had := l.conn != nil
		err := l.connect()
		if err == nil {
			err = l.ask(batch)
		}
		if err == nil || !had || rolledBack(err) || isTimeout(err) {
			return err
		}
		l.hangUp()
	}
}

func (l *lane) ask(batch []*refreshJob) error {
	now := l.store.now()
	for _, j := range batch {
		j.err = auth.ErrNotFound
	}
	l.conn.blobs(len(batch), func(i int) []byte { return batch[i].hash })
	l.conn.add(l.conn.held)
	if err := l.conn.send(); err != nil {
		return err
	}
	return l.conn.receive(func(i int, values []driver.Value) error {
		j := batch[i]
		scan := l.conn.scan
		scan.clear(now)
		j.err = assign(scan.short(), values)
		j.held, j.version = scan.held, scan.version
		if j.err == nil && !l.store.clients.complete(&j.held.Client, scan.version) {
			j.err = errAlone
		}
		return nil
	})
}

func (l *lane) connect() (err error) {
	if l.conn == nil {
		l.conn, err = connectLane(l.config)
	}
	return err
}

func (l *lane) hangUp() {
	if l.conn != nil {
		l.conn.close()
		l.conn = nil
	}
}

// refused is what callers are told after an error. If the server itself said no,
// nothing has happened, and each may find out by itself what is wrong. If the
// connection broke, nobody knows what has.
func (l *lane) refused(err error) error {
	if rolledBack(err) {
		return errAlone
	}
	l.hangUp()
	return unavailable(ErrUnreachable, err)
}

// rolledBack says that the server has refused, and goes on.
func rolledBack(err error) bool {
	var post *pgconn.PgError
	return errors.As(err, &post) && post.SeverityUnlocalized == "ERROR"
}

func isTimeout(err error) bool {
	var network net.Error
	return errors.As(err, &network) && network.Timeout()
}

// read reads what each refresh is about, lets it decide, and answers those that
// have something to change; the others have ended.
func (l *lane) read(batch []*refreshJob) (changing []*refreshJob) {
	if err := l.fetch(batch); err != nil {
		for _, j := range batch {
			j.end(false, l.refused(err))
		}
		return nil
	}
	for _, j := range batch {
		if changes, err := j.settle(l.store); changes && err == nil {
			changing = append(changing, j)
		} else {
			j.end(err == nil, err)
		}
	}
	return changing
}

// settle decides, and says whether there is something to change. j.err is that
// of the reading.
func (j *refreshJob) settle(s *Store) (changes bool, err error) {
	if j.err != nil {
		return false, j.err
	}
	if audience := j.held.Grant.Audience; audience != "" {
		kept, _ := s.registry.findAPI(audience)
		if kept == nil {
			return false, errAlone
		}
		j.held.API = *kept
	}
	var turn *auth.Turn
	err = caught(func() (err error) { turn, err = j.decide(j.held); return err })
	if err != nil || turn == nil {
		return false, err
	}
	g, marks := j.held.Grant, turn.Marks
	j.change = rotation{grantID: g.ID, from: g.Rotation, to: turn.To, idle: turn.Idle, sessionIdle: turn.SessionIdle}
	if marks.GrantID == g.ID {
		j.change.mark, marks.GrantID = marks.Expiry, ""
	}
	if turn.Event != nil || !marks.Empty() {
		return false, errAlone
	}
	return true, nil
}

// write makes all changes in one transaction.
func (l *lane) write(batch []*refreshJob) {
	now := l.store.now()
	slices.SortFunc(batch, func(a, b *refreshJob) int { return strings.Compare(a.held.Grant.ID, b.held.Grant.ID) })
	err := l.connect()
	if err == nil {
		l.conn.rotateAll(batch, now)
		err = l.conn.send()
	}
	for _, j := range batch {
		close(j.ran)
	}
	if err == nil {
		err = l.conn.receive(func(i int, _ []driver.Value) error {
			batch[i].rotated = true
			return nil
		})
	}
	// No reading has shown that the connection is alive. Who begins anew finds out
	// what has happened: if the change was made, the token is one that was just used.
	again := err != nil && !isTimeout(err)
	if err != nil {
		err = l.refused(err)
	}
	for _, j := range batch {
		j.remember(l.store, err)
		if again && j.recalled {
			j.end(false, errAlone)
		} else {
			j.end(err == nil && j.rotated, err)
		}
	}
}

// remember keeps the grant as it is after the change, if that is known. One that
// gets its place in a status list just now would ask for it again each time.
func (j *refreshJob) remember(s *Store, err error) {
	h := j.held
	if err != nil || !j.rotated || h.API.StatusList && h.Grant.StatusIndex == 0 {
		s.grants.forget(j.hash)
		return
	}
	h.Grant.Rotation, h.Grant.Mark = j.change.to, latest(h.Grant.Mark, j.change.mark)
	if !j.change.idle.IsZero() {
		h.Grant.IdleExpiry = j.change.idle
	}
	if !j.change.sessionIdle.IsZero() {
		h.Session.IdleExpiry = j.change.sessionIdle
	}
	s.grants.keep(j.hash, h, j.version)
}
