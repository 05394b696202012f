// Package credential hashes and verifies passwords.
//
// New hashes are Argon2id with OWASP's parameters (19 MiB, two passes, one
// lane), as PHC strings; bcrypt is understood too, for accounts that were
// brought along. A hash is made to be expensive, so it is also the cheapest way
// to exhaust a server: all of them run in one pool, bounded by memory and by
// processors, and those that wait stand in a bounded queue that serves each
// client's network in turn. What doesn't fit is told to come back
// (CodeUnavailable, 503) rather than left to pile up.
//
// Passwords are taken as the bytes that came, without Unicode normalisation:
// the two ways to type an "é" are two passwords. Normalising would have to stay
// the same for as long as any hash lives.
package credential

import (
	"context"
	"errors"
	"net/netip"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

const (
	queuePerWorker = 64              // at 20 to 40 ms a hash, the last in line waits two seconds or so
	maxWait        = 5 * time.Second // imported hashes may be slower; nobody waits longer than this
	retryAfter     = 2 * time.Second

	// Who finds no place hears so after a while: a crowd that asks again at once
	// would have the server do nothing but refuse. So many at a time are kept
	// waiting; a larger crowd comes over more connections than a server should
	// be left with.
	refusal     = time.Second
	maxRefusals = 1000
)

// Options size a Hasher's pool.
type Options struct {
	// Memory is how many bytes the hashes that are computed at one time may
	// take; one always may. The garbage collector can hold as much again for a
	// while.
	Memory  int64
	Workers int // hashes at once; 0: half as many as GOMAXPROCS, rounded up

	// Beside is a command line that calls Serve with its standard input and
	// output. It is started with a lower priority while many sign in, and hashes
	// for them. Nil: everything is hashed in this process, as it is where such a
	// process can't be started.
	Beside func() *exec.Cmd
}

// Hasher hashes and verifies passwords in a bounded pool. It is safe for
// concurrent use.
type Hasher struct {
	memory  int64 // the budget, bytes
	size    int64 // of the pool, bytes: the default hash times the workers
	queue   queue
	refused chan struct{} // holds one for each who is being refused
	running atomic.Int64
	pace    pace
	beside  beside
}

// New makes a Hasher. The number of workers is what both processors and memory
// allow.
func New(opts Options) *Hasher {
	workers := int64(opts.Workers)
	if workers <= 0 {
		workers = int64(runtime.GOMAXPROCS(0)+1) / 2 // a sign-in may wait better than everything else
	}
	memory := max(opts.Memory, standard().bytes())
	workers = min(workers, memory/standard().bytes())
	size := workers * standard().bytes()
	h := &Hasher{
		memory: memory, size: size, queue: queue{free: size, room: int(workers * queuePerWorker)},
		refused: make(chan struct{}, maxRefusals),
	}
	if Lowers {
		h.beside.command = opts.Beside
	}
	return h
}

// Close ends the process of Options.Beside. The Hasher may be used after it.
func (h *Hasher) Close() { h.beside.close() }

// Depth is how many hashes are being computed and how many wait, for metrics.
func (h *Hasher) Depth() (running, waiting int) {
	return int(h.running.Load()), h.queue.length()
}

type networkKey struct{}

// Network says for which client's network the hashes under the context are.
// Those under none share one turn, as if they came from one client.
func Network(ctx context.Context, network netip.Prefix) context.Context {
	return context.WithValue(ctx, networkKey{}, network)
}

// Hash makes the PHC string of a password. It doesn't check the policy; see
// Check. It fails with CodeUnavailable when the pool is full, and with ctx's
// error when that ends while waiting.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	done, err := h.compute(ctx, standard().bytes(), costStandard, job{Password: []byte(password)})
	return done.Hash, err
}

// Verify reports whether password is the one that hash was made of. A hash that
// can't be read or would cost more than the budget is an error, as are those of
// Hash. A password longer than MaxPassword is wrong, at the usual cost.
func (h *Hasher) Verify(ctx context.Context, hash, password string) (bool, error) {
	p, err := parse(hash)
	if err != nil {
		return false, err
	}
	if p.bytes() > h.memory {
		return false, ErrCost
	}
	if len(password) > MaxPassword {
		return false, h.VerifyNobody(ctx, password)
	}
	cost := costStandard
	if !p.current() {
		cost = costOf(hash)
	}
	done, err := h.compute(ctx, p.bytes(), cost, job{Hash: hash, Password: []byte(password)})
	return done.Right, err
}

// VerifyNobody costs what Verify of a new hash does, and finds nothing: so that
// the time an answer takes doesn't tell whether there is such a user.
func (h *Hasher) VerifyNobody(ctx context.Context, password string) error {
	if len(password) > MaxPassword {
		password = password[:MaxPassword]
	}
	_, err := h.compute(ctx, standard().bytes(), costStandard, job{Hash: nobody().String(), Password: []byte(password)})
	return err
}

// NeedsRehash reports whether hash isn't what Hash makes today. The caller
// hashes the password anew while it is at hand.
func (h *Hasher) NeedsRehash(hash string) bool {
	p, err := parse(hash)
	return err != nil || !p.current()
}

// costStandard names what a hash of today costs; costOf what one costs that was
// made otherwise: its algorithm and parameters.
const costStandard = "standard"

func costOf(hash string) string {
	fields := strings.Split(hash, "$")
	if n := 3; len(fields) > n { // "", 2b, 10 of bcrypt; what follows is the hash
		if fields[1] == "argon2id" {
			n++ // "", argon2id, v=19, m=…,t=…,p=…
		}
		fields = fields[:n]
	}
	return strings.Join(fields, "$")
}

// compute has a job done when its turn has come.
func (h *Hasher) compute(ctx context.Context, bytes int64, cost string, j job) (done outcome, err error) {
	err = h.run(ctx, bytes, cost, func() (here bool) {
		done, here = h.beside.do(j)
		return here
	})
	return done, err
}

// run calls work when its turn has come and there is room for so many bytes.
// Where work says that it was here and others want the processor, the room stays
// taken for a while after it, and the next are hashed beside this process; as
// they are where some wait.
func (h *Hasher) run(ctx context.Context, bytes int64, cost string, work func() (here bool)) error {
	weight := min(max(bytes, standard().bytes()), h.size) // an expensive hash takes more places, at most all
	if err := h.wait(ctx, weight); err != nil {
		return err
	}
	begin := time.Now() // not the injected clock: this is about the machine
	h.running.Add(1)
	here := true
	defer func() {
		h.running.Add(-1)
		var rest time.Duration
		if here {
			rest = h.pace.rest(cost, time.Since(begin))
			if rest > 0 || h.queue.length() > 0 {
				h.beside.wanted()
			}
		}
		h.leave(weight, rest)
	}()
	here = work()
	return nil
}

// leave gives the room back after a rest.
func (h *Hasher) leave(weight int64, rest time.Duration) {
	if rest <= 0 {
		h.queue.release(weight)
		return
	}
	time.AfterFunc(rest, func() { h.queue.release(weight) })
}

// errFull says that there is no place to wait, or none any more.
var errFull = errors.New("credential: the queue is full")

// wait stands in the queue. One that gives up leaves its place.
func (h *Hasher) wait(ctx context.Context, weight int64) error {
	network, _ := ctx.Value(networkKey{}).(netip.Prefix)
	bounded, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	err := h.queue.acquire(bounded, network, weight)
	if err == nil {
		return nil
	}
	if errors.Is(err, errFull) {
		h.delay(ctx)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return busy()
}

// delay is the time that a refusal takes.
func (h *Hasher) delay(ctx context.Context) {
	select {
	case h.refused <- struct{}{}:
		defer func() { <-h.refused }()
	default:
		return
	}
	timer := time.NewTimer(refusal)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func busy() error {
	return &auth.Error{Code: auth.CodeUnavailable, Message: "too many sign-ins at the moment; try again shortly", RetryAfter: retryAfter}
}
