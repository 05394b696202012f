package relay

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
)

const (
	maxPage   = 5000             // entries in an answer
	writeTime = 10 * time.Second // for an event; who is slower is dropped
	spareTime = 15 * time.Second // for a poll, besides what it waits
)

// places bounds how many are served at once.
type places struct{ taken atomic.Int64 }

func (p *places) take(most int) (free func(), ok bool) {
	if p.taken.Add(1) > int64(most) {
		p.taken.Add(-1)
		return nil, false
	}
	return func() { p.taken.Add(-1) }, true
}

// Handler serves the log as its issuer does: pages, long polls and streams at
// /v1/revocations, and at /v1/revocations/pages/{k} what never changes.
func (r *Relay) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/revocations", r.revocations)
	mux.HandleFunc("GET /v1/revocations/pages/{page}", r.fullPage)
	return mux
}

// question is what a follower asks for.
type question struct {
	after uint64
	limit int
	wait  time.Duration
	event bool // a stream
}

// read reads a question. What it doesn't know it passes over: a newer follower
// may ask an older relay.
func read(req *http.Request) (q question, err error) {
	v := req.URL.Query()
	number := func(name string, preset uint64) uint64 {
		text := v.Get(name)
		if text == "" {
			return preset
		}
		n, e := strconv.ParseUint(text, 10, 64)
		if e != nil {
			err = fmt.Errorf("%s must be a whole number", name)
		}
		return n
	}
	q.after = number("after", 0)
	q.limit = int(min(max(number("limit", maxPage), 1), maxPage))
	if text := v.Get("wait"); text != "" {
		d, e := time.ParseDuration(text)
		if e != nil || d < 0 {
			err = errors.New("wait must be a duration such as 10s")
		}
		q.wait = min(d, revlog.MaxWait)
	}
	q.event = wantsEvents(req.Header.Values("Accept"))
	if id := req.Header.Get("Last-Event-ID"); q.event && id != "" {
		n, e := strconv.ParseUint(id, 10, 64)
		if e != nil {
			err = errors.New("Last-Event-ID must be the id of an event")
		}
		q.after = n
	}
	return q, err
}

// wantsEvents reports whether a request names the media type of events itself.
func wantsEvents(accept []string) bool {
	for _, line := range accept {
		for part := range strings.SplitSeq(line, ",") {
			kind, _, _ := strings.Cut(part, ";")
			if strings.EqualFold(strings.TrimSpace(kind), revlog.EventType) {
				return true
			}
		}
	}
	return false
}

func (r *Relay) revocations(w http.ResponseWriter, req *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Accept")
	q, err := read(req)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	now := r.current.Load()
	switch {
	case now == nil:
		busy(w, "nothing has come from the upstream yet")
	case q.event:
		r.stream(w, req, now, q.after)
	default:
		r.page(w, req, now, q)
	}
}

func busy(w http.ResponseWriter, why string) {
	w.Header().Set("Retry-After", "1")
	http.Error(w, why, http.StatusServiceUnavailable)
}

// page answers a page, at once or when there is something after the number.
func (r *Relay) page(w http.ResponseWriter, req *http.Request, now *view, q question) {
	if q.wait > 0 && now.Head.Head <= q.after {
		free, ok := r.polls.take(r.opts.Polls)
		if !ok {
			busy(w, "too many are waiting; ask without wait")
			return
		}
		defer free()
		if err := extend(w, q.wait+spareTime); err != nil {
			return
		}
		if now = r.await(req.Context(), now, q); now == nil {
			return
		}
	}
	answer := now.After(q.after, q.limit)
	body, err := answer.AppendJSON(nil)
	if err != nil {
		http.Error(w, "the log can't be written", http.StatusInternalServerError) // a log id that isn't UTF-8: Decode refuses it
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // who has gone has gone
}

// await waits for news. nil: nobody waits any more.
func (r *Relay) await(ctx context.Context, now *view, q question) *view {
	timer := time.NewTimer(q.wait)
	defer timer.Stop()
	for now.Head.Head <= q.after {
		select {
		case <-now.next:
			now = r.current.Load()
		case <-timer.C:
			return r.current.Load()
		case <-r.stopped:
			return r.current.Load()
		case <-ctx.Done():
			return nil
		}
	}
	return now
}

// stream sends events for as long as they are taken. There is no queue: who
// takes long gets in one event what came meanwhile, and who takes longer than
// writeTime is dropped.
func (r *Relay) stream(w http.ResponseWriter, req *http.Request, now *view, after uint64) {
	free, ok := r.streams.take(r.opts.Streams)
	if !ok {
		busy(w, "too many streams; ask without streaming")
		return
	}
	defer free()
	w.Header().Set("Content-Type", revlog.EventType)
	w.Header().Set("X-Accel-Buffering", "no") // nginx would hold events back
	for {
		var err error
		if after, err = r.send(w, now, after); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				r.counts.dropped.Add(1)
			}
			return
		}
		select {
		case <-now.next:
			now = r.current.Load()
		case <-r.stopped:
			return
		case <-req.Context().Done():
			return
		}
	}
}

// send sends what a view has after a number, one event at least, and answers
// the head; it is lower than the number if the log was set back.
func (r *Relay) send(w http.ResponseWriter, now *view, after uint64) (head uint64, err error) {
	for {
		event, last, err := now.Event(after)
		if err != nil {
			return 0, err
		}
		if err := extend(w, writeTime); err != nil {
			return 0, err
		}
		if _, err := w.Write(event); err != nil {
			return 0, err
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			return 0, err
		}
		r.counts.events.Add(1)
		if after = last; after >= now.Head.Head {
			return now.Head.Head, nil
		}
	}
}

// extend lets a request take until d from now. The read deadline moves too: when
// it passes, net/http ends the request's context.
func extend(w http.ResponseWriter, d time.Duration) error {
	c, until := http.NewResponseController(w), time.Now().Add(d)
	err := errors.Join(c.SetReadDeadline(until), c.SetWriteDeadline(until))
	if errors.Is(err, http.ErrNotSupported) { // a connection without deadlines, as in a test
		return nil
	}
	return err
}

// fullPage answers a page that never changes.
func (r *Relay) fullPage(w http.ResponseWriter, req *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	number, err := strconv.ParseUint(req.PathValue("page"), 10, 64)
	now := r.current.Load()
	if now == nil {
		busy(w, "nothing has come from the upstream yet")
		return
	}
	var page *revlog.FullPage
	var end revlog.Chain
	if err == nil {
		page, end = now.Window.Full(now.Head.Log, number)
	}
	if page == nil {
		w.Header().Set("Cache-Control", "no-store") // it may be full a moment later
		http.Error(w, "no such page, or it isn't full", http.StatusNotFound)
		return
	}
	body, err := page.AppendJSON(nil)
	if err != nil {
		http.Error(w, "the page can't be written", http.StatusInternalServerError)
		return
	}
	etag := fmt.Sprintf(`"%x"`, end[:16])
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.Header().Set("ETag", etag)
	if req.Header.Get("If-None-Match") == etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // who has gone has gone
}
