package edge

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

// codeInternal is the code of an error that has none: a fault of the server.
const codeInternal auth.Code = "internal_error"

// statusClientGone is logged for a request whose client went away before the
// answer; nobody receives it.
const statusClientGone = 499

// Status is the HTTP status of a code; 500 for one that has none.
//
//	400 invalid_request
//	401 invalid_credentials, unauthenticated, invalid_token, session_ended, state_lost,
//	    invalid_dpop_proof, use_dpop_nonce
//	403 password_change_required, forbidden, cross_site_request, signup_disabled
//	404 not_found
//	405 method_not_allowed
//	409 conflict
//	413 too_large
//	415 unsupported_media_type
//	422 token_too_large
//	429 too_many_requests
//	501 not_implemented
//	503 unavailable
func Status(code auth.Code) int {
	switch code {
	case auth.CodeInvalid:
		return http.StatusBadRequest
	case auth.CodeInvalidCredentials, auth.CodeUnauthenticated, auth.CodeInvalidToken,
		auth.CodeSessionEnded, auth.CodeStateLost, auth.CodeInvalidProof, auth.CodeUseNonce:
		return http.StatusUnauthorized
	case auth.CodePasswordChange, auth.CodeForbidden, auth.CodeCrossSite, auth.CodeSignupDisabled:
		return http.StatusForbidden
	case auth.CodeNotFound:
		return http.StatusNotFound
	case auth.CodeMethodNotAllowed:
		return http.StatusMethodNotAllowed
	case auth.CodeConflict:
		return http.StatusConflict
	case auth.CodeTooLarge:
		return http.StatusRequestEntityTooLarge
	case auth.CodeMediaType:
		return http.StatusUnsupportedMediaType
	case auth.CodeTokenTooLarge:
		return http.StatusUnprocessableEntity
	case auth.CodeTooMany:
		return http.StatusTooManyRequests
	case auth.CodeNotImplemented:
		return http.StatusNotImplemented
	case auth.CodeUnavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// Render answers r with err as a problem document (RFC 9457): type, title,
// status, detail, code, instance (the request's id), field where one is to
// blame, and the members of Error.Data, which can't replace those. Only an
// [auth.Error] says anything about itself; the rest is 500 and one sentence.
// The cause goes to the access log, and only there.
//
// An error answer sets no cookie, whatever the handler had begun: a refused
// refresh must leave the browser as it was. If the answer has begun already
// the client gets no more of it, and the log has the error.
func Render(w http.ResponseWriter, r *http.Request, err error) {
	if begun := note(r, err); begun {
		return
	}
	e, status := public(r, err, Status)
	h := w.Header()
	prepare(h, e)
	if status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", challenge(schemeOf(r), e.Code))
	}
	send(w, status, typeProblem, problem(r, e, status))
}

// note keeps err for the access log, and reports whether the answer to r is on
// its way already: then it can't be replaced.
func note(r *http.Request, err error) (begun bool) {
	x := exchangeOf(r)
	if x == nil {
		return false
	}
	x.err, x.late = err, x.answer.status != 0
	return x.late
}

// public is the error as the client may see it, and its status. A code that
// status doesn't know is as internal as none.
func public(r *http.Request, err error, status func(auth.Code) int) (*auth.Error, int) {
	var e *auth.Error
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &e) && status(e.Code) != http.StatusInternalServerError:
		return e, status(e.Code)
	case errors.As(err, &large):
		e = tooLarge(large.Limit)
	case errors.Is(err, context.Canceled) && r.Context().Err() != nil:
		return auth.Errorf(auth.CodeUnavailable, "the request was given up"), statusClientGone
	case errors.Is(err, context.DeadlineExceeded):
		e = &auth.Error{Code: auth.CodeUnavailable, Message: "the server took too long; try again", RetryAfter: time.Second}
	default:
		e = auth.Errorf(codeInternal, "something went wrong on our side")
	}
	return e, status(e.Code)
}

func tooLarge(limit int64) *auth.Error {
	return auth.Errorf(auth.CodeTooLarge, "the request body is larger than %d bytes", limit)
}

// prepare takes back what a handler said about the answer it didn't give.
func prepare(h http.Header, e *auth.Error) {
	for _, name := range []string{"Set-Cookie", "Content-Length", "Content-Encoding", "ETag", "Last-Modified", "Location"} {
		h.Del(name)
	}
	h.Set("Cache-Control", "no-store")
	RetryAfter(h, e)
}

// challenge is the WWW-Authenticate of a 401, which RFC 9110 (section 15.5.2)
// demands. Which of the token's checks failed isn't said (RFC 6750, section
// 3.1): it would help a forger.
func challenge(scheme string, code auth.Code) string {
	switch code {
	case auth.CodeInvalidToken, auth.CodeSessionEnded, auth.CodeStateLost:
		return scheme + ` realm="writ", error="invalid_token"`
	case auth.CodeInvalidProof, auth.CodeUseNonce:
		return `DPoP realm="writ", error="` + string(code) + `"`
	}
	return `Bearer realm="writ"`
}

// schemeOf is the scheme in which a caller hears about a token: the one they have
// used (RFC 9449, section 7.1).
func schemeOf(r *http.Request) string {
	if scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " "); strings.EqualFold(scheme, "DPoP") {
		return "DPoP"
	}
	return "Bearer"
}

// problem is the document. The type is "about:blank", so the title is the
// status in words (RFC 9457, section 4.2.1); clients branch on code.
func problem(r *http.Request, e *auth.Error, status int) map[string]any {
	p := make(map[string]any, len(e.Data)+7)
	for name, value := range e.Data {
		p[name] = value
	}
	p["type"], p["title"], p["status"] = "about:blank", title(status), status
	p["detail"], p["code"] = e.Message, e.Code
	if id := RequestID(r); id != "" {
		p["instance"] = id
	}
	if e.Field != "" {
		p["field"] = e.Field
	}
	return p
}

func title(status int) string {
	if status == statusClientGone {
		return "Client Closed Request"
	}
	return http.StatusText(status)
}

// send writes v as the body. What can't be encoded is a fault of ours that must
// not leave half a document behind.
func send(w http.ResponseWriter, status int, contentType string, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"type":"about:blank","status":500,"code":"internal_error"}`)
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // a client that went away is no error of ours
}
