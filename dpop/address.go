package dpop

import (
	"net"
	"net/url"
	"strings"
)

// sameAddress compares htu with the address of the request: without query and
// fragment, after the normalisation of RFC 3986 sections 6.2.2 and 6.2.3, as
// section 4.3 of RFC 9449 wants it.
func sameAddress(htu, request string) error {
	got, ok := normalized(htu)
	if !ok {
		return bad("htu is no address")
	}
	want, ok := normalized(request)
	if !ok {
		return bad("the request's own address is not known")
	}
	switch {
	case got == want:
		return nil
	case got.scheme != want.scheme || got.host != want.host:
		return bad("htu has another scheme, host or port than this server is known by")
	}
	return bad("htu has another path than the request")
}

// address is what of a URL counts.
type address struct{ scheme, host, path string }

// normalized reads an absolute URL; false for what isn't one, or has a user's
// name, which no request has.
func normalized(raw string) (address, bool) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Opaque != "" || u.User != nil {
		return address{}, false
	}
	a := address{scheme: strings.ToLower(u.Scheme), path: cleanPath(u.EscapedPath())}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if a.scheme == "https" && port == "443" || a.scheme == "http" && port == "80" {
		port = ""
	}
	if strings.Contains(host, ":") || port != "" {
		host = net.JoinHostPort(host, port)
	}
	a.host = host
	return a, host != "" && (a.scheme == "https" || a.scheme == "http")
}

// cleanPath writes an escaped path in its one form: what needs no escape isn't
// escaped, what is has capital digits, and there are no dotted segments.
func cleanPath(p string) string {
	p = unescapeUnreserved(p)
	if !strings.HasPrefix(p, "/") {
		p = "/" + p
	}
	if !strings.Contains(p, "/.") {
		return p
	}
	var kept []string
	parts := strings.Split(p, "/")[1:]
	for i, part := range parts {
		last := i == len(parts)-1
		switch {
		case part == ".." && len(kept) > 0:
			kept = kept[:len(kept)-1]
		case part != "." && part != "..":
			kept = append(kept, part)
			continue
		}
		if last {
			kept = append(kept, "") // "/a/." is "/a/"
		}
	}
	return "/" + strings.Join(kept, "/")
}

// unescapeUnreserved undoes escapes of letters, digits and -._~ (RFC 3986
// section 6.2.2.2), and capitalises the rest.
func unescapeUnreserved(p string) string {
	if !strings.Contains(p, "%") {
		return p
	}
	var b strings.Builder
	for i := 0; i < len(p); i++ {
		if p[i] != '%' || i+2 >= len(p) {
			b.WriteByte(p[i])
			continue
		}
		c, err := url.PathUnescape(p[i : i+3])
		if err == nil && unreserved(c[0]) {
			b.WriteByte(c[0])
		} else {
			b.WriteString(strings.ToUpper(p[i : i+3]))
		}
		i += 2
	}
	return b.String()
}

func unreserved(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}
