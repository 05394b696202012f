package app

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// certificate is what the public port shows, out of two files that are replaced
// while the server runs: certificates last for weeks, servers for longer.
type certificate struct {
	certFile, keyFile string
	current           atomic.Pointer[tls.Certificate]
	seen              [2]os.FileInfo // of the files that current is from; of one goroutine
}

// watchEvery is how often the files are looked at.
const watchEvery = 10 * time.Second

func newCertificate(certFile, keyFile string) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile}
	_, err := c.refresh()
	return c, err
}

func (c *certificate) config() *tls.Config {
	return &tls.Config{
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
		MinVersion:     tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
	}
}

// refresh reads the files if they are others than before. While they can't be
// read, or don't belong together because one of them has yet to be written, the
// certificate stays.
func (c *certificate) refresh() (changed bool, err error) {
	now := [2]os.FileInfo{}
	for i, name := range []string{c.certFile, c.keyFile} {
		if now[i], err = os.Stat(name); err != nil {
			return false, c.failed(err)
		}
	}
	if same(now[0], c.seen[0]) && same(now[1], c.seen[1]) {
		return false, nil
	}
	read, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return false, c.failed(err)
	}
	c.current.Store(&read)
	c.seen = now
	return true, nil
}

func same(a, b os.FileInfo) bool {
	return a != nil && b != nil && os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

func (c *certificate) failed(err error) error {
	return fmt.Errorf("--tls-cert %s, --tls-key %s: %w; both must be PEM files that belong together", c.certFile, c.keyFile, err)
}

// watch looks at the files until ctx ends. It says once what is wrong with
// them, not every time.
func (c *certificate) watch(ctx context.Context, logger *slog.Logger) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	said := ""
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		changed, err := c.refresh()
		switch {
		case err == nil && changed:
			logger.InfoContext(ctx, "the TLS certificate was read again", "expires", c.current.Load().Leaf.NotAfter)
			said = ""
		case err != nil && err.Error() != said:
			logger.WarnContext(ctx, "the TLS certificate can't be read again; the one from before is still used", "error", err,
				"expires", c.current.Load().Leaf.NotAfter)
			said = err.Error()
		}
	}
}
