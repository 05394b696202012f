package authorization

import (
	"slices"
	"strconv"
	"strings"
)

// registered compares byte for byte: everything cleverer has been an attack
// (RFC 9700, section 2.1). Only the port of an application on the person's own
// machine is free, since it takes whichever it gets (RFC 8252, section 7.3).
func registered(list []string, uri string) bool {
	if slices.Contains(list, uri) {
		return true
	}
	host, rest, ok := loopback(uri)
	return ok && slices.ContainsFunc(list, func(known string) bool {
		knownHost, knownRest, ok := loopback(known)
		return ok && knownHost == host && knownRest == rest
	})
}

// loopback takes the port out of an http address at a loopback IP literal. A
// name, localhost too, is not one: what it resolves to is up to others.
func loopback(uri string) (host, rest string, ok bool) {
	for _, host := range []string{"http://127.0.0.1", "http://[::1]"} {
		rest, ok := strings.CutPrefix(uri, host)
		if !ok {
			continue
		}
		if port, isPort := strings.CutPrefix(rest, ":"); isPort {
			end := strings.IndexFunc(port, func(c rune) bool { return c < '0' || c > '9' })
			if end < 0 {
				end = len(port)
			}
			if n, err := strconv.ParseUint(port[:end], 10, 16); err != nil || n == 0 || port[0] == '0' {
				return "", "", false
			}
			rest = port[end:]
		}
		return host, rest, rest == "" || rest[0] == '/' || rest[0] == '?'
	}
	return "", "", false
}

// web says whether a browser can post a form to an address.
func web(uri string) bool {
	return strings.HasPrefix(uri, "https://") || strings.HasPrefix(uri, "http://")
}

// native says whether an address leads to an application on the person's
// machine that shares it with others: an own scheme, or this machine by whatever
// name. Plain http is registered for nothing else.
func native(uri string) bool { return !strings.HasPrefix(uri, "https://") }
