// Package api is the door /v1: signing in and out, refreshing, what people may
// do with their own account, and the revocation log. JSON in, JSON out; errors
// are problem documents.
//
// How credentials travel is the mode of a session. In token mode both tokens
// are in the body. In cookie mode they are in HttpOnly cookies, and never in a
// body, neither way: a script that got into a page can use the session but not
// carry it away. In session mode there is one opaque cookie and no token at
// all. A request that presents, sets or clears a cookie must come from an
// allowed origin. Package caller has the rules for who a request is from.
package api

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/directory"
	"github.com/writ-auth/writ/server/internal/edge"
	"github.com/writ-auth/writ/server/internal/edge/caller"
	"github.com/writ-auth/writ/server/internal/edge/query"
	"github.com/writ-auth/writ/server/internal/revocation"
	"github.com/writ-auth/writ/server/internal/session"
)

// Options are what a Door is made of; the fields up to Now are required.
type Options struct {
	Sessions    *session.Service
	Directory   *directory.Service
	Revocations Revocations
	Consents    Consents
	Callers     *caller.Finder
	Cookies     edge.Cookies
	Now         func() time.Time
	Waiters     int // how many may wait for a revocation at once; default 1,000

	// Verifier answers the client whose credentials a request has, if it has
	// some of an API that is registered here; default: none has. Those have
	// VerifierStreams places to follow the log (default 10,000), all others
	// Streams (default 200).
	Verifier        func(r *http.Request) (client string, ok bool)
	VerifierStreams int
	Streams         int
}

// Consents is what people allowed applications.
type Consents interface {
	List(ctx context.Context, userID string) ([]auth.Consent, error)
	Revoke(ctx context.Context, userID, clientID, address string) (seq uint64, err error)
}

// Revocations is the published log.
type Revocations interface {
	Page(ctx context.Context, after uint64, limit int, wait time.Duration) (revlog.Page, error)
	// FullPage answers a page that never changes, and the chain after it.
	FullPage(ctx context.Context, number uint64) (*revlog.FullPage, revlog.Chain, error)
	// Stream gives send one event after the other until ctx ends or send fails.
	Stream(ctx context.Context, after uint64, send func(event []byte) error) error
	// Follow, Acknowledge and Await are about verifiers that have streams here.
	Follow(verifier string) (leave func())
	Acknowledge(ctx context.Context, verifier, log string, seq uint64) error
	Await(ctx context.Context, seq uint64, wait time.Duration) (revocation.Acknowledged, error)
}

const (
	defaultWaiters         = 1000
	defaultVerifierStreams = 10_000
	defaultStreams         = 200
)

// Door is /v1 but for /v1/admin.
type Door struct {
	Options
	waiters, verifiers, strangers places // long polls and streams under way
}

// New makes the door.
func New(opts Options) *Door {
	opts.Waiters = cmp.Or(opts.Waiters, defaultWaiters)
	opts.VerifierStreams = cmp.Or(opts.VerifierStreams, defaultVerifierStreams)
	opts.Streams = cmp.Or(opts.Streams, defaultStreams)
	return &Door{Options: opts}
}

type route struct {
	pattern string
	handle  edge.Handler
}

func (d *Door) routes() []route {
	return []route{
		{"POST /v1/login", d.login},
		{"POST /v1/refresh", d.refresh},
		{"POST /refresh-token", d.refresh}, // the name that applications grew up with
		{"POST /v1/logout", patient(d.logout)},
		{"POST /v1/logout-all", patient(d.logoutAll)},
		{"POST /v1/signup", d.signup},
		{"GET /v1/me", d.me},
		{"PATCH /v1/me", d.updateMe},
		{"POST /v1/password/change", patient(d.changePassword)},
		{"GET /v1/sessions", d.sessions},
		{"DELETE /v1/sessions/{id}", patient(d.endSession)},
		{"GET /v1/consents", d.consents},
		{"DELETE /v1/consents/{client_id}", patient(d.revokeConsent)},
		{"GET /v1/revocations", d.revocations},
		{"GET /v1/revocations/pages/{number}", d.fullPage},
		{"POST /v1/revocations/ack", d.acknowledge},
	}
}

// Routes lists the door's patterns, for the documents that describe them.
func Routes() []string {
	var patterns []string
	for _, r := range new(Door).routes() {
		patterns = append(patterns, r.pattern)
	}
	return patterns
}

// Register adds the door's routes to mux.
func (d *Door) Register(mux *http.ServeMux) {
	paths := map[string]bool{}
	for _, r := range d.routes() {
		mux.Handle(r.pattern, d.shared(r.handle))
		_, path, _ := strings.Cut(r.pattern, " ")
		paths[path] = true
	}
	for path := range paths {
		mux.Handle("OPTIONS "+path, edge.Handler(d.preflight))
	}
}

// sequence answers the number in the revocation log at which an end is in
// force.
type sequence struct {
	Seq uint64 `json:"seq"`
	*revocation.Acknowledged
}

// ended answers what ended a session, and makes the browser forget the cookies
// that it presented.
func (d *Door) ended(w http.ResponseWriter, r *http.Request, seq uint64, err error) error {
	if err != nil {
		return err
	}
	if d.Cookies.Presented(r) {
		d.Cookies.ClearAll(w)
	}
	return d.inForce(w, r, seq)
}

// inForce answers a number, after every verifier has it if the request wants to
// wait. Whatever becomes of that, what was to end has ended.
func (d *Door) inForce(w http.ResponseWriter, r *http.Request, seq uint64) error {
	out := sequence{Seq: seq}
	if wait, _ := query.Wait(r); wait > 0 { // patient has looked at it
		if err := edge.Extend(w, wait+spare); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		if a, err := d.Revocations.Await(r.Context(), seq, wait); err == nil {
			out.Acknowledged = &a
		}
	}
	return edge.WriteJSON(w, http.StatusOK, out)
}

// patient is for requests that may want to wait until every verifier knows what
// they ended.
func patient(h edge.Handler) edge.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if _, err := query.Wait(r); err != nil {
			return err
		}
		return h(w, r)
	}
}

// user is what people see of themselves.
type user struct {
	ID            string    `json:"id"`
	Email         string    `json:"email"`
	EmailVerified bool      `json:"email_verified"`
	Username      string    `json:"username"`
	Name          string    `json:"name"`
	Roles         []string  `json:"roles"`
	CreatedAt     time.Time `json:"created_at"`
}

func newUser(u auth.User) user {
	return user{u.ID, u.Email, !u.VerifiedAt.IsZero(), u.Username, u.Name, append([]string{}, u.Roles...), u.CreatedAt.UTC()}
}

// addTo adds what package json would write.
func (u user) addTo(o *edge.Object) {
	o.Text("id", u.ID)
	o.Text("email", u.Email)
	o.Bool("email_verified", u.EmailVerified)
	o.Text("username", u.Username)
	o.Text("name", u.Name)
	o.Texts("roles", u.Roles)
	o.Time("created_at", u.CreatedAt)
}
