package outbound_test

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/writ-auth/writ/server/internal/outbound"
)

func TestPublic(t *testing.T) {
	for text, want := range map[string]bool{
		"8.8.8.8": true, "1.1.1.1": true, "93.184.216.34": true, "100.63.255.255": true, "100.128.0.0": true,
		"172.15.255.255": true, "172.32.0.0": true, "192.0.1.0": true, "223.255.255.255": true, "168.63.129.15": true,
		"2606:4700:4700::1111": true, "2001:4860:4860::8888": true, "2a00:1450::1": true,

		"0.0.0.0": false, "0.1.2.3": false, "10.0.0.1": false, "127.0.0.1": false, "127.255.255.254": false,
		"100.64.0.1": false, "100.100.100.200": false, "169.254.169.254": false, "172.16.0.1": false, "172.31.255.255": false,
		"192.168.1.1": false, "192.0.0.192": false, "192.0.2.1": false, "198.18.0.1": false, "198.19.255.255": false,
		"198.51.100.1": false, "203.0.113.1": false, "224.0.0.1": false, "239.255.255.255": false, "240.0.0.1": false,
		"255.255.255.255": false, "168.63.129.16": false, "192.88.99.1": false,

		"::": false, "::1": false, "fe80::1": false, "fe80::1%eth0": false, "fc00::1": false, "fd00:ec2::254": false, "ff02::1": false,
		"2001:db8::1": false, "2001::1": false, "2001:10::1": false, "3fff::1": false, "fec0::1": false, "100::1": false, "4000::1": false,
		"2002:7f00:1::": false, "2002:808:808::1": false, // 6to4, whatever it carries
		"64:ff9b::7f00:1": false, "64:ff9b::808:808": false, "64:ff9b:1::1": false, // NAT64
		"::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false, "::ffff:169.254.169.254": false, "::ffff:8.8.8.8": true,
		"::127.0.0.1": false, "::8.8.8.8": false, // IPv4-compatible
		"2606:4700:4700::1111%eth0": false,
	} {
		if got := outbound.Public(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: public %v, want %v", text, got, want)
		}
	}
}

// target is a server of the internal network, which counts who reaches it.
type target struct {
	*httptest.Server
	reached atomic.Int64
}

func newTarget(t *testing.T, secure bool, answer http.HandlerFunc) *target {
	t.Helper()
	s := new(target)
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.reached.Add(1)
		answer(w, r)
	}))
	s.Config.ErrorLog = nil
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s
}

func hello(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, "the console of the database")
}

func loopback() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
}

// roots believes the certificate of a target.
func roots(s *target) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return pool
}

func get(t *testing.T, client *http.Client, address string) (string, error) {
	t.Helper()
	t.Cleanup(client.CloseIdleConnections)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return string(text), err
}

// Nothing of this machine is reached, however its address is written. Names are
// resolved first: what they lead to is what counts.
func TestInternalAddresses(t *testing.T) {
	secure, plain := newTarget(t, true, hello), newTarget(t, false, hello)
	client := outbound.New(outbound.Options{Roots: roots(secure)})
	for _, s := range []*target{secure, plain} {
		scheme, rest, _ := strings.Cut(s.URL, "://")
		_, port, err := net.SplitHostPort(rest)
		if err != nil {
			t.Fatal(err)
		}
		for _, host := range []string{"127.0.0.1", "127.1.2.3", "localhost", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0", "[::1]", "[::]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]"} {
			if text, err := get(t, client, scheme+"://"+host+":"+port); err == nil {
				t.Errorf("%s://%s answers %q", scheme, host, text)
			} else if !errors.Is(err, outbound.ErrAddress) && !errors.Is(err, outbound.ErrScheme) {
				t.Errorf("%s://%s: %v, want that the address is refused", scheme, host, err)
			}
		}
		if n := s.reached.Load(); n != 0 {
			t.Errorf("%s was reached %d times", scheme, n)
		}
	}
}

// What the operator allows is reached, and plain http on loopback alone.
func TestAllowed(t *testing.T) {
	secure, plain := newTarget(t, true, hello), newTarget(t, false, hello)
	client := outbound.New(outbound.Options{Roots: roots(secure), Allow: loopback()})
	for _, s := range []*target{secure, plain} {
		if text, err := get(t, client, s.URL); err != nil || text != "the console of the database" {
			t.Errorf("%s: %q, %v", s.URL, text, err)
		}
	}
	other := outbound.New(outbound.Options{Allow: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/1"), netip.MustParsePrefix("192.168.0.0/16")}})
	if _, err := get(t, other, "http://192.168.0.1:1/"); !errors.Is(err, outbound.ErrScheme) {
		t.Errorf("plain http in an allowed network that isn't this machine: %v", err)
	}
	if _, err := get(t, other, "http://8.8.8.8:1/"); !errors.Is(err, outbound.ErrScheme) {
		t.Errorf("plain http in public: %v", err)
	}
	if _, err := get(t, outbound.New(outbound.Options{Allow: loopback()}), secure.URL); err == nil {
		t.Error("a certificate of nobody is believed")
	}
}

// A redirect would lead to an address that nobody registered.
func TestRedirects(t *testing.T) {
	inner := newTarget(t, false, hello)
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := newTarget(t, false, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, inner.URL, status) })
		client := outbound.New(outbound.Options{Allow: loopback()})
		if _, err := get(t, client, s.URL); !errors.Is(err, outbound.ErrRedirect) {
			t.Errorf("%d: %v", status, err)
		}
	}
	if n := inner.reached.Load(); n != 0 {
		t.Errorf("a redirect was followed %d times", n)
	}
}

func TestSchemes(t *testing.T) {
	client := outbound.New(outbound.Options{Allow: loopback()})
	for _, address := range []string{"file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1:6379/_x", "https://user:secret@127.0.0.1:1/"} {
		_, err := get(t, client, address)
		if !errors.Is(err, outbound.ErrScheme) && !errors.Is(err, outbound.ErrAddress) {
			t.Errorf("%s: %v", address, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("the error names a password: %v", err)
		}
	}
}

// An endless answer ends, whether it says how long it is or not.
func TestTooLarge(t *testing.T) {
	s := newTarget(t, false, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/told" {
			w.Header().Set("Content-Length", "2000000")
		}
		block := make([]byte, 1000)
		for range 2000 {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})
	client := outbound.New(outbound.Options{Allow: loopback()})
	for _, path := range []string{"/told", "/untold"} {
		text, err := get(t, client, s.URL+path)
		if !errors.Is(err, outbound.ErrTooLarge) || len(text) > outbound.MaxBody {
			t.Errorf("%s: %d bytes, %v", path, len(text), err)
		}
	}
	exact := newTarget(t, false, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, outbound.MaxBody)) })
	if text, err := get(t, client, exact.URL); err != nil || len(text) != outbound.MaxBody {
		t.Errorf("as much as may be: %d bytes, %v", len(text), err)
	}
}

// A proxy would connect to whatever it is told to, and resolve names anew.
func TestNoProxy(t *testing.T) {
	proxy := newTarget(t, false, hello)
	t.Setenv("HTTPS_PROXY", proxy.URL)
	t.Setenv("HTTP_PROXY", proxy.URL)
	client := outbound.New(outbound.Options{})
	if _, err := get(t, client, "https://10.0.0.1:1/"); !errors.Is(err, outbound.ErrAddress) {
		t.Errorf("error %v", err)
	}
	if proxy.reached.Load() != 0 {
		t.Error("the proxy was asked")
	}
}

// A server that says nothing, or stops in the middle, holds nobody up.
func TestTimeout(t *testing.T) {
	s := newTarget(t, false, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/half" {
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
		}
		<-r.Context().Done()
	})
	client := outbound.New(outbound.Options{Allow: loopback(), Timeout: 50 * time.Millisecond})
	for _, path := range []string{"/silent", "/half"} {
		if _, err := get(t, client, s.URL+path); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
