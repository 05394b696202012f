package directory

import (
	"net/netip"
	"net/url"
	"strings"

	"github.com/writ-auth/writ/server/internal/auth"
)

const maxURI = 2048

// checkRedirectURIs checks where an authorization server may send a browser:
// https, http to this machine, or an application's own scheme (RFC 8252,
// section 7). A browser is sent to exactly what stands here, so nothing in it
// may leave room for interpretation.
func checkRedirectURIs(field string, list []string) error {
	if err := checkSet(field, list); err != nil {
		return err
	}
	for _, s := range list {
		u, err := parseURI(field, s)
		if err != nil {
			return err
		}
		if !secureURL(u) && !privateUse(u) {
			return auth.Invalid(field, "%.128q must be https, http to a loopback address, or have a scheme with a dot in it (RFC 8252)", s)
		}
		for _, name := range []string{"code", "state", "iss", "error", "response"} {
			if u.Query().Has(name) {
				return auth.Invalid(field, "%.128q has the parameter %q, which belongs to the answer", s, name)
			}
		}
	}
	return nil
}

// checkURL checks one address that Writ itself will call or send a browser to.
func checkURL(field, s string) error {
	if s == "" {
		return nil
	}
	u, err := parseURI(field, s)
	if err != nil {
		return err
	}
	if !secureURL(u) {
		return auth.Invalid(field, "%s must be https, or http to a loopback address", field)
	}
	return nil
}

// parseURI reads an absolute URI without the parts by which one can pass for
// another: user information, a fragment, control characters, backslashes, which
// browsers take for slashes, and dots that walk up the path.
func parseURI(field, s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case len(s) > maxURI || err != nil || !u.IsAbs():
		return nil, auth.Invalid(field, "%.128q is no absolute URI of at most %d bytes", s, maxURI)
	case u.User != nil:
		return nil, auth.Invalid(field, "%.128q has user information", s)
	case strings.Contains(s, "#"):
		return nil, auth.Invalid(field, "%.128q has a fragment", s)
	case strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`\"<>^`+"`{|}*", r) }):
		return nil, auth.Invalid(field, "%.128q has characters that a URI can't have, or a wildcard", s)
	case strings.Contains(u.Path+"/", "/../"), strings.Contains(u.Path+"/", "/./"):
		return nil, auth.Invalid(field, "%.128q has dots for a path", s)
	}
	return u, nil
}

// secureURL says whether what is sent to u stays between its two ends.
func secureURL(u *url.URL) bool {
	if u.Opaque != "" || u.Hostname() == "" {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname())
}

func loopback(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.IsLoopback()
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// privateUse says whether u has a scheme of an application: a domain name
// backwards, which has a dot. So javascript: and data: have no chance.
func privateUse(u *url.URL) bool { return strings.Contains(u.Scheme, ".") }

// checkOrigins wants origins exactly as browsers send them (RFC 6454, section
// 6.2): they are compared byte for byte.
func checkOrigins(field string, list []string) error {
	if err := checkSet(field, list); err != nil {
		return err
	}
	for _, s := range list {
		u, err := parseURI(field, s)
		if err != nil {
			return err
		}
		if !secureURL(u) || s != u.Scheme+"://"+u.Host || s != strings.ToLower(s) || defaultPort(u) {
			return auth.Invalid(field, `%.128q must be an origin as browsers send it, such as "https://app.example.com"`, s)
		}
	}
	return nil
}

func defaultPort(u *url.URL) bool {
	port := u.Port()
	return strings.HasSuffix(u.Host, ":") || u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80"
}
