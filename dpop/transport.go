package dpop

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
)

// Transport is a client's http.RoundTripper: it adds a proof to each request
// and, with Token, the access token. A request that a server wants made again
// with its nonce is made again, once, if its body can be read again (GetBody).
// Use one for the APIs that the token is for, and one without Token for the
// token endpoint. Its fields don't change once it is in use.
type Transport struct {
	Signer *Signer // required
	// Token returns the access token for a request; nil where none is sent.
	Token func(ctx context.Context) (string, error)
	// Base sends requests; default http.DefaultTransport.
	Base http.RoundTripper

	nonces sync.Map // origin → nonce
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	token := ""
	if t.Token != nil && !sentOn(r) {
		var err error
		if token, err = t.Token(r.Context()); err != nil {
			return nil, unsent(r, err)
		}
	}
	res, err := t.send(r, token)
	if err != nil || !wantsNonce(res) {
		return res, err
	}
	again, ok := repeated(r)
	if !ok {
		return res, nil
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxRefusal)) // so that the connection can be used again
	_ = res.Body.Close()
	return t.send(again, token)
}

// sentOn reports whether a request was redirected to another origin than the first:
// the token is nobody's business there, though it is of no use without the key.
func sentOn(r *http.Request) bool {
	first := r
	for first.Response != nil && first.Response.Request != nil {
		first = first.Response.Request
	}
	return first.URL.Scheme != r.URL.Scheme || first.URL.Host != r.URL.Host
}

func (t *Transport) send(r *http.Request, token string) (*http.Response, error) {
	origin := r.URL.Scheme + "://" + r.URL.Host
	nonce, _ := t.nonces.Load(origin)
	last, _ := nonce.(string)
	proof, err := t.Signer.Sign(Request{Method: method(r), URL: r.URL.String(), AccessToken: token}, last)
	if err != nil {
		return nil, unsent(r, err)
	}
	r = r.Clone(r.Context()) // a RoundTripper leaves the request as it is
	r.Header.Set("DPoP", proof)
	if token != "" {
		r.Header.Set("Authorization", "DPoP "+token)
	}
	base := t.Base
	if base == nil {
		base = http.DefaultTransport
	}
	res, err := base.RoundTrip(r)
	if err == nil {
		if next := res.Header.Get(HeaderNonce); next != "" {
			t.nonces.Store(origin, next)
		}
	}
	return res, err
}

// unsent closes the body of a request that no other RoundTripper will close.
func unsent(r *http.Request, err error) error {
	if r.Body != nil {
		_ = r.Body.Close() // what was wrong before counts
	}
	return err
}

func method(r *http.Request) string {
	if r.Method == "" {
		return http.MethodGet
	}
	return r.Method
}

// maxRefusal bounds what is read of a refusal.
const maxRefusal = 64 << 10

// wantsNonce reports whether a server refused a request for want of a nonce, and
// gave one: an API says so in the challenge (section 9), a token endpoint in the
// body (section 8), which is there to be read afterwards all the same.
func wantsNonce(res *http.Response) bool {
	if res.Header.Get(HeaderNonce) == "" {
		return false
	}
	switch res.StatusCode {
	case http.StatusUnauthorized:
		return strings.Contains(strings.Join(res.Header.Values("WWW-Authenticate"), ","), `"use_dpop_nonce"`)
	case http.StatusBadRequest:
		start, err := io.ReadAll(io.LimitReader(res.Body, maxRefusal))
		res.Body = &restored{io.MultiReader(bytes.NewReader(start), res.Body), res.Body}
		return err == nil && bytes.Contains(start, []byte(`"use_dpop_nonce"`))
	}
	return false
}

// restored is a body of which the start was read.
type restored struct {
	io.Reader
	io.Closer
}

// repeated returns the request with its body from the start.
func repeated(r *http.Request) (*http.Request, bool) {
	if r.Body == nil || r.Body == http.NoBody {
		return r, true
	}
	if r.GetBody == nil {
		return nil, false
	}
	body, err := r.GetBody()
	if err != nil {
		return nil, false
	}
	again := r.Clone(r.Context())
	again.Body = body
	return again, true
}
