package api

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/edge"
)

// writeTime is how long a follower may take for an event. One that is slower is
// dropped: it comes back with the number that it has, and gets the rest at once.
const writeTime = 10 * time.Second

// places bounds how many may follow the log at once, apart for those who show
// that they are known here: strangers can't take their places.
type places struct {
	taken atomic.Int64
}

// take takes a place, if there is one; free gives it back.
func (p *places) take(most int) (free func(), ok bool) {
	if p.taken.Add(1) > int64(most) {
		p.taken.Add(-1)
		return nil, false
	}
	return func() { p.taken.Add(-1) }, true
}

// wantsStream reports whether a request asks for events. It names the media type
// itself: what takes anything (*/*) isn't made for an answer without an end.
func wantsStream(r *http.Request) bool {
	for _, line := range r.Header.Values("Accept") {
		for part := range strings.SplitSeq(line, ",") {
			kind, _, _ := strings.Cut(part, ";")
			if strings.EqualFold(strings.TrimSpace(kind), revlog.EventType) {
				return true
			}
		}
	}
	return false
}

// stream answers with events for as long as the follower takes them, beginning
// after the number in Last-Event-ID (HTML Standard, section 9.2) or after.
func (d *Door) stream(w http.ResponseWriter, r *http.Request, after uint64) error {
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		n, err := strconv.ParseUint(id, 10, 64)
		if err != nil {
			return auth.Invalid("Last-Event-ID", "Last-Event-ID must be the id of an event")
		}
		after = n
	}
	client, known := d.client(r)
	id, err := instanceOf(r)
	if err != nil {
		return err
	}
	free, err := d.placeForStream(known)
	if err != nil {
		return err
	}
	defer free()
	if known && id != "" {
		defer d.Revocations.Follow(verifierName(client, id))()
	}
	begun := false
	err = d.Revocations.Stream(r.Context(), after, func(event []byte) error {
		if !begun {
			begun = true
			streamHeader(w.Header())
		}
		return sendEvent(w, event)
	})
	if begun {
		return nil // the status is out; whoever has gone or been dropped knows
	}
	return unreadable(r.Context(), err)
}

func (d *Door) placeForStream(known bool) (free func(), err error) {
	kind, most := &d.strangers, d.Streams
	if known {
		kind, most = &d.verifiers, d.VerifierStreams
	}
	free, ok := kind.take(most)
	if !ok {
		return nil, &auth.Error{Code: auth.CodeUnavailable, Message: "Too many streams of revocations; ask without streaming.", RetryAfter: time.Second}
	}
	return free, nil
}

func streamHeader(h http.Header) {
	h.Set("Content-Type", revlog.EventType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
}

// sendEvent writes an event and sends it off. A connection that can't be given a
// deadline, as in a test, is written to without one.
func sendEvent(w http.ResponseWriter, event []byte) error {
	if err := edge.Extend(w, writeTime); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := w.Write(event); err != nil {
		return err
	}
	return http.NewResponseController(w).Flush()
}
