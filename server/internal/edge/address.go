package edge

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/writ-auth/writ/server/internal/auth"
)

// maxForwarded bounds the entries of X-Forwarded-For that are looked at; no
// honest chain of proxies is longer.
const maxForwarded = 32

// Forwarded finds the client's address behind proxies. Each proxy appends the
// address it was called from to X-Forwarded-For, so that list can be believed
// from its right end only, and only as far as the entries are proxies of ours:
// the first that isn't is the client, and what stands to its left is whatever
// the client chose to write. If the peer is no trusted proxy the header isn't
// looked at: with it anybody could choose the address that throttling counts.
//
// An entry that is no address, where it matters, is CodeInvalid: guessing would
// count the request against a proxy or against nobody.
func Forwarded(r *http.Request, trusted []netip.Prefix) (netip.Addr, error) {
	addr := peer(r)
	if !isTrusted(addr, trusted) {
		return addr, nil // as most are, and the header is long if they like
	}
	entries := forwardedFor(r.Header)
	for n := 0; len(entries) > 0 && isTrusted(addr, trusted); n++ {
		if n == maxForwarded {
			return netip.Addr{}, auth.Errorf(auth.CodeInvalid, "X-Forwarded-For is too long")
		}
		var ok bool
		if addr, ok = parseForwarded(entries[len(entries)-1]); !ok {
			return netip.Addr{}, auth.Errorf(auth.CodeInvalid, "X-Forwarded-For is malformed")
		}
		entries = entries[:len(entries)-1]
	}
	return addr, nil
}

// forwardedFor is the list of all X-Forwarded-For lines, which mean the same as
// one line with commas (RFC 9110, section 5.3).
func forwardedFor(h http.Header) []string {
	values := h.Values("X-Forwarded-For")
	if len(values) == 0 {
		return nil
	}
	return strings.Split(strings.Join(values, ","), ",")
}

// parseForwarded reads an address, with or without a port.
func parseForwarded(entry string) (netip.Addr, bool) {
	entry = strings.Trim(entry, " \t")
	if addr, err := netip.ParseAddr(entry); err == nil {
		return usable(addr)
	}
	if host, ok := strings.CutPrefix(entry, "["); ok {
		if host, ok = strings.CutSuffix(host, "]"); ok {
			addr, err := netip.ParseAddr(host)
			return usableIf(addr, err == nil && addr.Is6())
		}
	}
	port, err := netip.ParseAddrPort(entry)
	return usableIf(port.Addr(), err == nil)
}

func usableIf(addr netip.Addr, ok bool) (netip.Addr, bool) {
	if !ok {
		return netip.Addr{}, false
	}
	return usable(addr)
}

// usable is addr in its one form. A zone means something on the proxy's machine
// alone, and would give one client countless addresses.
func usable(addr netip.Addr) (netip.Addr, bool) {
	if addr.Zone() != "" {
		return netip.Addr{}, false
	}
	return addr.Unmap(), true
}

func isTrusted(addr netip.Addr, trusted []netip.Prefix) bool {
	for _, p := range trusted {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// peer is the address at the other end of the connection.
func peer(r *http.Request) netip.Addr {
	port, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return port.Addr().Unmap().WithZone("")
}
