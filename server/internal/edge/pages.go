package edge

import (
	"net/http"

	"github.com/writ-auth/writ/server/internal/auth"
)

// PageHandler is [Handler] for what people look at in a browser: Show turns its
// errors into a page. Show gets the error as the person may see it, with the
// status to answer it with.
type PageHandler struct {
	Serve func(w http.ResponseWriter, r *http.Request) error
	Show  func(w http.ResponseWriter, r *http.Request, status int, e *auth.Error)
}

// ServeHTTP makes a PageHandler an http.Handler.
func (h PageHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if x := exchangeOf(r); x != nil {
		x.route = r.Pattern
	}
	err := h.Serve(w, r)
	if err == nil || note(r, err) {
		return
	}
	e, status := public(r, err, Status)
	prepare(w.Header(), e)
	if status == http.StatusUnauthorized {
		status = http.StatusForbidden // a page has no challenge to answer
	}
	h.Show(w, r, status, e)
}

// KeepOpener leaves a page in sight of the one that opened it in a window of its
// own, which applications do to sign people in: without it a script finds that
// the window is closed, and has no opener to come back to. The policy is weighed
// at each redirect on the way, so that all of them need it. What the opener can
// do with our page is to leave it, see it close, and count frames, of which it
// has none; pages that no application waits for keep what [Front] sets.
func KeepOpener(w http.ResponseWriter) { w.Header().Set("Cross-Origin-Opener-Policy", "unsafe-none") }

// ReadQuery reads the query of r as ReadForm reads a body, and as strictly. It
// is for what a browser is sent to with parameters of other people's.
func ReadQuery(r *http.Request) (Form, error) { return parseForm(r.URL.RawQuery) }
