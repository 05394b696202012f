package authorization

import (
	"net/url"
	"testing"
)

// FuzzLoopback: whatever passes for a loopback address with another port goes
// to this machine, for everybody who reads addresses.
func FuzzLoopback(f *testing.F) {
	for _, s := range []string{"http://127.0.0.1:80/cb", "http://[::1]/cb", "http://127.0.0.1:80@evil.example/", "http://127.0.0.1.evil.example/", "http://127.0.0.1:1?x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		host, rest, ok := loopback(s)
		if !ok {
			return
		}
		u, err := url.Parse(s)
		if err != nil {
			return // net/url refuses it; such an address is never registered
		}
		if u.Scheme != "http" || u.User != nil || u.Hostname() != "127.0.0.1" && u.Hostname() != "::1" {
			t.Errorf("%q passes as %q and %q", s, host, rest)
		}
	})
}
