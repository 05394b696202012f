// Package fetch reads small documents from an issuer over HTTP: key sets,
// discovery documents, pages of the revocation log.
//
// Whoever can change such an answer decides which tokens are good, and whoever
// can make it endless decides how much memory the reader has left. So each
// address has to be https (or on loopback, for development), an answer is read
// up to a limit, and a redirect is followed only within the origin that was
// asked: an open redirect at the issuer must not name another issuer.
//
// Which addresses may be dialled at all is the Transport's business.
package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Timeout is how long a document may take that nobody holds back on purpose.
const Timeout = 10 * time.Second

// maxRedirects is enough for a path that moved and for a missing slash.
const maxRedirects = 3

// Errors that callers tell apart.
var (
	ErrAddress  = errors.New("address is refused")  // not https, or not an address at all
	ErrTooLarge = errors.New("answer is too large") // more than the caller's limit
	ErrRedirect = errors.New("redirect is refused") // to another origin, of a POST, or one too many
	ErrStatus   = errors.New("unexpected HTTP status")
)

// Client reads documents. Make it with [New].
type Client struct {
	http http.Client
}

// New returns a client that works like base, nil standing for
// http.DefaultTransport, under the rules of this package. A timeout of base is
// dropped: the contexts of the requests bound them, and a long poll is meant to
// take long.
func New(base *http.Client) *Client {
	c := new(Client)
	if base != nil {
		c.http = *base
	}
	more := c.http.CheckRedirect
	c.http.Timeout = 0
	c.http.Jar = nil
	c.http.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if err := checkRedirect(req, via); err != nil {
			return err
		}
		if more != nil {
			return more(req, via)
		}
		return nil
	}
	return c
}

func checkRedirect(req *http.Request, via []*http.Request) error {
	first := via[0]
	sameOrigin := req.URL.Scheme == first.URL.Scheme && req.URL.Host == first.URL.Host
	if len(via) > maxRedirects || !sameOrigin || first.Method != http.MethodGet {
		return ErrRedirect
	}
	return nil
}

// ParseURL returns raw as an address that may be asked: https, or http on
// loopback, without user, password and fragment.
func ParseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: not a URL", ErrAddress)
	}
	switch {
	case u.Host == "" && u.Scheme != "https" && u.Scheme != "http": // "a.example", "localhost:8080"
		return nil, fmt.Errorf("%w: it does not begin with https://", ErrAddress)
	case u.Host == "" || u.Hostname() == "":
		return nil, fmt.Errorf("%w: no host", ErrAddress)
	case u.User != nil || u.Fragment != "":
		return nil, fmt.Errorf("%w: user or fragment", ErrAddress)
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return u, nil
	}
	return nil, fmt.Errorf("%w: https is required except on loopback", ErrAddress)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Answer is what came back, whatever its status.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Get asks for a document of at most limit bytes. The header may be nil.
func (c *Client) Get(ctx context.Context, address string, header http.Header, limit int64) (*Answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: not a URL", ErrAddress)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	return c.Do(req, limit)
}

// Open sends a request. The caller closes the body of the answer, and bounds
// what is read of it.
func (c *Client) Open(req *http.Request) (*http.Response, error) {
	if _, err := ParseURL(req.URL.String()); err != nil {
		return nil, err
	}
	return c.http.Do(req)
}

// Do sends a request and reads at most limit bytes of the answer.
func (c *Client) Do(req *http.Request, limit int64) (*Answer, error) {
	resp, err := c.Open(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return Read(resp, limit)
}

// Read reads at most limit bytes of an answer.
func Read(resp *http.Response, limit int64) (*Answer, error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(body)) > limit {
		return nil, fmt.Errorf("%w: over %d bytes", ErrTooLarge, limit)
	}
	return &Answer{Status: resp.StatusCode, Header: resp.Header, Body: body}, nil
}

// StatusError is the error for an answer of another status than the expected
// one. It wraps [ErrStatus] and has nothing of the body in it.
func (a *Answer) StatusError() error {
	return fmt.Errorf("%w: %d", ErrStatus, a.Status)
}
