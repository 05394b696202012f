package edge

import (
	"net/http"
	"slices"

	"github.com/writ-auth/writ/server/internal/auth"
)

// SameOrigin refuses, with CodeCrossSite, a request that another site may have
// made a browser send. A door calls it for every request that presents, sets or
// clears a Writ cookie: the cookie travels with a forged request too, so it is
// no proof that our own page asked.
//
// GET, HEAD and OPTIONS pass, for they change nothing. Everything else needs
// either "Sec-Fetch-Site: same-origin", which a page can't forge, or an Origin
// that is byte for byte on the allow list (the issuer's origin and the
// allowed_origins of the client "writ"). With neither header it is refused:
// net/http.CrossOriginProtection lets such a request pass, trusting that no
// browser sends it; a browser too old for both headers would make that wrong.
// A script that isn't a browser sends the token in the body instead, or says
// the Origin. "same-site" isn't enough: a sibling host may be somebody else's.
func SameOrigin(r *http.Request, allowed []string) error {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return nil
	}
	if site, ok := single(r, "Sec-Fetch-Site"); ok && site == "same-origin" {
		return nil
	}
	// "null" is the origin of sandboxed frames and of nobody in particular.
	if origin, ok := single(r, "Origin"); ok && origin != "null" && slices.Contains(allowed, origin) {
		return nil
	}
	return auth.Errorf(auth.CodeCrossSite, "A request with cookies needs Sec-Fetch-Site: same-origin, as browsers send it to their page's own server, or an Origin that is allowed.")
}

// single is the value of a header that was sent exactly once and not empty.
func single(r *http.Request, name string) (string, bool) {
	values := r.Header.Values(name)
	if len(values) != 1 || values[0] == "" {
		return "", false
	}
	return values[0], true
}
