// Package caller finds out who makes a request to Writ itself, for every door
// in the same way.
//
// A credential is a bearer token in the Authorization header or one of Writ's
// cookies. The rules, where a request has more than one:
//
//   - two Authorization headers, or one cookie twice, are refused: which of
//     them an intermediary looked at can't be told;
//   - a bearer token counts, and must be good: a bad one never falls back to a
//     cookie that the browser happened to send along;
//   - a cookie besides that is no longer good is passed over; one that is good
//     must be the same user's, else the request is refused as ambiguous.
//
// Whoever presents a cookie must also pass [edge.SameOrigin].
package caller

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/edge"
	"github.com/writ-auth/writ/server/internal/session"
)

// Finder finds callers. Every field is required.
type Finder struct {
	Issuer   string
	Sessions *session.Service
	Cookies  edge.Cookies
	// Origins lists the exact origins that may use Writ's cookies; it is asked
	// only where the issuer's own isn't enough.
	Origins func(context.Context) ([]string, error)
}

// Credentials are what a request presents, each "" if it does not.
type Credentials struct {
	Bearer  string // of the Authorization header
	Access  string // the access cookie
	Refresh string // the refresh cookie
	Session string // the session cookie
}

// Read reads the credentials of r, and refuses a request that presents a
// cookie from another site.
func (f *Finder) Read(r *http.Request) (c Credentials, err error) {
	if c.Bearer, err = bearer(r.Header); err != nil {
		return c, err
	}
	if c.Access, err = f.Cookies.Read(r, edge.AccessCookie); err != nil {
		return c, err
	}
	if c.Refresh, err = f.Cookies.Read(r, edge.RefreshCookie); err != nil {
		return c, err
	}
	if c.Session, err = f.Cookies.Read(r, edge.SessionCookie); err != nil {
		return c, err
	}
	return c, f.Guard(r)
}

// Guard refuses a request that presents a cookie from another site. It is for
// routes that look at no credential.
func (f *Finder) Guard(r *http.Request) error {
	if !f.Cookies.Presented(r) {
		return nil
	}
	return f.SameOrigin(r)
}

// SameOrigin refuses a request that another site may have made a browser send.
// A door calls it itself where it sets a cookie that the request didn't present.
func (f *Finder) SameOrigin(r *http.Request) error {
	refusal := edge.SameOrigin(r, []string{f.Issuer})
	if refusal == nil || r.Header.Get("Origin") == "" {
		return refusal
	}
	allowed, err := f.Origins(r.Context())
	if err != nil {
		return err
	}
	return edge.SameOrigin(r, allowed)
}

// Identify answers who makes the request r.
func (f *Finder) Identify(r *http.Request) (session.Identity, error) {
	c, err := f.Read(r)
	if err != nil {
		return session.Identity{}, err
	}
	return f.Who(r.Context(), c)
}

// Who answers whose credentials c are. CodeUnauthenticated if there is none
// that could say; a refresh cookie can't, it is good for refreshing alone.
func (f *Finder) Who(ctx context.Context, c Credentials) (session.Identity, error) {
	if c.Bearer == "" {
		return f.byCookies(ctx, c)
	}
	who, err := f.Sessions.ByToken(ctx, c.Bearer, false)
	if err != nil {
		return session.Identity{}, err
	}
	return who, f.Agree(ctx, c, who.User.ID)
}

// Agree refuses credentials whose cookies are good and another user's.
func (f *Finder) Agree(ctx context.Context, c Credentials, userID string) error {
	other, err := f.byCookies(ctx, c)
	switch {
	case Refused(err):
		return nil
	case err != nil:
		return err
	case other.User.ID != userID:
		return ambiguous()
	}
	return nil
}

// byCookies answers whose the cookies are. The access and the session cookie
// of one browser can both be there; then the good ones must be one user's.
func (f *Finder) byCookies(ctx context.Context, c Credentials) (session.Identity, error) {
	switch {
	case c.Access == "" && c.Session == "":
		return session.Identity{}, auth.Errorf(auth.CodeUnauthenticated, "Sign in first.")
	case c.Session == "":
		return f.Sessions.ByToken(ctx, c.Access, true)
	case c.Access == "":
		return f.Sessions.ByCookie(ctx, c.Session)
	}
	byAccess, err := f.Sessions.ByToken(ctx, c.Access, true)
	if err != nil && !Refused(err) {
		return byAccess, err
	}
	bySession, sessionErr := f.Sessions.ByCookie(ctx, c.Session)
	switch {
	case err != nil:
		return bySession, sessionErr
	case Refused(sessionErr):
		return byAccess, nil
	case sessionErr != nil:
		return bySession, sessionErr
	case bySession.User.ID != byAccess.User.ID:
		return session.Identity{}, ambiguous()
	}
	return byAccess, nil
}

func ambiguous() error {
	return auth.Errorf(auth.CodeInvalid, "The request has credentials of two users; send one.")
}

// Refused says whether err means that a credential is missing or not good, in
// contrast to one that couldn't be judged.
func Refused(err error) bool {
	var e *auth.Error
	return errors.As(err, &e) && edge.Status(e.Code) == http.StatusUnauthorized
}

// bearer reads the Authorization header, "" if there is none. A token anywhere
// else, such as the query, is none: addresses end up in logs.
func bearer(h http.Header) (string, error) {
	values := h.Values("Authorization")
	if len(values) == 0 {
		return "", nil
	}
	if len(values) > 1 {
		return "", auth.Errorf(auth.CodeInvalid, "There are two Authorization headers.")
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if token = strings.Trim(token, " "); !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", auth.Errorf(auth.CodeUnauthenticated, "The Authorization header must be Bearer and a token.")
	}
	return token, nil
}

// maxDevice is how many bytes of a User-Agent are kept.
const maxDevice = 256

// From says where a request comes from, as sessions and the audit keep it.
func From(r *http.Request) session.Request {
	from := session.Request{Device: clip(strings.ToValidUTF8(r.UserAgent(), "?"), maxDevice)}
	if addr := edge.ClientAddress(r); addr.IsValid() {
		from.Address = addr.String()
	}
	return from
}

// clip is the longest beginning of s that has at most n bytes and ends between
// two characters.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
