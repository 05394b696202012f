package edge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

// Front is the outermost handler of a listener. Log and Now must be set.
type Front struct {
	Issuer  string         // its scheme decides whether Strict-Transport-Security is sent
	Proxies []netip.Prefix // who may say X-Forwarded-For; nil: nobody
	Log     *slog.Logger
	Now     func() time.Time
	Observe func(Observation) // called after each request; nil: nobody is
}

// Observation is what metrics may know of a request: nothing a client can make
// endless values of.
type Observation struct {
	Method   string // one of HTTP's, else "other"
	Route    string // the pattern that matched, "" if none
	Status   int
	Duration time.Duration
}

// Handler wraps next, an http.ServeMux or a handler around one. Each request
// gets an id, a client address, the security headers, and a line in the log; a
// panic is answered with 500 and logged with its stack; and a path or method
// that no pattern matches is answered with a problem document.
func (f *Front) Handler(next http.Handler) http.Handler {
	strict, documents := secure(strings.HasPrefix(f.Issuer, "https://")), ofDocuments()
	ids := &requestIDs{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := f.Now()
		x := &exchange{Context: r.Context(), id: ids.next()}
		r = r.WithContext(x)
		a := &x.answer
		a.ResponseWriter, a.r, a.documents = w, r, documents
		header := a.Header()
		for _, h := range strict {
			header[h.name] = h.values
		}
		x.idValue[0] = x.id
		header["X-Request-Id"] = x.idValue[:]
		f.serve(next, a, r, x)
		f.account(a, r, x, start)
		if a.broken {
			panic(http.ErrAbortHandler) // the client must not take half an answer for a whole one
		}
	})
}

// serve answers r, come what may.
func (f *Front) serve(next http.Handler, a *answer, r *http.Request, x *exchange) {
	defer func() {
		if p := recover(); p != nil {
			f.panicked(a, r, x, p)
		}
	}()
	var err error
	if x.address, err = Forwarded(r, f.Proxies); err != nil {
		Render(a, r, err)
		return
	}
	next.ServeHTTP(a, r)
	if a.status == 0 {
		a.begin(http.StatusOK) // net/http sends the headers alone
	}
	if x.route == "" {
		x.route = r.Pattern
	}
}

func (f *Front) panicked(a *answer, r *http.Request, x *exchange, p any) {
	if x.route == "" {
		x.route = r.Pattern
	}
	if p == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so
		a.broken = true
		return
	}
	f.Log.ErrorContext(r.Context(), "panic", "request", x.id, "route", x.route, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	a.broken = a.status != 0
	Render(a, r, fmt.Errorf("panic: %T", p))
}

// account writes the access log and tells the observer. The path, the query,
// headers and bodies stay out: tokens and addresses travel in them.
func (f *Front) account(a *answer, r *http.Request, x *exchange, start time.Time) {
	end := f.Now()
	took := end.Sub(start)
	status := a.status
	if status == 0 {
		status = http.StatusOK // net/http sends it for a handler that wrote nothing
	}
	method := knownMethod(r.Method)
	if f.Observe != nil {
		f.Observe(Observation{Method: method, Route: x.route, Status: status, Duration: took})
	}
	line := accessLine{at: end, method: method, route: x.route, status: status, took: took, id: x.id, address: x.address}
	level := slog.LevelInfo
	if x.err != nil && (status >= 500 || x.late && !errors.Is(x.err, context.Canceled)) {
		level = slog.LevelError
		if status == http.StatusServiceUnavailable {
			level = slog.LevelWarn // overload is what the limits are for, no fault
		}
	}
	f.line(r.Context(), level, &line, x.err)
}

// line is f.Log.LogAttrs without looking up which line of the program it is
// called from, which takes as long as all the rest.
func (f *Front) line(ctx context.Context, level slog.Level, line *accessLine, fault error) {
	if !f.Log.Enabled(ctx, level) {
		return
	}
	if quick, ok := f.Log.Handler().(*Log); ok && level == slog.LevelInfo && quick.access(line) {
		return
	}
	record := slog.NewRecord(line.at, level, accessMessage, 0)
	record.AddAttrs(line.attrs()...)
	if level != slog.LevelInfo {
		record.AddAttrs(slog.String("error", fault.Error()))
	}
	_ = f.Log.Handler().Handle(ctx, record) // as LogAttrs does: there is nowhere to say so
}

func addressText(addr netip.Addr) string {
	if !addr.IsValid() {
		return "" // a Unix socket
	}
	return addr.String()
}

func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodOptions, http.MethodConnect, http.MethodTrace:
		return method
	}
	return "other"
}

// secure is the headers that every answer starts with. A door that serves pages
// or cacheable documents replaces what it must, so that what it forgets is the
// strict value.
//
// All answers share the values, which are replaced and never changed: the
// names are in their canonical form, and no slice has room for a second value.
func secure(hsts bool) []field {
	fields := []field{
		{"X-Content-Type-Options", []string{"nosniff"}},
		{"Cache-Control", []string{"no-store"}},
		{"Content-Security-Policy", []string{"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"}},
		{"Cross-Origin-Resource-Policy", []string{"same-origin"}},
	}
	if hsts {
		fields = append(fields, field{"Strict-Transport-Security", []string{"max-age=31536000"}})
	}
	return fields
}

// ofDocuments is those of every answer but the JSON that a program got for its
// Authorization header or for JSON, with which nobody is sent to an address: no
// window shows it. On the shortest answers they were a tenth of the work. The Referrer-Policy is
// same-origin: with no-referrer a form would send "Origin: null" and fail
// SameOrigin.
func ofDocuments() []field {
	return []field{
		{"X-Frame-Options", []string{"DENY"}},
		{"Referrer-Policy", []string{"same-origin"}},
		{"Cross-Origin-Opener-Policy", []string{"same-origin"}},
	}
}

// field is a header of many answers.
type field struct {
	name   string
	values []string
}

// answer notes what is sent, and puts a problem document in place of the plain
// text with which http.ServeMux answers what it has no pattern for.
type answer struct {
	http.ResponseWriter
	r         *http.Request
	documents []field
	status    int  // 0: nothing is sent yet
	replaced  bool // the mux's own text is dropped
	broken    bool // the answer was cut short
}

// Unwrap lets http.ResponseController reach the connection.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// WriteHeader sends the status.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 && a.fromMux(status) {
		Render(a, a.r, noSuchRoute(status))
		a.replaced = true
		return
	}
	if a.status == 0 && status >= 200 {
		a.begin(status)
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	if a.replaced {
		return len(b), nil
	}
	if a.status == 0 {
		a.begin(http.StatusOK)
		a.status = http.StatusOK
	}
	return a.ResponseWriter.Write(b)
}

// begin adds the headers of documents, but for those that the handler has set
// itself, unless what follows is JSON that no window shows.
func (a *answer) begin(status int) {
	h := a.Header()
	if status < 300 && plainJSON(h) && (a.r.Header["Authorization"] != nil || plainJSON(a.r.Header)) {
		return
	}
	for _, f := range a.documents {
		if _, ok := h[f.name]; !ok {
			h[f.name] = f.values
		}
	}
}

// plainJSON says that a message has JSON, and is not said to have anything else.
func plainJSON(h http.Header) bool {
	kind := h["Content-Type"]
	return len(kind) == 1 && kind[0] == typeJSON
}

// fromMux reports whether it is a ServeMux that answers: no pattern matched.
func (a *answer) fromMux(status int) bool {
	return a.r.Pattern == "" && (status == http.StatusNotFound || status == http.StatusMethodNotAllowed) &&
		a.Header().Get("Content-Type") != typeProblem
}

func noSuchRoute(status int) error {
	if status == http.StatusMethodNotAllowed {
		return auth.Errorf(auth.CodeMethodNotAllowed, "this address takes other methods; see the Allow header")
	}
	return auth.Errorf(auth.CodeNotFound, "there is nothing at this address")
}
