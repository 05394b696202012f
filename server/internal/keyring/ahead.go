package keyring

import (
	"context"
	"errors"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

// A clock that ran ahead, if but for a moment, has left keys that sign from a
// year on, and nothing would rotate until then. Times that no key of today's can
// have are brought forward, once they have stayed odd for a while: it may be this
// clock that is wrong, as that of a machine without a battery is when it starts.
const (
	oddAhead    = 24 * time.Hour // less is waited for
	oddPatience = time.Hour
)

func odd(signsFrom, latest time.Time) bool { return signsFrom.After(latest.Add(oddAhead)) }

// doubt brings forward when a key signs if no clock that is right can have said so.
func (a *advance) doubt(ctx context.Context, k *auth.Key, latest time.Time) error {
	if !odd(k.SignsFrom, latest) {
		return nil
	}
	since, known := a.r.odd[k.ID]
	if !known || since.After(a.now) {
		since = a.now
	}
	if a.now.Before(since.Add(oddPatience)) {
		a.odd[k.ID] = since
		a.await(since.Add(oddPatience))
		return nil
	}
	k.SignsFrom = latest
	return a.r.hasten(ctx, k.ID, latest, a.now)
}

// hasten lets a key sign from an earlier time on.
func (r *Ring) hasten(ctx context.Context, kid string, signsFrom, now time.Time) error {
	err := r.opts.Keys.HastenKey(ctx, kid, signsFrom, auth.Event{At: now, Action: "key.hasten", Target: kid, Verdict: "allowed",
		Reason: "announced by a clock that ran ahead"})
	if errors.Is(err, auth.ErrNotFound) {
		return nil // another node has done it
	}
	return err
}
