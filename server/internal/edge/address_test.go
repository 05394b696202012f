package edge_test

import (
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/writ-auth/writ/server/internal/edge"
)

func TestForwarded(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8"), netip.MustParsePrefix("127.0.0.1/32")}
	tests := []struct {
		name, peer string
		headers    []string
		want       string // "" for an error
	}{
		{"no proxy", "192.0.2.1:5000", nil, "192.0.2.1"},
		{"a stranger's header isn't read", "192.0.2.1:5000", []string{"198.51.100.9"}, "192.0.2.1"},
		{"nor is a stranger's nonsense", "192.0.2.1:5000", []string{"nonsense"}, "192.0.2.1"},
		{"proxy without header", "10.0.0.7:5000", nil, "10.0.0.7"},
		{"one proxy", "10.0.0.7:5000", []string{"198.51.100.9"}, "198.51.100.9"},
		{"spoofed entries on the left", "10.0.0.7:5000", []string{"1.1.1.1, 2.2.2.2, 198.51.100.9"}, "198.51.100.9"},
		{"spoofed nonsense on the left", "10.0.0.7:5000", []string{"<script>, 198.51.100.9"}, "198.51.100.9"},
		{"spoofed proxy on the left", "10.0.0.7:5000", []string{"10.0.0.8, 198.51.100.9"}, "198.51.100.9"},
		{"two proxies", "10.0.0.7:5000", []string{"198.51.100.9, 10.1.1.1"}, "198.51.100.9"},
		{"lines are one list", "10.0.0.7:5000", []string{"1.1.1.1", "198.51.100.9", "10.1.1.1"}, "198.51.100.9"},
		{"all are proxies", "10.0.0.7:5000", []string{"10.2.2.2,10.1.1.1"}, "10.2.2.2"},
		{"port", "10.0.0.7:5000", []string{"198.51.100.9:443"}, "198.51.100.9"},
		{"IPv6", "[fd00::1]:5000", []string{"2001:db8::9"}, "2001:db8::9"},
		{"IPv6 with brackets", "[fd00::1]:5000", []string{"[2001:db8::9]"}, "2001:db8::9"},
		{"IPv6 with port", "[fd00::1]:5000", []string{"[2001:db8::9]:443"}, "2001:db8::9"},
		{"mapped peer", "[::ffff:10.0.0.7]:5000", []string{"198.51.100.9"}, "198.51.100.9"},
		{"mapped entry", "10.0.0.7:5000", []string{"::ffff:198.51.100.9"}, "198.51.100.9"},
		{"mapped proxy", "10.0.0.7:5000", []string{"198.51.100.9,::ffff:10.0.0.8"}, "198.51.100.9"},
		{"malformed", "10.0.0.7:5000", []string{"198.51.100.9, unknown"}, ""},
		{"empty", "10.0.0.7:5000", []string{""}, ""},
		{"empty entry", "10.0.0.7:5000", []string{"198.51.100.9,"}, ""},
		{"obfuscated", "10.0.0.7:5000", []string{"_hidden"}, ""},
		{"zone", "10.0.0.7:5000", []string{"fe80::1%eth0"}, ""},
		{"leading zeros", "10.0.0.7:5000", []string{"198.051.100.009"}, ""},
		{"IPv4 in brackets", "10.0.0.7:5000", []string{"[198.51.100.9]"}, ""},
		{"port out of range", "10.0.0.7:5000", []string{"198.51.100.9:65536"}, ""},
		{"too many", "10.0.0.7:5000", []string{"198.51.100.9," + strings.Repeat("10.0.0.1,", 40) + "10.0.0.1"}, ""},
		{"many of a stranger", "192.0.2.1:5000", []string{strings.Repeat("10.0.0.1,", 40)}, "192.0.2.1"},
		{"Unix socket", "@", []string{"198.51.100.9"}, "invalid IP"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = tt.peer
			for _, h := range tt.headers {
				r.Header.Add("X-Forwarded-For", h)
			}
			got, err := edge.Forwarded(r, trusted)
			if tt.want == "" {
				if err == nil {
					t.Errorf("got %s, want an error", got)
				}
				return
			}
			if err != nil || got.String() != tt.want {
				t.Errorf("got %s, %v; want %s", got, err, tt.want)
			}
		})
	}
}

func FuzzForwarded(f *testing.F) {
	for _, seed := range []string{"1.2.3.4", "a, 1.2.3.4:5", "[::1]:2", "::ffff:1.2.3.4, 10.0.0.1", "[", "%", ",,"} {
		f.Add("10.0.0.7:1", seed)
	}
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	f.Fuzz(func(t *testing.T, peer, header string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = peer
		r.Header["X-Forwarded-For"] = []string{header}
		got, err := edge.Forwarded(r, trusted)
		if err != nil {
			return
		}
		if got.Zone() != "" || got.Is4In6() {
			t.Fatalf("%q by %q: %s has more than one spelling", header, peer, got)
		}
		// What a client puts before the proxy's own entry changes nothing.
		if got.IsValid() && !trusted[0].Contains(got) {
			r.Header["X-Forwarded-For"] = []string{"6.6.6.6, " + header}
			if again, err := edge.Forwarded(r, trusted); err != nil || again != got {
				t.Fatalf("%q by %q: a spoofed entry turned %s into %s, %v", header, peer, got, again, err)
			}
		}
	})
}
