package guard

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/writ-auth/writ/dpop"
	"github.com/writ-auth/writ/jwt"
)

// Reasons that a Refusal wraps, besides those of package jwt.
var (
	ErrNoToken    = errors.New("no token")
	ErrBadRequest = errors.New("token is sent in a wrong way") // twice, or not as "Bearer token"
	ErrCrossSite  = errors.New("cookie on a request from another site")
	ErrRevoked    = errors.New("token was revoked")
	ErrProof      = errors.New("proof of possession is missing or not valid") // RFC 9449; wraps an error of package dpop
	ErrForbidden  = errors.New("token does not meet a rule")
	ErrStepUp     = errors.New("sign-in is too weak or too long ago") // RFC 9470
)

// retryAfterSeconds is the Retry-After of a 503. Whoever keeps the guard from
// its issuer is seldom done sooner.
const retryAfterSeconds = "2"

// Refusal is the error of Check, Verify and As. What it holds of the answer
// tells an honest client what to do, and a forger nothing: every bad token gets
// the same.
type Refusal struct {
	Status    int    // 401, 403, or 503 where keys or revocations are out of reach
	Code      string // the error code of RFC 6750 section 3.1, RFC 9449 or RFC 9470; "" if there is none
	Challenge string // the WWW-Authenticate header; "" if there is none
	err       error
	nonce     string // for the next proof; "" where none is demanded
}

// Error says why, for your log and not for the client.
func (r *Refusal) Error() string {
	if r.err == nil {
		return "guard: " + http.StatusText(r.Status)
	}
	return "guard: " + r.err.Error()
}

// Unwrap returns why: a *jwt.Error, one of the errors of this package, or what
// a Func returned.
func (r *Refusal) Unwrap() error { return r.err }

// forbidden is the error of a Func.
type forbidden struct{ err error }

func (f forbidden) Error() string   { return ErrForbidden.Error() + ": " + f.err.Error() }
func (f forbidden) Unwrap() []error { return []error{ErrForbidden, f.err} }

// challenges builds WWW-Authenticate headers.
type challenges struct{ start string }

// newChallenges returns those of a scheme.
func newChallenges(scheme, resource string) challenges {
	if resource == "" {
		return challenges{scheme + ` realm="api"`}
	}
	return challenges{scheme + ` resource_metadata=` + quote(metadataURL(resource))}
}

// with returns a challenge with parameters, given as names and values; those
// with an empty value are left out.
func (c challenges) with(params ...string) string {
	var b strings.Builder
	b.WriteString(c.start)
	if c.start == "" {
		b.WriteString(`Bearer realm="api"`)
	}
	for n := 0; n+1 < len(params); n += 2 {
		if params[n+1] != "" {
			b.WriteString(", " + params[n] + "=" + quote(params[n+1]))
		}
	}
	return b.String()
}

// quote writes a quoted-string (RFC 9110 section 5.6.4); control characters are
// dropped.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range []byte(s) {
		if c == '"' || c == '\\' {
			b.WriteByte('\\')
		}
		if c >= ' ' && c != 0x7f {
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// refused counts a refusal and builds it.
func (g *Guard) refused(err error, rules []Rule) *Refusal {
	g.counts.refuse(err)
	return g.refusal(err, rules)
}

// refusal builds the answer to an error. Whatever was wrong with a token gives
// the same answer; only what is out of reach, and what a good token lacks, give
// others.
func (g *Guard) refusal(err error, rules []Rule) *Refusal {
	r := &Refusal{err: err}
	deny := g.deny
	if g.challengesDPoP(err) {
		deny, r.nonce = g.denyDPoP, g.nextNonce()
	}
	switch {
	case errors.Is(err, ErrNoToken):
		r.Status, r.Challenge = http.StatusUnauthorized, deny.with()
	case errors.Is(err, ErrBadRequest):
		r.Status, r.Code = http.StatusUnauthorized, "invalid_request"
		r.Challenge = deny.with("error", r.Code)
	case errors.Is(err, ErrProof):
		r.Status, r.Code = http.StatusUnauthorized, proofCode(err)
		r.Challenge = deny.with("error", r.Code)
	case errors.Is(err, ErrCrossSite):
		r.Status = http.StatusForbidden
	case errors.Is(err, ErrStepUp):
		_, acr, maxAge := collect(rules)
		r.Status, r.Code = http.StatusUnauthorized, "insufficient_user_authentication"
		r.Challenge = deny.with("error", r.Code, "acr_values", acr, "max_age", maxAge)
	case errors.Is(err, ErrForbidden):
		scope, _, _ := collect(rules)
		r.Status, r.Code = http.StatusForbidden, "insufficient_scope"
		r.Challenge = deny.with("error", r.Code, "scope", scope)
	case errors.Is(err, jwt.ErrUnavailable):
		r.Status = http.StatusServiceUnavailable
	default:
		r.Status, r.Code = http.StatusUnauthorized, "invalid_token"
		r.Challenge = deny.with("error", r.Code)
	}
	return r
}

// Refuse answers a request with a refusal. Any other error is a bare 500.
func (g *Guard) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	var refusal *Refusal
	if !errors.As(err, &refusal) || refusal == nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	g.logRefusal(r.Context(), refusal)
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	if refusal.nonce != "" {
		header.Set(dpop.HeaderNonce, refusal.nonce)
	}
	if refusal.Status == http.StatusServiceUnavailable {
		header.Set("Retry-After", retryAfterSeconds)
	}
	render := g.cfg.Render
	if render == nil {
		render = renderProblem
	}
	fixed := &fixedAnswer{ResponseWriter: w, refusal: refusal}
	render(fixed, r, refusal)
	fixed.WriteHeader(0)
}

// logRefusal is for whoever looks why a client is refused. At other levels no
// line is made: a flood of bad tokens would be one of lines.
func (g *Guard) logRefusal(ctx context.Context, refusal *Refusal) {
	if g.cfg.Logger != nil && g.cfg.Logger.Enabled(ctx, slog.LevelDebug) {
		g.cfg.Logger.DebugContext(ctx, "request refused", "status", refusal.Status, "reason", refusal.Error())
	}
}

// fixedAnswer lets a Render function set headers and write a body, but neither
// the status nor the challenge: a 401 that is drawn as a 200 lets clients take
// an error page for data.
type fixedAnswer struct {
	http.ResponseWriter
	refusal *Refusal
	wrote   bool
}

func (a *fixedAnswer) WriteHeader(int) {
	if a.wrote {
		return
	}
	a.wrote = true
	a.Header().Del("WWW-Authenticate")
	if a.refusal.Challenge != "" {
		a.Header().Set("WWW-Authenticate", a.refusal.Challenge)
	}
	a.ResponseWriter.WriteHeader(a.refusal.Status)
}

func (a *fixedAnswer) Write(b []byte) (int, error) {
	a.WriteHeader(0)
	return a.ResponseWriter.Write(b)
}

// renderProblem writes a problem document (RFC 9457).
func renderProblem(w http.ResponseWriter, r *http.Request, refusal *Refusal) {
	body, err := json.Marshal(struct {
		Title  string `json:"title"`
		Status int    `json:"status"`
		Code   string `json:"code,omitempty"`
	}{http.StatusText(refusal.Status), refusal.Status, refusal.Code})
	if err != nil {
		return // strings and a number; the status alone would do
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(append(body, '\n')) // the client has gone: nobody to tell
}
