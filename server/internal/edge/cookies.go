package edge

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

// Cookie says which of Writ's cookies is meant.
type Cookie int

// Writ's cookies.
const (
	RefreshCookie Cookie = iota // the refresh token
	AccessCookie                // the access token
	SessionCookie               // the opaque session, in session mode and for single sign-on
)

// maxCookie is how many bytes of name and value browsers keep (RFC 6265bis,
// section 5.6); they drop a larger cookie without a word.
const maxCookie = 4096

// Cookies knows the names and flags of Writ's cookies. They follow from the
// configured issuer alone: a header of the request, such as X-Forwarded-Proto,
// must not be able to take the Secure flag away.
//
// With an https issuer they are __Host-writ_rt (SameSite=Strict), __Host-writ_at
// and __Host-writ_s (Lax), Secure, HttpOnly, Path=/ and without Domain: the
// prefix makes browsers refuse such a cookie from a sibling host or over plain
// http, so nobody can plant one. With an http issuer on loopback the names have
// no prefix and there is no Secure.
type Cookies struct {
	kinds  [3]http.Cookie // without a value
	secure bool
}

// NewCookies makes the cookies of issuer. Two relaxations, both "" by default:
// domain, a parent domain of the issuer's host, makes the access cookie alone
// travel to sibling hosts; refreshPath scopes the refresh cookie to a path where
// Writ shares its host with an application. Both give up the __Host- prefix,
// which allows neither.
func NewCookies(issuer, domain, refreshPath string) (Cookies, error) {
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return Cookies{}, errors.New("edge: the issuer is no http or https URL")
	}
	c := Cookies{secure: u.Scheme == "https"}
	c.kinds[RefreshCookie] = c.kind("writ_rt", http.SameSiteStrictMode, "", refreshPath)
	c.kinds[AccessCookie] = c.kind("writ_at", http.SameSiteLaxMode, domain, "")
	c.kinds[SessionCookie] = c.kind("writ_s", http.SameSiteLaxMode, "", "")
	for _, k := range c.kinds {
		k.Value = "x"
		if err := k.Valid(); err != nil {
			return Cookies{}, fmt.Errorf("edge: cookie domain or path: %w", err)
		}
	}
	return c, nil
}

func (c Cookies) kind(name string, site http.SameSite, domain, path string) http.Cookie {
	prefix := ""
	switch {
	case c.secure && domain == "" && path == "":
		prefix = "__Host-"
	case c.secure:
		prefix = "__Secure-"
	}
	if path == "" {
		path = "/"
	}
	return http.Cookie{Name: prefix + name, Domain: domain, Path: path, Secure: c.secure, HttpOnly: true, SameSite: site}
}

// Name is the name of a cookie.
func (c Cookies) Name(which Cookie) string { return c.kinds[which].Name }

// Set adds a cookie to the answer that the browser keeps for maxAge, which is
// rounded down to seconds and at least one. A value that browsers would drop or
// misread is an error: CodeTokenTooLarge for its size, else internal.
func (c Cookies) Set(w http.ResponseWriter, which Cookie, value string, maxAge time.Duration) error {
	k := c.kinds[which]
	if len(k.Name)+len(value) > maxCookie {
		return auth.Errorf(auth.CodeTokenTooLarge, "the token has %d bytes and doesn't fit into a cookie", len(value))
	}
	if value == "" || !cookieSafe(value) {
		return fmt.Errorf("edge: the value of cookie %s is empty or has bytes that a cookie can't hold", k.Name)
	}
	k.Value, k.MaxAge = value, max(1, int(maxAge/time.Second))
	http.SetCookie(w, &k)
	return nil
}

// Clear makes the browser forget a cookie.
func (c Cookies) Clear(w http.ResponseWriter, which Cookie) {
	k := c.kinds[which]
	k.MaxAge = -1
	http.SetCookie(w, &k)
}

// ClearAll makes the browser forget all of Writ's cookies.
func (c Cookies) ClearAll(w http.ResponseWriter) {
	for which := range c.kinds {
		c.Clear(w, Cookie(which))
	}
}

// Read is the value of a cookie that r presents, "" if it has none. One sent
// twice is refused with CodeInvalid: somebody planted a second one, from a
// sibling host or under another path, and which of the two is the honest one
// can't be told. So is a value that Set can't have made.
func (c Cookies) Read(r *http.Request, which Cookie) (string, error) {
	name := c.Name(which)
	value, n := findCookie(r.Header, name)
	if n > 1 {
		return "", auth.Errorf(auth.CodeInvalid, "the cookie %s was sent twice", name)
	}
	if !cookieSafe(value) {
		return "", auth.Errorf(auth.CodeInvalid, "the cookie %s is malformed", name)
	}
	return value, nil
}

// Presented reports whether r carries any of Writ's cookies, be it malformed or
// empty: then SameOrigin must hold.
func (c Cookies) Presented(r *http.Request) bool {
	for which := range c.kinds {
		if _, n := findCookie(r.Header, c.Name(Cookie(which))); n > 0 {
			return true
		}
	}
	return false
}

// Strip removes Writ's cookies from r, so that what r is passed on to never
// sees them. Other cookies stay as they are.
func (c Cookies) Strip(r *http.Request) {
	lines := r.Header["Cookie"]
	r.Header.Del("Cookie")
	for _, line := range lines {
		if kept := c.strip(line); kept != "" {
			r.Header.Add("Cookie", kept)
		}
	}
}

func (c Cookies) strip(line string) string {
	var kept []string
	for pair := range strings.SplitSeq(line, ";") {
		name, _ := splitPair(pair)
		if pair = strings.Trim(pair, " \t"); pair != "" && !c.owns(name) {
			kept = append(kept, pair)
		}
	}
	return strings.Join(kept, "; ")
}

func (c Cookies) owns(name string) bool {
	return name == c.kinds[0].Name || name == c.kinds[1].Name || name == c.kinds[2].Name
}

// findCookie counts the cookies of a name and answers the last value. It reads
// the header itself: net/http drops a pair that it finds malformed, and two
// parsers that disagree about which of two cookies counts are an attack.
func findCookie(h http.Header, name string) (value string, n int) {
	for _, line := range h["Cookie"] {
		for pair := range strings.SplitSeq(line, ";") {
			if k, v := splitPair(pair); k == name {
				value = v
				n++
			}
		}
	}
	return value, n
}

func splitPair(pair string) (name, value string) {
	name, value, _ = strings.Cut(pair, "=")
	return strings.Trim(name, " \t"), strings.Trim(value, " \t")
}

// cookieSafe reports whether value has only the characters of base64url and of
// JWTs, all that Writ ever puts into a cookie.
func cookieSafe(value string) bool {
	for _, c := range []byte(value) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.', c == '~':
		default:
			return false
		}
	}
	return true
}
