package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/writ-auth/writ/internal/base64url"
	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/edge"
	"github.com/writ-auth/writ/server/internal/edge/query"
)

// pageSize is how many entries an answer has where the request names no limit.
const pageSize = 5000

// spare is how much longer than the poll itself its connection may take.
const spare = 15 * time.Second

// revocations answers a page of the log to anybody: it names nobody. If the
// log can't be read the answer is 503 and no page, for a page says that there
// is nothing more.
func (d *Door) revocations(w http.ResponseWriter, r *http.Request) error {
	after, limit, wait, err := pollOf(r)
	if err != nil {
		return err
	}
	w.Header().Add("Vary", "Accept")
	if wantsStream(r) {
		return d.stream(w, r, after)
	}
	if wait > 0 {
		free, ok := d.waiters.take(d.Waiters)
		if !ok {
			return &auth.Error{Code: auth.CodeUnavailable, Message: "Too many are waiting for revocations; ask without wait.", RetryAfter: time.Second}
		}
		defer free()
		if err := edge.Extend(w, wait+spare); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
	}
	page, err := d.Revocations.Page(r.Context(), after, limit, wait)
	if err != nil {
		return unreadable(r.Context(), err)
	}
	w.Header().Set("Cache-Control", "no-store")
	return edge.WriteJSON(w, http.StatusOK, &page)
}

// fullPage answers a page of the log that never changes. Whoever caches it needs
// no trust: what the page says counts when a signed head covers it.
func (d *Door) fullPage(w http.ResponseWriter, r *http.Request) error {
	number, err := strconv.ParseUint(r.PathValue("number"), 10, 63)
	if err != nil {
		return auth.Errorf(auth.CodeNotFound, "Pages have numbers from 0.")
	}
	page, after, err := d.Revocations.FullPage(r.Context(), number)
	if err != nil {
		return unreadable(r.Context(), err)
	}
	etag := `"` + base64url.Encode(after[:]) + `"`
	w.Header().Set("ETag", etag)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	if r.Header.Get("If-None-Match") == etag {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	body, err := page.AppendJSON(nil)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, err = w.Write(body)
	return err
}

// pollOf reads the query. What it doesn't know it passes over: a newer follower
// may ask an older server.
func pollOf(r *http.Request) (after uint64, limit int, wait time.Duration, err error) {
	v, err := query.ReadLoosely(r, "after", "limit", "wait")
	if err != nil {
		return 0, 0, 0, err
	}
	if after, err = v.Uint("after", 0); err != nil {
		return 0, 0, 0, err
	}
	n, err := v.Uint("limit", pageSize)
	if err != nil || n < 1 {
		return 0, 0, 0, auth.Invalid("limit", "limit must be a whole number from 1")
	}
	wait, err = v.Duration("wait")
	return after, int(min(n, pageSize)), min(wait, revlog.MaxWait), err
}

func unreadable(ctx context.Context, err error) error {
	var e *auth.Error
	if errors.As(err, &e) || ctx.Err() != nil {
		return err
	}
	return &auth.Error{Code: auth.CodeUnavailable, Message: "The log can't be read now.", RetryAfter: time.Second, Err: err}
}
