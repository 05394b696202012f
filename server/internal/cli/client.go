package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// adminFlags say which server a verb is about.
type adminFlags struct {
	Server   string       `placeholder:"URL" help:"A remote server; the token of an administrator comes from WRIT_ADMIN_TOKEN. Default: the server of the data directory, or its database if none runs."`
	Settings kong.Plugins `embed:""`
}

// check refuses flags that are about a server on this machine beside one that
// names another machine's. Variables may be set for the other commands.
func (f adminFlags) check() error {
	for name := range givenSettings(f.Settings) {
		if f.Server != "" {
			return usagef("--%s is about a server on this machine, and --server names one to call; leave one of them out", name)
		}
	}
	return nil
}

// adminClient speaks the admin API: over the local socket, over the network, or
// to the handler in this process when no server runs. The verbs can't tell.
type adminClient struct {
	http  *http.Client
	base  string // scheme and host
	token string // bearer token, "" where the transport is authority enough
	close func() error
}

// problem is an answer of the admin API that refuses.
type problem struct {
	Status int    `json:"status"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Code   string `json:"code"`
	Field  string `json:"field"`

	Instance string `json:"instance"`

	about string // the kind of thing it is about, as the path of the request and the verbs call it; "" for none
}

func (e *problem) Error() string {
	text := e.Detail
	if text == "" {
		text = e.Title
	}
	if text == "" {
		text = "HTTP status " + strconv.Itoa(e.Status)
	}
	if e.Field != "" && !strings.Contains(text, e.Field) {
		text = e.Field + ": " + text
	}
	return strings.TrimSuffix(text, ".") + hintFor(e)
}

// hintFor is what to try next.
func hintFor(e *problem) string {
	switch e.Status {
	case http.StatusUnauthorized:
		return "; sign in as an administrator again and put the access token into WRIT_ADMIN_TOKEN"
	case http.StatusForbidden:
		return "; an administrator with more permissions can"
	case http.StatusNotFound:
		if slices.Contains(listed(), e.about) {
			return "; writ " + e.about + " list shows what there is"
		}
	case http.StatusConflict:
		hint := "; choose another, or change what is there"
		if slices.Contains(settable(), e.about) {
			hint += " with writ " + e.about + " set"
		}
		return hint
	case http.StatusTooManyRequests:
		return "; try again in a moment"
	case http.StatusServiceUnavailable:
		return "; try again in a moment, and if that doesn't help let writ doctor, on the server's machine, say why"
	case http.StatusInternalServerError:
		if e.Instance != "" {
			return "; the server's log says what, in the line with request=" + e.Instance
		}
	}
	return ""
}

// kindOf is what the verbs call that which a path is about.
func kindOf(path []string) string {
	if len(path) < 3 {
		return path[0]
	}
	return path[0] + " " + map[string]string{"members": "members", "secrets": "secret"}[path[2]]
}

// settable are the kinds with a verb set, and listed those with a verb list.
func settable() []string { return []string{"users", "orgs", "roles", "apis", "clients"} }
func listed() []string {
	return append(settable(), "sessions", "keys", "orgs members", "clients secret")
}

// call makes one request. body and out may be nil.
func (c *adminClient) call(ctx context.Context, method, path string, body, out any) error {
	req, err := c.request(ctx, method, path, body)
	if err != nil {
		return err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return c.unreachable(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	if err != nil {
		return c.unreachable(err)
	}
	if res.StatusCode >= 400 {
		return readProblem(res, data)
	}
	if out == nil || len(data) == 0 {
		return nil
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("%s answered something else than the admin API does: %w; is the address right?", c.base, err)
	}
	return nil
}

func (c *adminClient) request(ctx context.Context, method, path string, body any) (*http.Request, error) {
	var reader io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		reader = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, reader)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	req.Header.Set("User-Agent", "writ")
	return req, nil
}

// unreachable drops the address from net/http's error: it may hold a query.
func (c *adminClient) unreachable(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return fmt.Errorf("%s can't be reached: %w; is the server running, and is its address right?", c.base, err)
}

func readProblem(res *http.Response, data []byte) error {
	e := &problem{}
	if json.Unmarshal(data, e) != nil {
		e = &problem{}
	}
	e.Status = res.StatusCode
	if path, ok := strings.CutPrefix(res.Request.URL.Path, adminPath); ok {
		e.about = kindOf(strings.Split(path, "/"))
	}
	return e
}

// remoteClient speaks to a server over the network. The token is as good as a
// password: over plain http it goes to this machine only.
func (p *program) remoteClient(server string) (*adminClient, error) {
	client, err := networkClient(server)
	if err != nil {
		return nil, err
	}
	client.token = strings.TrimSpace(p.getenv("WRIT_ADMIN_TOKEN"))
	if client.token == "" {
		return nil, errors.New("--server needs an administrator's access token in WRIT_ADMIN_TOKEN; POST /v1/login gives one")
	}
	return client, nil
}

// networkClient speaks to a server over the network, without a token.
func networkClient(server string) (*adminClient, error) {
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())) {
		return nil, usagef("--server must be an https URL, or http on this machine")
	}
	client := &http.Client{
		Timeout:       30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &adminClient{http: client, base: u.Scheme + "://" + u.Host, close: func() error { return nil }}, nil
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// socketClient speaks to the server of a data directory. Whoever may open the
// socket is its operator.
func socketClient(path string) *adminClient {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "unix", path)
	}}
	return &adminClient{
		http: &http.Client{Transport: transport, Timeout: 30 * time.Second}, base: "http://writ",
		close: func() error { transport.CloseIdleConnections(); return nil },
	}
}

// handlerClient speaks to a handler in this process.
func handlerClient(h http.Handler, closer func() error) *adminClient {
	return &adminClient{http: &http.Client{Transport: handlerTransport{h}}, base: "http://writ", close: closer}
}

// handlerTransport answers requests with a handler, without a network.
type handlerTransport struct{ handler http.Handler }

func (t handlerTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.RequestURI, req.RemoteAddr = req.URL.RequestURI(), "@"
	if req.Body == nil {
		req.Body = http.NoBody
	}
	answer := &answerRecorder{header: http.Header{}, status: http.StatusOK}
	t.handler.ServeHTTP(answer, req)
	return &http.Response{
		StatusCode: answer.status, Header: answer.header, Body: io.NopCloser(&answer.body),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(answer.body.Len()), Request: req,
	}, nil
}

// answerRecorder keeps what a handler answers.
type answerRecorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answerRecorder) Header() http.Header         { return a.header }
func (a *answerRecorder) Write(b []byte) (int, error) { return a.body.Write(b) }
func (a *answerRecorder) WriteHeader(status int)      { a.status = status }
