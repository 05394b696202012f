package guard

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// credential is what somebody shows.
type credential struct {
	token string
	// unread says that token is the rest of a header line, of which nobody has
	// looked yet whether it is one token. A token that is known is one, and the
	// search for what mustn't be in it would take as long as all else together.
	unread bool
	// request is set where the token came under the scheme DPoP: it is good with
	// a proof of possession alone, and the proof is about this request.
	request *http.Request
}

// check refuses what can't be one token: of "one, two", whoever stands before
// this API may have checked the other. What characters a token has is left to
// the verifier.
func (c credential) check() error {
	if c.unread && strings.ContainsAny(c.token, " \t,") {
		return ErrBadRequest
	}
	return nil
}

// credential returns the one token of a request: that of the Authorization
// header, under the scheme Bearer or DPoP, or, if there is none, the configured
// cookie.
func (g *Guard) credential(r *http.Request) (credential, error) {
	lines := r.Header["Authorization"]
	token, err := bearer(lines)
	if err != ErrNoToken {
		return credential{token: token, unread: true}, err
	}
	if len(lines) > 0 {
		if token, err = unusual(lines[0], schemeDPoP); err != ErrNoToken {
			return credential{token, true, r}, err
		}
	}
	if g.cfg.Cookie == "" {
		return credential{}, none(lines)
	}
	token, err = cookie(r.Header["Cookie"], g.cfg.Cookie)
	if err == ErrNoToken {
		return credential{}, none(lines)
	}
	if err != nil {
		return credential{}, err
	}
	if !safe(r) && !g.sameSite(r) {
		return credential{}, ErrCrossSite
	}
	return credential{token: token}, nil
}

// none is ErrNoToken, and says so where there is a header: whoever forgot to
// write "Bearer" would look for the fault everywhere else.
func none(lines []string) error {
	if len(lines) == 0 {
		return ErrNoToken
	}
	return fmt.Errorf("%w: the Authorization header has another scheme than Bearer", ErrNoToken)
}

// The schemes of RFC 6750 and RFC 9449 section 7.1.
const (
	scheme     = "Bearer"
	schemeDPoP = "DPoP"
)

// bearer reads an Authorization header (RFC 6750 section 2.1): exactly one
// line, the scheme in any case, spaces, and what credential.check has to find to
// be one token. Of two lines, whoever stands before this API may have checked
// the other one. Another scheme is no bearer token.
func bearer(lines []string) (string, error) {
	switch {
	case len(lines) == 0:
		return "", ErrNoToken
	case len(lines) > 1:
		return "", ErrBadRequest
	}
	line := lines[0]
	if token, ok := strings.CutPrefix(line, scheme+" "); ok && token != "" && token[0] != ' ' {
		return token, nil // as nearly all write it
	}
	return unusual(line, scheme)
}

// unusual reads the token of a scheme, however the scheme is written.
func unusual(line, scheme string) (string, error) {
	if len(line) < len(scheme) || !strings.EqualFold(line[:len(scheme)], scheme) {
		return "", ErrNoToken
	}
	rest := line[len(scheme):]
	token := strings.TrimLeft(rest, " ")
	switch {
	case rest != "" && rest == token: // "Bearerish", another scheme
		return "", ErrNoToken
	case token == "":
		return "", ErrBadRequest
	}
	return token, nil
}

// cookie finds a cookie's value. A name that comes twice is refused: a
// neighbouring host or a page on another path may have set the second, and
// nobody can tell which one a proxy has looked at.
func cookie(lines []string, name string) (value string, err error) {
	const blanks = " \t\r\n" // what net/http, which others behind us may read with, takes for them
	found := false
	for _, line := range lines {
		for part := range strings.SplitSeq(line, ";") {
			n, v, _ := strings.Cut(part, "=")
			if strings.Trim(n, blanks) != name {
				continue
			}
			if found {
				return "", ErrBadRequest
			}
			value, found = strings.Trim(v, blanks), true
		}
	}
	if value == "" {
		return "", ErrNoToken
	}
	return value, nil
}

// safe reports whether a request changes nothing, so that it does no harm if
// another site makes a browser send it: that site can't read the answer. A
// WebSocket begins with a GET, but what follows can be read and changes things.
func safe(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return len(r.Header["Upgrade"]) == 0
	}
	return false
}

// sameSite reports whether a browser says that one of our own pages sent the
// request. Without either header it may be an old browser, or no browser at
// all; then nobody vouches for it. A client that isn't a browser has a header
// for its token.
func (g *Guard) sameSite(r *http.Request) bool {
	if site := r.Header["Sec-Fetch-Site"]; len(site) == 1 && site[0] == "same-origin" {
		return true
	}
	origin := r.Header["Origin"]
	return len(origin) == 1 && slices.Contains(g.cfg.TrustedOrigins, origin[0])
}
