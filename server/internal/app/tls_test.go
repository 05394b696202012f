package app_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/writ-auth/writ/server/internal/app"
)

// certificate writes a certificate for localhost and its key.
func certificate(t *testing.T) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour)}
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
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(certFile, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600); err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return certFile, keyFile, pool
}

// TestTLS serves an https issuer with a certificate of its own, over HTTP/2.
func TestTLS(t *testing.T) {
	cert, key, pool := certificate(t)
	r := start(t, settings(t, map[string]string{"issuer": "https://localhost", "tls-cert": cert, "tls-key": key}))
	r.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	address := strings.Replace(r.public, "http://127.0.0.1", "https://localhost", 1)
	res, err := r.client.Get(address + "/.well-known/openid-configuration")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK || res.ProtoMajor != 2 {
		t.Errorf("%s %s, want 200 over HTTP/2", res.Proto, res.Status)
	}
	if res.Header.Get("Strict-Transport-Security") == "" {
		t.Error("no Strict-Transport-Security")
	}
	r.call(200, "POST", address+"/v1/login", "", map[string]string{"email": email, "password": password})
}

// TestCertificateRenewed replaces the files under a running server, one after
// the other, as tools for certificates do.
func TestCertificateRenewed(t *testing.T) {
	cert, key, _ := certificate(t)
	newCert, newKey, _ := certificate(t)
	listeners, err := app.Listen(settings(t, map[string]string{"issuer": "https://localhost", "tls-cert": cert, "tls-key": key}))
	if err != nil {
		t.Fatal(err)
	}
	defer listeners.Close()
	old, renewed := leaf(t, cert), leaf(t, newCert)
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var log notes
		go listeners.Watch(ctx, slog.New(slog.NewTextHandler(&log, nil)))
		shows := func(when string, want []byte, lines int) {
			t.Helper()
			time.Sleep(3*app.WatchEvery + time.Millisecond)
			synctest.Wait()
			if got := app.Certificate(listeners).Certificate[0]; !bytes.Equal(got, want) {
				t.Errorf("%s: the server shows the other certificate", when)
			}
			if got := log.read(); strings.Count(got, "\n") != lines {
				t.Errorf("%s: want %d lines in the log:\n%s", when, lines, got)
			}
		}
		shows("at first", old, 0)
		move(t, newCert, cert)
		shows("with the new certificate and the old key", old, 1)
		move(t, newKey, key)
		shows("with both", renewed, 2)
		if err := os.Remove(cert); err != nil {
			t.Fatal(err)
		}
		shows("with the file gone", renewed, 3)
	})
}

// notes is a log that is read while it is written.
type notes struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (n *notes) Write(line []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.Write(line)
}

func (n *notes) read() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.String()
}

func move(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// leaf answers the certificate in a file.
func leaf(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	return block.Bytes
}

// TestTLSFiles gives a certificate and a key that don't belong together.
func TestTLSFiles(t *testing.T) {
	cert, _, _ := certificate(t)
	_, key, _ := certificate(t)
	_, err := app.Listen(settings(t, map[string]string{"issuer": "https://localhost", "tls-cert": cert, "tls-key": key}))
	if err == nil || !strings.Contains(err.Error(), "belong together") {
		t.Errorf("got %v, want an error that says what both files must be", err)
	}
}
