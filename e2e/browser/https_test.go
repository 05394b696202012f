package browser

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Chromium takes every name under localhost for this machine. The two hosts
// are of one site.
const (
	authHost    = "auth.writ.localhost"
	siblingHost = "evil.writ.localhost"
)

// certificate writes a certificate of both hosts and its key.
func certificate(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{authHost, siblingHost},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

// startTLS serves a handler with the certificate and answers its port.
func startTLS(t *testing.T, certFile, keyFile string, h http.Handler) string {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // Chromium hangs up once, for the certificate, before it is told not to mind
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL[strings.LastIndex(s.URL, ":"):]
}

// TestHTTPS looks at the cookies of an https issuer, with TLS by Writ and by a
// proxy before it.
func TestHTTPS(t *testing.T) {
	needBrowser(t)
	cert, key := certificate(t)
	t.Run("TLS by Writ", func(t *testing.T) {
		port := freePort(t)
		issuer := fmt.Sprintf("https://%s:%d", authHost, port)
		startServer(t, "https", issuer, port, "--tls-cert", cert, "--tls-key", key)
		testHTTPS(t, issuer, "https://"+siblingHost+startTLS(t, cert, key, http.HandlerFunc(page)))
	})
	t.Run("TLS by a proxy", func(t *testing.T) {
		port := freePort(t)
		proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", port)})
		issuer := "https://" + authHost + startTLS(t, cert, key, proxy)
		startServer(t, "http", issuer, port)
		testHTTPS(t, issuer, "https://"+siblingHost+startTLS(t, cert, key, http.HandlerFunc(page)))
	})
}

func testHTTPS(t *testing.T, issuer, sibling string) {
	for mode, want := range map[string][]cookie{
		"cookie":  {{Name: "__Host-writ_at", SameSite: "Lax"}, {Name: "__Host-writ_rt", SameSite: "Strict"}},
		"session": {{Name: "__Host-writ_s", SameSite: "Lax"}},
	} {
		// Without the policy of Writ's answers, one of them serves as a page.
		p := newProfile(t, map[string]any{"ignoreHTTPSErrors": true, "bypassCSP": true})
		b := p.open(issuer + "/.well-known/openid-configuration")
		b.send("POST", "/v1/login", login(aliceEmail, alicePassword, mode)).want(t, "sign-in", 200, "")
		stored := p.cookies()
		if len(stored) != len(want) {
			t.Errorf("%s mode: Chromium stored %v", mode, stored)
		}
		for _, c := range want {
			c.Domain, c.Path, c.Secure, c.HTTPOnly = authHost, "/", true, true // a Domain attribute would show as a leading dot
			got := stored[c.Name]
			lifetime := time.Until(time.Unix(int64(got.Expires), 0)).Round(time.Minute)
			if wanted := map[bool]time.Duration{true: 15 * time.Minute, false: 168 * time.Hour}[c.Name == "__Host-writ_at"]; lifetime != wanted {
				t.Errorf("%s lives for %v, want %v", c.Name, lifetime, wanted)
			}
			got.Value, got.Expires = "", 0
			if got != c {
				t.Errorf("Chromium stored %+v, want %+v", got, c)
			}
		}
		if got := scriptSees(b); got != "" {
			t.Errorf("%s mode: document.cookie is %q", mode, got)
		}
		testPlanting(t, b, p.open(sibling), mode)
		b.send("POST", "/v1/refresh", "").want(t, "refresh", 200, "")
		b.send("POST", "/v1/logout", "").want(t, "log-out", 200, "")
		if left := p.cookies(); len(left) != 1 { // the one that the sibling planted
			t.Errorf("%s mode: the log-out left %v", mode, left)
		}
	}
}

// testPlanting attacks from a sibling host, whose requests carry even Strict
// cookies and which may set cookies for both hosts, but none with the prefix.
func testPlanting(t *testing.T, b, sibling *tab, mode string) {
	t.Helper()
	before := b.cookies()
	for _, name := range []string{"__Host-writ_at", "__Host-writ_rt", "__Host-writ_s"} {
		sibling.run(nil, `(name) => { document.cookie = name + "=planted; domain=writ.localhost; path=/; secure" }`, name)
		b.run(nil, `(name) => { document.cookie = name + "=planted; path=/v1; secure" }`, name)
	}
	sibling.run(nil, `() => { document.cookie = "writ_at=planted; domain=writ.localhost; path=/; secure" }`, nil)
	after := b.cookies()
	if after["writ_at"].Value != "planted" {
		t.Fatalf("the sibling can plant nothing at all, so this shows nothing: %v", after)
	}
	for name := range after {
		if name != "writ_at" && after[name] != before[name] {
			t.Errorf("%s mode: the cookie %s was %+v and is %+v", mode, name, before[name], after[name])
		}
	}
	origin := b.origin()
	for _, path := range []string{"/v1/logout", "/v1/logout-all", "/v1/refresh"} {
		unreadable(t, path, sibling.fetch(request{URL: origin + path, Method: "POST", Mode: "no-cors", Credentials: "include"}))
	}
	b.send("GET", "/v1/me", "").want(t, "me after the attacks", 200, "")
}

// origin is that of the page.
func (b *tab) origin() (origin string) {
	b.run(&origin, `() => location.origin`, nil)
	return origin
}
