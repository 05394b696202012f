package edge

import (
	"net/http"
	"strings"

	"github.com/writ-auth/writ/server/internal/auth"
)

// OAuthHandler is [Handler] for the endpoints under /oauth: [RenderOAuth] turns
// its errors into the answer.
type OAuthHandler func(w http.ResponseWriter, r *http.Request) error

// ServeHTTP makes an OAuthHandler an http.Handler.
func (h OAuthHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if x := exchangeOf(r); x != nil {
		x.route = r.Pattern
	}
	if err := h(w, r); err != nil {
		RenderOAuth(w, r, err)
	}
}

// RenderOAuth answers r with err as the endpoints under /oauth do: the JSON of
// RFC 6749, section 5.2. The codes of [auth] become those of the standards:
//
//	invalid_request            400  CodeInvalid, CodeTooLarge (413), CodeMediaType (415), CodeMethodNotAllowed (405), CodeTokenTooLarge (422)
//	invalid_client             401  CodeInvalidCredentials, CodeUnauthenticated
//	invalid_token              401  CodeInvalidToken (RFC 6750)
//	invalid_target             400  CodeInvalid where the field resource is to blame (RFC 8707, section 2)
//	invalid_grant              400  CodeSessionEnded, CodeStateLost
//	access_denied              403  CodeForbidden, CodeCrossSite, CodePasswordChange, CodeSignupDisabled
//	temporarily_unavailable    503  CodeUnavailable; 429 CodeTooMany
//	server_error               500  everything else
//
// A code that is already a name of the standards (such as "invalid_grant" or
// "unauthorized_client") stays as it is, with status 400.
func RenderOAuth(w http.ResponseWriter, r *http.Request, err error) {
	if begun := note(r, err); begun {
		return
	}
	e, status := public(r, err, oauthStatus)
	name := oauthName(e.Code)
	if e.Code == auth.CodeInvalid && e.Field == "resource" {
		name = "invalid_target"
	}
	h := w.Header()
	prepare(h, e)
	if status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", oauthChallenge(name))
	}
	send(w, status, typeJSON, map[string]string{"error": name, "error_description": describable(e.Message)})
}

func oauthName(code auth.Code) string {
	switch code {
	case auth.CodeInvalid, auth.CodeTooLarge, auth.CodeMediaType, auth.CodeMethodNotAllowed, auth.CodeNotFound,
		auth.CodeConflict, auth.CodeTokenTooLarge:
		return "invalid_request"
	case auth.CodeInvalidCredentials, auth.CodeUnauthenticated:
		return "invalid_client"
	case auth.CodeInvalidToken:
		return "invalid_token"
	case auth.CodeSessionEnded, auth.CodeStateLost:
		return "invalid_grant"
	case auth.CodeForbidden, auth.CodeCrossSite, auth.CodePasswordChange, auth.CodeSignupDisabled:
		return "access_denied"
	case auth.CodeTooMany, auth.CodeUnavailable:
		return "temporarily_unavailable"
	}
	if oauthStandard(code) {
		return string(code)
	}
	return "server_error"
}

// oauthStatus is Status but for what RFC 6749 answers with 400.
func oauthStatus(code auth.Code) int {
	if code == auth.CodeSessionEnded || code == auth.CodeStateLost || code == auth.CodeNotFound || code == auth.CodeConflict {
		return http.StatusBadRequest
	}
	if oauthStandard(code) {
		return http.StatusBadRequest
	}
	return Status(code)
}

// oauthStandard reports whether code is one that the OAuth specifications
// define for a token endpoint (RFC 6749 5.2, or for a pushed request (RFC 9126 2.3), RFC 8628 3.5, RFC 8707 2, RFC 9449 5).
func oauthStandard(code auth.Code) bool {
	switch code {
	case "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope",
		"authorization_pending", "slow_down", "expired_token", "access_denied", "invalid_target",
		"unsupported_response_type", "request_not_supported", "registration_not_supported",
		"invalid_dpop_proof", "use_dpop_nonce", "unsupported_token_type":
		return true
	}
	return false
}

func oauthChallenge(name string) string {
	if name == "invalid_token" {
		return challenge("Bearer", auth.CodeInvalidToken)
	}
	return `Basic realm="writ", charset="UTF-8"`
}

// describable keeps of s what error_description may hold (RFC 6749, section 5.2).
func describable(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == '"' || c == '\\' || c > '~' {
			return '\''
		}
		return c
	}, s)
}
