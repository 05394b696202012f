package admin

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/directory"
	"github.com/writ-auth/writ/server/internal/edge"
)

// Backups makes back-ups.
type Backups interface {
	// Write writes one to w, unless another is being made.
	Write(ctx context.Context, w io.Writer, ev auth.Event) error
}

// stalled is how long a back-up waits for whoever receives it: meanwhile the
// database keeps what it would otherwise clear away.
const stalled = 30 * time.Second

// backup streams a back-up. One that fails under way ends without its last
// line, and its connection is cut: nobody takes it for a whole one.
func (d *Door) backup(w http.ResponseWriter, r *http.Request, actor directory.Actor) error {
	out := &slowWriter{w: w}
	err := d.Backups.Write(r.Context(), out, by(actor))
	if err != nil && out.begun {
		edge.Render(w, r, err) // for the access log: the answer has begun
		panic(http.ErrAbortHandler)
	}
	return err
}

// slowWriter gives each piece of an answer its own time.
type slowWriter struct {
	w        http.ResponseWriter
	begun    bool
	extended time.Time
}

func (s *slowWriter) Write(b []byte) (int, error) {
	if now := time.Now(); now.Sub(s.extended) > stalled/10 { // the connection's clock
		if err := edge.Extend(s.w, stalled); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return 0, err
		}
		s.extended = now
	}
	if !s.begun {
		s.begun = true
		h := s.w.Header()
		h.Set("Content-Type", "application/gzip")
		h.Set("Content-Disposition", `attachment; filename="writ.backup"`)
	}
	return s.w.Write(b)
}
