package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
)

// history is what clients were told, and the checker of it. A fault, whatever
// it is, may cost answers; it may not make the server forget one. After each
// fault, audit wants to see again
//
//   - every session whose sign-in or refresh was acknowledged: its newest token
//     is honoured (nobody is signed out without cause),
//   - every log-out that was acknowledged: its token is refused, and its entry
//     stands in the revocation log under the number that was answered,
//   - the rules of used tokens: the one before the newest gets the newest again,
//     an older one ends the session, for good.
type history struct {
	server     *server
	refreshers []*refresher
	visitors   []*visitor
	giveUp     func()      // ends the requests of a load that are under way
	enough     atomic.Bool // the clients of a load begin nothing more

	mu         sync.Mutex
	faults     int
	outages    int // of them, those that the server could not work in
	refreshed  int // acknowledged, as are the next two
	signedIn   int
	repeated   int // a used token got its successor again
	caught     int // an old token ended its session
	lost       int // answers that never came
	refused    int // answers that said 503
	loggedOut  int
	ended      []ended
	checked    int // of ended, in every audit since
	violations []string
	output     string // of the server, at the first violation
}

// ended is a session whose end was acknowledged, or brought about by a token
// used twice.
type ended struct {
	token, sid string
	seq        uint64 // of its entry in the log; 0: not told
	at         time.Time
}

// entryLife is less than an entry of the log lives: an access token's lifetime.
const entryLife = 10 * time.Minute

// newHistory signs in the clients: refreshers, who keep a session as long as
// they are let, and visitors, who come and go.
func newHistory(t *testing.T, s *server, refreshers, visitors int) *history {
	t.Helper()
	h := &history{server: s}
	for i := range refreshers {
		r := &refresher{h: h, name: strconv.Itoa(i)}
		if err := r.signIn(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.refreshers = append(h.refreshers, r)
	}
	for range visitors {
		h.visitors = append(h.visitors, &visitor{h: h})
	}
	return h
}

func (h *history) violation(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.violations) == 0 {
		h.output = h.server.output.String()
	}
	h.violations = append(h.violations, fmt.Sprintf(format, args...))
}

func (h *history) add(n *int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	*n++
}

// report fails the test for every violation, and says what was seen.
func (h *history) report(t *testing.T) {
	t.Helper()
	for _, v := range h.violations[:min(10, len(h.violations))] {
		t.Error(v)
	}
	if len(h.violations) > 0 {
		t.Logf("at the first the server had written:\n%s", h.output)
	}
	t.Log(h)
}

func (h *history) String() string {
	return fmt.Sprintf("%d faults: %d refreshes, %d sign-ins and %d log-outs acknowledged, %d answers lost, %d times 503, %d used tokens repeated, %d old ones caught; %d violations",
		h.faults, h.refreshed, h.signedIn, h.loggedOut, h.lost, h.refused, h.repeated, h.caught, len(h.violations))
}

var (
	errRefused = errors.New("refused")     // with a reason that a client in the right never gets
	errBusy    = errors.New("unavailable") // 503, with all that belongs to it
)

// post is a request whose answer must be 200, or 503, or not come at all.
func (h *history) post(ctx context.Context, path, who string, body map[string]string, dst any) error {
	a, err := call(ctx, "POST", h.server.url(path), "", body)
	switch {
	case err != nil:
		h.add(&h.lost)
		return err
	case a.status == 503:
		h.add(&h.refused)
		if a.header.Get("Retry-After") == "" || a.code() != "unavailable" {
			h.violation("%s: 503 without Retry-After, or as %q", who, a.code())
		}
		return errBusy
	case a.status != 200 || json.Unmarshal(a.body, dst) != nil:
		h.violation("%s: %s answered %d %s after fault %d", who, path, a.status, a.code(), h.faults)
		return errRefused
	}
	return nil
}

// load lets all clients go on while fault happens among them: after some
// answers, at a moment that may fall anywhere. Each client stops when it gets
// no answer, at the latest after the fault.
func (h *history) load(t *testing.T, fault func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	h.giveUp = cancel
	h.enough.Store(false)
	var wg sync.WaitGroup
	for _, r := range h.refreshers {
		wg.Go(func() { r.run(ctx) })
	}
	for _, v := range h.visitors {
		wg.Go(func() { v.run(ctx) })
	}
	enough := h.answers() + len(h.refreshers) + rand.IntN(8*len(h.refreshers))
	for deadline := time.Now().Add(time.Minute); h.answers() < enough && time.Now().Before(deadline); {
		time.Sleep(rand.N(5 * time.Millisecond))
	}
	fault()
	h.enough.Store(true)
	wg.Wait()
	h.faults++
}

// answers is how much has been answered, well or not.
func (h *history) answers() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.refreshed + h.signedIn + h.loggedOut + h.refused + len(h.violations)
}

// audit asks the server for everything again. It has recovered: not even a 503
// is excused now.
func (h *history) audit(ctx context.Context) {
	before := len(h.violations)
	for _, r := range h.refreshers {
		r.audit(ctx)
	}
	for _, v := range h.visitors {
		v.audit(ctx)
	}
	h.refreshers[rand.IntN(len(h.refreshers))].replay(ctx)
	h.auditEnded(ctx)
	h.refreshers[rand.IntN(len(h.refreshers))].leave(ctx) // for the next audit
	for i := range h.violations[before:] {
		h.violations[before+i] = "audit: " + h.violations[before+i]
	}
}

// auditEnded looks at every session that has ended since the last audit, and
// at a few of those before.
func (h *history) auditEnded(ctx context.Context) {
	known := h.ended[:h.checked]
	sample := slices.Clone(h.ended[h.checked:])
	for range min(10, len(known)) {
		sample = append(sample, known[rand.IntN(len(known))])
	}
	for _, e := range sample {
		a, err := call(ctx, "POST", h.server.url("/v1/refresh"), "", map[string]string{"refresh_token": e.token})
		if err != nil || a.status != 401 || a.code() != "session_ended" {
			h.violation("an ended session's token got %d %s %v after fault %d", a.status, a.code(), err, h.faults)
		}
		if e.seq > 0 && time.Since(e.at) < entryLife {
			h.auditEntry(ctx, e)
		}
	}
	h.checked = len(h.ended)
}

// auditEntry looks a log-out up in the log.
func (h *history) auditEntry(ctx context.Context, e ended) {
	a, err := call(ctx, "GET", h.server.url(fmt.Sprintf("/v1/revocations?after=%d", e.seq-1)), "", nil)
	page := &revlog.Page{}
	if err == nil {
		page, err = revlog.Decode(a.body)
	}
	if err != nil || len(page.Entries) == 0 || page.Entries[0].Seq != e.seq || page.Entries[0].Hash != revlog.Hash(revlog.Session, e.sid) {
		h.violation("the log has no entry %d for the session that it ended: %d %v", e.seq, a.status, err)
	}
}

// refresher is a client with one session, who never does anything wrong.
type refresher struct {
	h                   *history
	name                string
	sid                 string
	token, before, past string // the newest, the one it was got for, and the one before that
}

// run refreshes until no answer comes. A refusal is a violation and not the
// end: a server that answers too early knows a moment later what it answered.
func (r *refresher) run(ctx context.Context) {
	for refusals := 0; refusals < 100 && !r.h.enough.Load(); {
		switch err := r.refresh(ctx); {
		case errors.Is(err, errRefused):
			refusals++
		case err != nil:
			return
		}
	}
}

// refresh presents the newest token.
func (r *refresher) refresh(ctx context.Context) error {
	var out tokens
	if err := r.h.post(ctx, "/v1/refresh", "client "+r.name, map[string]string{"refresh_token": r.token}, &out); err != nil {
		return err
	}
	if out.RefreshToken == "" || out.RefreshToken == r.token {
		r.h.violation("client %s: a refresh answered no new token", r.name)
		return errRefused
	}
	r.past, r.before, r.token = r.before, r.token, out.RefreshToken
	r.h.add(&r.h.refreshed)
	return nil
}

// audit refreshes once, and presents the token it used once more, as a second
// tab does.
func (r *refresher) audit(ctx context.Context) {
	if err := r.refresh(ctx); err != nil {
		if !errors.Is(err, errRefused) {
			r.h.violation("client %s: %v after fault %d", r.name, err, r.h.faults)
		}
		r.signInAgain(ctx)
		return
	}
	var again tokens
	if err := r.h.post(ctx, "/v1/refresh", "client "+r.name+" with its used token", map[string]string{"refresh_token": r.before}, &again); err != nil {
		return
	}
	if again.RefreshToken != r.token {
		r.h.violation("client %s: a token used twice has two successors", r.name)
	}
	r.h.add(&r.h.repeated)
}

// replay presents a token older than the used one, as a thief would, which
// ends the session.
func (r *refresher) replay(ctx context.Context) {
	if r.past == "" {
		return
	}
	a, err := call(ctx, "POST", r.h.server.url("/v1/refresh"), "", map[string]string{"refresh_token": r.past})
	if err != nil || a.status != 401 || a.code() != "session_ended" {
		r.h.violation("client %s: an old token got %d %s %v", r.name, a.status, a.code(), err)
	}
	r.h.ended = append(r.h.ended, ended{token: r.token})
	r.h.caught++
	r.signInAgain(ctx)
}

// leave logs out, which must stay so for ever, and signs in again.
func (r *refresher) leave(ctx context.Context) {
	if err := r.logOut(ctx); err != nil {
		r.h.violation("client %s can't log out: %v", r.name, err)
	}
	r.signInAgain(ctx)
}

// logOut ends the session. Where no answer comes it is not known whether it
// has ended, and not asked.
func (r *refresher) logOut(ctx context.Context) error {
	var out struct{ Seq uint64 }
	if err := r.h.post(ctx, "/v1/logout", "client "+r.name, map[string]string{"refresh_token": r.token}, &out); err != nil {
		return err
	}
	r.h.mu.Lock()
	defer r.h.mu.Unlock()
	r.h.ended = append(r.h.ended, ended{r.token, r.sid, out.Seq, time.Now()})
	r.h.loggedOut++
	return nil
}

// signInAgain is after a session that has ended; the server is well.
func (r *refresher) signInAgain(ctx context.Context) {
	if err := r.signIn(ctx); err != nil {
		r.h.violation("client %s can't sign in: %v", r.name, err)
	}
}

func (r *refresher) signIn(ctx context.Context) error {
	var out tokens
	err := r.h.post(ctx, "/v1/login", "client "+r.name, map[string]string{"email": adminEmail, "password": adminPassword}, &out)
	if err == nil {
		r.token, r.before, r.past, r.sid = out.RefreshToken, "", "", claimOf(out.AccessToken, "sid")
		r.h.add(&r.h.signedIn)
	}
	return err
}

// visitor signs in, refreshes and logs out, over and over.
type visitor struct {
	h    *history
	left *refresher // the session that a fault left standing
}

func (v *visitor) run(ctx context.Context) {
	for !v.h.enough.Load() && v.visit(ctx) == nil {
	}
}

func (v *visitor) visit(ctx context.Context) error {
	r := &refresher{h: v.h, name: "passing by"}
	if err := r.signIn(ctx); err != nil {
		return err
	}
	if err := r.refresh(ctx); err != nil {
		v.left = r
		return err
	}
	return r.logOut(ctx)
}

// audit asks for the session that the visitor could not end, and ends it.
func (v *visitor) audit(ctx context.Context) {
	if v.left != nil {
		v.left.audit(ctx)
		v.left = nil
	}
}
