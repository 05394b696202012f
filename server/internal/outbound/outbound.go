// Package outbound makes the one HTTP client with which the server calls
// addresses that somebody else has chosen: key sets of clients, back-channel
// log-out, hooks.
//
// Whoever may register such an address would otherwise reach, through us, what
// only we can reach (server-side request forgery): a metadata service of a
// cloud, a database's console, our own admin listener. So the address of every
// connection is judged at the moment of dialling, after names are resolved: a
// name that answers a public address when it is registered and a private one
// when it is used gets nowhere. There are no redirects, no proxies out of the
// environment (a proxy would resolve names for itself), and bounds on time and
// size. Callers repeat nothing of what comes back to anybody.
package outbound

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// What one call may take.
const (
	Timeout   = 5 * time.Second // from the name's resolution to the last byte of the answer; see Options
	MaxBody   = 1 << 20         // bytes of the answer's body
	maxHeader = 64 << 10        // bytes of the answer's header
	maxIdle   = 64              // connections kept for the next call
	perHost   = 8               // connections to one host at a time
)

// Errors of a call, for the log. A door tells its caller none of them: what is
// refused, what is closed and what is merely slow would map our network.
var (
	ErrAddress  = errors.New("outbound: the address is not one that may be called; see --outbound-allow")
	ErrScheme   = errors.New("outbound: https is required")
	ErrRedirect = errors.New("outbound: redirects are refused")
	ErrTooLarge = errors.New("outbound: the answer is too large")
)

// Options are what a client is made of. The zero value is the strictest.
type Options struct {
	// Allow lists networks that may be called although they are not public. With
	// loopback among them, plain http is allowed there, too. What an allowed
	// network leads to is not looked at: with a NAT64 prefix, that is everything.
	Allow []netip.Prefix
	// Roots are whose certificates are believed; nil: the system's.
	Roots *x509.CertPool
	// Timeout is how long a call may take, its answer read; 0: the constant of
	// this name.
	Timeout time.Duration
}

// New makes a client. It is safe for concurrent use; one serves the whole
// process. Its rules hold under any http.Client that is made with its Transport.
func New(opts Options) *http.Client {
	return &http.Client{
		Transport:     &transport{secure: dialing(opts, false), plain: dialing(opts, true), timeout: cmp.Or(opts.Timeout, Timeout)},
		CheckRedirect: func(*http.Request, []*http.Request) error { return ErrRedirect },
	}
}

// dialing is a transport that connects to nothing but what opts allow, and if
// it is for plain http to nothing but this machine.
func dialing(opts Options, plain bool) *http.Transport {
	dialer := &net.Dialer{Timeout: Timeout, Control: func(_, address string, _ syscall.RawConn) error {
		return check(address, opts.Allow, plain)
	}}
	return &http.Transport{
		DialContext: dialer.DialContext, ForceAttemptHTTP2: true,
		TLSClientConfig:        &tls.Config{RootCAs: opts.Roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    Timeout,
		MaxResponseHeaderBytes: maxHeader, MaxIdleConns: maxIdle, MaxIdleConnsPerHost: 2, MaxConnsPerHost: perHost,
		IdleConnTimeout: 30 * time.Second,
	}
}

// check judges the address of a connection that is about to be made. Addresses
// that were resolved come here one by one.
func check(address string, allow []netip.Prefix, plain bool) error {
	target, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: no address", ErrAddress)
	}
	addr := target.Addr().Unmap()
	if plain && !addr.IsLoopback() {
		return ErrScheme
	}
	if Public(addr) {
		return nil
	}
	for _, network := range allow {
		if network.Contains(addr) {
			return nil
		}
	}
	return fmt.Errorf("%w: %s", ErrAddress, addr)
}

// transport bounds what a call may take.
type transport struct {
	secure, plain *http.Transport
	timeout       time.Duration
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	via := t.secure
	switch {
	case r.URL.User != nil:
		return nil, refuse(r, fmt.Errorf("%w: it has user information", ErrAddress))
	case r.URL.Scheme == "http":
		via = t.plain
	case r.URL.Scheme != "https":
		return nil, refuse(r, ErrScheme)
	}
	ctx, cancel := context.WithTimeout(r.Context(), t.timeout)
	resp, err := via.RoundTrip(r.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, err
	}
	if resp.ContentLength > MaxBody {
		cancel()
		return nil, errors.Join(ErrTooLarge, resp.Body.Close())
	}
	resp.Body = &body{from: resp.Body, left: MaxBody, cancel: cancel}
	return resp, nil
}

// CloseIdleConnections is what http.Client asks of a transport.
func (t *transport) CloseIdleConnections() {
	t.secure.CloseIdleConnections()
	t.plain.CloseIdleConnections()
}

// refuse closes the request's body, as RoundTrip has to.
func refuse(r *http.Request, err error) error {
	if r.Body != nil {
		return errors.Join(err, r.Body.Close())
	}
	return err
}

// body is an answer's body that ends in an error when it is too long.
type body struct {
	from   io.ReadCloser
	left   int64
	cancel context.CancelFunc
}

func (b *body) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.from.Read(p)
	if int64(n) > b.left {
		return int(b.left), ErrTooLarge
	}
	b.left -= int64(n)
	return n, err
}

func (b *body) Close() error {
	defer b.cancel()
	return b.from.Close()
}
