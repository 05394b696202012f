package store

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/server/internal/auth"
)

// Sweep removes what nobody can ask for any more: pages of the log, codes and
// assertions that have expired; sessions, with their grants, that have ended,
// that are past their absolute end or that nobody used for too long, when the
// last of their access tokens has expired as well; grants that are over in a
// session that lives on (see overGrants); and what is older in the audit than it
// is kept. Endings that were interrupted it finishes first. It works in small transactions, so that others need not wait, and
// answers how many rows it removed. Call it every few minutes: then the tables
// are as long as what is alive in them, and a little more.
//
// A refresh token of a grant that is gone is answered as one that never was.
//
// Of a fleet's nodes one sweeps at a time, and one that comes soon after another
// has nothing to do. A clock that leaps ahead removes nothing that is alive;
// see horizon.
func (s *Store) Sweep(ctx context.Context, now time.Time) (removed int64, err error) {
	s.sweeping.Lock()
	defer s.sweeping.Unlock()
	unfinished := s.finishAll(ctx, now) // what can't be is no reason to let the rest lie
	removed, err = s.tidy(ctx, now)
	return removed, errors.Join(unfinished, err)
}

// tidy is Sweep without the endings.
func (s *Store) tidy(ctx context.Context, now time.Time) (removed int64, err error) {
	now, due, err := s.believe(ctx, now)
	if err != nil || !due {
		return 0, err
	}
	for _, job := range s.chores(now) {
		n, err := s.sweep(ctx, job)
		removed += n
		if err != nil {
			return removed, err
		}
	}
	for _, job := range []func(context.Context, time.Time) (int64, error){s.sweepAudit, s.sweepLog, s.walk} {
		n, err := job(ctx, now)
		removed += n
		if err != nil {
			return removed, err
		}
	}
	return removed, nil
}

// chore removes rows by a statement whose last parameter is how many at most.
type chore struct {
	text string
	args []any
}

// A transaction removes sweepStep rows at most, and fewer where that takes longer
// than sweepTime: in a database that is much larger than what is kept of it in
// memory each row lies, with its places in ten indexes, on pages of its own.
const (
	sweepStep = 200
	sweepTime = 20 * time.Millisecond
)

// atOnce is how many rows the next transaction of a sweep removes.
func (s *Store) atOnce() int64 { return cmp.Or(s.pace, sweepStep) }

// gently lets remove do so in a transaction, unless another node sweeps, and then
// leaves others as much time as that took.
func (s *Store) gently(ctx context.Context, remove func(context.Context, *tx) (int64, error)) (n int64, err error) {
	began := s.elapsed()
	err = s.fenced(ctx, func(ctx context.Context, t *tx) (err error) {
		n, err = remove(ctx, t)
		return err
	})
	took := s.elapsed() - began
	s.pace = paced(s.atOnce(), took)
	wait(ctx, took)
	if err != nil {
		return 0, err
	}
	return n, nil
}

// paced is how many rows come after so many that took so long.
func paced(rows int64, took time.Duration) int64 {
	switch {
	case took > sweepTime:
		return max(rows/2, 10)
	case took < sweepTime/4:
		return min(rows*2, sweepStep)
	}
	return rows
}

func (s *Store) chores(now time.Time) []chore {
	const (
		ended = `DELETE FROM sessions WHERE id IN (
			SELECT id FROM sessions WHERE forget_at > 0 AND forget_at <= $1 ORDER BY forget_at LIMIT $2`
		expired = `DELETE FROM sessions WHERE id IN (
			SELECT id FROM sessions WHERE absolute_expiry > 0 AND absolute_expiry <= $1 ORDER BY absolute_expiry LIMIT $2`
		assertions = `DELETE FROM used_assertions WHERE (client_id, hash) IN (
			SELECT client_id, hash FROM used_assertions WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2`
		codes = `DELETE FROM codes WHERE hash IN (
			SELECT hash FROM codes WHERE forget_at <= $1 ORDER BY forget_at LIMIT $2`
		devices = `DELETE FROM devices WHERE hash IN (
			SELECT hash FROM devices WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2`
	)
	at := micros(now)
	return []chore{{ended, []any{at}}, {expired, []any{at}}, {assertions, []any{at}}, {codes, []any{at}},
		{devices, []any{micros(now.Add(-deviceMemory))}},
		{oldStatuses, []any{micros(now.Add(-statusRest))}}}
}

// deviceMemory is how long a device that still asks hears that its code has
// expired, and not that there was none.
const deviceMemory = 10 * time.Minute

// sweep does one chore to its end.
func (s *Store) sweep(ctx context.Context, c chore) (removed int64, err error) {
	text := c.text + s.engine.skipLocked + ")"
	for more := true; more && ctx.Err() == nil; {
		rows := s.atOnce()
		n, err := s.gently(ctx, func(ctx context.Context, t *tx) (int64, error) {
			return t.exec(ctx, text, append(c.args, rows)...)
		})
		if err != nil {
			return removed, err
		}
		removed += n
		more = n == rows
	}
	return removed, ctx.Err()
}

// fenced runs fn in a transaction if no other node sweeps at this moment. The
// lock goes with the transaction, and that, should this node stop, within
// seconds.
func (s *Store) fenced(ctx context.Context, fn func(context.Context, *tx) error) error {
	if !s.fleet() {
		return s.write(ctx, fn)
	}
	return s.hot(ctx, func(ctx context.Context, t *tx) error {
		var mine bool
		err := t.get(ctx, []any{&mine}, `SELECT pg_try_advisory_xact_lock($1)`, int64(lockSweep))
		if err != nil || !mine {
			return err
		}
		return fn(ctx, t)
	})
}

// A page of the log that is kept by few entries, which live much longer than the
// others, as those of keys do, goes all the same: they are added again at the
// end. So the log is at most about four times as long as what is alive in it.
const (
	moveAtMost = revlog.PageSize / 4
	notWorthIt = 15 * time.Minute // to move what expires so soon
)

// sweepLog removes pages from the beginning of the log, each in a transaction.
func (s *Store) sweepLog(ctx context.Context, now time.Time) (removed int64, err error) {
	const span = `SELECT COALESCE(MIN(seq), 0), COALESCE(MAX(seq), 0) FROM log`
	var lowest, head uint64
	if err := s.sql.get(ctx, []any{&lowest, &head}, span); err != nil {
		return 0, err
	}
	for last := firstOf(lowest) - 1 + revlog.PageSize; last <= head && ctx.Err() == nil; last += revlog.PageSize {
		n := int64(0)
		err := s.write(ctx, func(ctx context.Context, t *tx) (err error) {
			n, err = t.sweepPage(ctx, int64(last), now)
			return err
		})
		if removed += n; err != nil || n == 0 {
			return removed, err
		}
	}
	return removed, ctx.Err()
}

// sweepPage removes the log's first page, which ends with last, but for its last
// row. It removes nothing if too much of the page is alive.
func (t *tx) sweepPage(ctx context.Context, last int64, now time.Time) (removed int64, err error) {
	const live = `SELECT ` + logColumns + ` FROM log WHERE seq <= $1 AND (+expires_at = 0 OR +expires_at > $2) ORDER BY seq LIMIT $3`
	rows, err := all(ctx, t.statements, (*logRow).dest, live, last, micros(now), moveAtMost+1)
	if err != nil || len(rows) > moveAtMost || len(rows) > 0 && !outlasts(rows, now.Add(notWorthIt)) {
		return 0, err
	}
	end, err := t.logEnd(ctx)
	if err != nil {
		return 0, err
	}
	for _, r := range rows {
		e, err := r.entry()
		if err != nil {
			return 0, err
		}
		if err := t.appendLog(ctx, &end, e.Kind, e.Hash, r.expires); err != nil {
			return 0, err
		}
	}
	return t.exec(ctx, `DELETE FROM log WHERE seq < $1`, last)
}

// outlasts reports whether one of the entries is alive then.
func outlasts(rows []logRow, then time.Time) bool {
	return slices.ContainsFunc(rows, func(r logRow) bool { return r.expires == 0 || r.expires > micros(then) })
}

// horizon is up to when Sweep believes the clock. A machine that starts with a
// wrong time, or whose time somebody sets a year ahead by mistake, would remove
// every session and forget every revocation, though all is well an hour later.
// So time is believed as far as this process has seen it pass by the monotonic
// clock, from where Sweep came to last time, which the database knows; and a
// clock that is further ahead, after a long stop for one, is believed when it
// has stayed so for a day of work, of which the database knows too: a machine may
// be off every night. Until then Sweep works on, a little behind.
type horizon struct {
	to    time.Time
	at    time.Duration // of the process's life, when it was there
	ahead time.Duration // how long the clock has been too far ahead; 0: it is not
}

const (
	horizonSlack    = 15 * time.Minute
	horizonPatience = 24 * time.Hour
	settingHorizon  = "swept_to"
	sweepPause      = 2 * time.Minute // no node sweeps so soon after another
)

// advance answers the time to go by.
func (h *horizon) advance(now time.Time, elapsed time.Duration) time.Time {
	step := elapsed - h.at
	passed := h.to.Add(step)
	switch {
	case h.to.IsZero(), !now.After(passed.Add(horizonSlack)):
		h.to, h.ahead = now, 0
	case h.ahead == 0:
		h.to, h.ahead = passed, 1
	case h.ahead+step >= horizonPatience:
		h.to, h.ahead = now, 0
	default:
		h.to, h.ahead = passed, h.ahead+step
	}
	h.at = elapsed
	return h.to
}

// String is what the database keeps: where it is and, if so, how long the clock
// has been ahead.
func (h *horizon) String() string {
	text := strconv.FormatInt(micros(h.to), 10)
	if h.ahead > 0 {
		text += " " + h.ahead.String()
	}
	return text
}

// parseHorizon reads what the database keeps; ok is false for what is none.
func parseHorizon(text string) (h horizon, ok bool) {
	to, ahead, waits := strings.Cut(text, " ")
	n, err := strconv.ParseInt(to, 10, 64)
	if err == nil && waits {
		h.ahead, err = time.ParseDuration(ahead)
	}
	h.to = fromMicros(n)
	return h, err == nil
}

// believe answers the time to sweep by, and whether it is this node's turn.
func (s *Store) believe(ctx context.Context, now time.Time) (to time.Time, due bool, err error) {
	const put = `INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = $2`
	h := s.horizon
	text, err := s.Setting(ctx, settingHorizon)
	if err != nil && !errors.Is(err, auth.ErrNotFound) {
		return to, false, err
	}
	if stored, ok := parseHorizon(text); ok && micros(stored.to) != micros(h.to) {
		mine := !h.to.IsZero()
		h = stored // a node of another, or of an earlier life
		h.at = s.elapsed()
		if ago := now.Sub(h.to); mine && ago >= 0 && ago < sweepPause {
			s.horizon = h
			return to, false, nil
		}
	}
	to = h.advance(now, s.elapsed())
	err = s.single(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, put, settingHorizon, h.String())
		return err
	})
	if err == nil {
		s.horizon = h
	}
	return to, err == nil, err
}

// swept is what Sweep knows from one time to the next.
type swept struct {
	sweeping sync.Mutex
	horizon  horizon
	walked   string // the last session that walk looked at
	pace     int64  // see atOnce; 0: not known yet
	ahead    passed // in the audit
}
