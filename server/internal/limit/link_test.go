package limit_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/writ-auth/writ/server/internal/limit"
)

// certificate makes one for 127.0.0.1 that signs itself, and those who
// trust it.
func certificate(t *testing.T) (certFile, keyFile string, roots *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "redis"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(cert)
	if err != nil {
		t.Fatal(err)
	}
	roots = x509.NewCertPool()
	roots.AddCert(parsed)
	return certFile, keyFile, roots
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// TestRedisDoors: every way in that a URL can name, and that a wrong password
// or a server whom nobody vouches for is as good as none.
func TestRedisDoors(t *testing.T) {
	cert, key, roots := certificate(t)
	plain, tls := freePort(t), freePort(t)
	server := startRedis(t, "--port", plain, "--tls-port", tls, "--tls-auth-clients", "no",
		"--tls-cert-file", cert, "--tls-key-file", key, "--requirepass", "hunter2", "--bind", "127.0.0.1",
		"--user", "writ", "on", ">p@ss", "~writ:*", "+get", "+set", "+eval", "+select")
	for url, open := range map[string]bool{
		"unix://:hunter2@" + server.socket:              true,
		"unix://" + server.socket:                       false,
		"redis://:hunter2@127.0.0.1:" + plain:           true,
		"redis://:wrong@127.0.0.1:" + plain:             false,
		"redis://writ:p%40ss@127.0.0.1:" + plain + "/3": true, // who may do nothing but what we do
		"redis://127.0.0.1:" + tls:                      false,
		"rediss://:hunter2@127.0.0.1:" + tls:            true,
		"rediss://writ:p%40ss@127.0.0.1:" + tls + "/3":  true,
		"rediss://writ:p%40ss@localhost:" + tls:         false, // the certificate is for another name
		"rediss://:hunter2@127.0.0.1:" + plain:          false,
	} {
		t.Run(strings.ReplaceAll(url, "/", "|"), func(t *testing.T) {
			log, clock, key := &lines{}, newClock(), []byte(url)
			node := func() *limit.Redis {
				r, err := limit.OpenRedis(limit.RedisOptions{
					URL: url, Key: key, Logger: slog.New(slog.NewTextHandler(log, nil)), Roots: roots,
				})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(r.Close)
				return r.Patient()
			}
			failTimes(t, limit.NewShared(clock.now, node(), "people"), 10, "ann", home)
			d := fail(t, limit.NewShared(clock.now, node(), "people"), "ann", home)
			if want := map[bool]time.Duration{true: time.Second}[open]; d != want {
				t.Errorf("after ten failures at another node: wait %s, want %s\n%s", d, want, log)
			}
			if n := log.count("can't be reached"); (n == 0) != open {
				t.Errorf("that Redis can't be reached was logged %d times", n)
			}
			if n := log.count("hunter2") + log.count("p@ss"); n > 0 {
				t.Errorf("the log has the password %d times", n)
			}
		})
	}
}

// TestRedisLeavesIdle: that an unused connection broke is found out by itself, and
// the next attempt doesn't wait.
func TestRedisLeavesIdle(t *testing.T) {
	server, log := startRedis(t), &lines{}
	server.open(t, nil, log)
	server.kill()
	for end := time.Now().Add(30 * time.Second); log.count("can't be reached") == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nobody notices that Redis went away")
		}
	}
}

// TestManyAskAtOnce: everybody gets the answer to their own question.
func TestManyAskAtOnce(t *testing.T) {
	server, clock, key := startRedis(t), newClock(), []byte("k")
	a, b := limit.NewShared(clock.now, server.open(t, key), "people"), limit.NewShared(clock.now, server.open(t, key), "people")
	var all sync.WaitGroup
	for i := range 32 {
		all.Go(func() {
			account, address := fmt.Sprint("account", i), fmt.Sprintf("10.0.%d.1", i)
			for range min(i, 9) {
				attempt, err := a.Attempt(t.Context(), account, address)
				if err != nil {
					t.Error(err)
					return
				}
				attempt.Failed()
			}
		})
	}
	all.Wait()
	for i := range 32 {
		account, address := fmt.Sprint("account", i), fmt.Sprintf("10.0.%d.1", i)
		failTimes(t, b, 10-min(i, 9), account, address)
		if d := fail(t, b, account, address); d != time.Second {
			t.Errorf("%s after ten failures: wait %s, want 1s", account, d)
		}
	}
}
