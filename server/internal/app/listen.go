package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"syscall"

	"github.com/writ-auth/writ/server/internal/config"
)

// Listeners are the open ports of a server. They are opened before anything
// else, so that a server that can't have its port leaves the data untouched.
type Listeners struct {
	Public net.Listener
	Admin  net.Listener

	certificate *certificate // of Public; nil without TLS
}

// Listen opens the ports that cfg names. An error is one line that says what
// to do about it.
func Listen(cfg *config.Config) (*Listeners, error) {
	public, err := listen("listen", cfg.Listen)
	if err != nil {
		return nil, err
	}
	l := &Listeners{Public: public}
	if err := l.withTLS(cfg); err != nil {
		return nil, err
	}
	if l.Admin, err = listen("admin-listen", cfg.AdminListen); err != nil {
		return nil, errors.Join(err, l.Public.Close())
	}
	return l, nil
}

// Close closes both ports.
func (l *Listeners) Close() error { return errors.Join(l.Public.Close(), l.Admin.Close()) }

func listen(setting, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s is taken by another program, perhaps a second writ; stop that, or choose another address with --%s", address, setting)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("%s may not be used by this user; choose a port above 1023 with --%s", address, setting)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fmt.Errorf("%s is no address of this machine; choose another with --%s", address, setting)
	}
	return nil, fmt.Errorf("can't listen at %s: %w; choose another address with --%s", address, err, setting)
}

// withTLS wraps the public port where a certificate is configured.
func (l *Listeners) withTLS(cfg *config.Config) (err error) {
	if cfg.TLSCert == "" {
		return nil
	}
	if l.certificate, err = newCertificate(cfg.TLSCert, cfg.TLSKey); err != nil {
		return errors.Join(err, l.Public.Close())
	}
	l.Public = tls.NewListener(l.Public, l.certificate.config())
	return nil
}

// Watch reads the certificate again when its files change, until ctx ends.
func (l *Listeners) Watch(ctx context.Context, logger *slog.Logger) {
	if l.certificate != nil {
		l.certificate.watch(ctx, logger)
	}
}

// loopback reports whether an address is reachable from this machine alone.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}
