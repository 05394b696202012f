package browser

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// site is Writ and an application on one origin, http://localhost and a port:
// what routes by path stands before both, and notes what the browser sends.
type site struct {
	*server
	origin string
	proxy  *httputil.ReverseProxy

	mu   sync.Mutex
	seen []exchange
	// way decides what becomes of a request for Writ, for tests in which the
	// network is bad. nil forwards it.
	way func(w http.ResponseWriter, r *http.Request, forward http.Handler)
}

// exchange is a request that reached Writ's origin, and its answer.
type exchange struct {
	Method, Path, Origin, FetchSite string
	Cookies                         []string // the names
	Status                          int
	SetCookies                      int
}

func (e exchange) String() string {
	return fmt.Sprintf("%s %s (Origin %q, Sec-Fetch-Site %q, cookies %v) answered %d", e.Method, e.Path, e.Origin, e.FetchSite, e.Cookies, e.Status)
}

// page is the application, and the hostile one too: an empty page without a
// policy of its own, on which the tests run scripts.
func page(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprint(w, "<!doctype html><title>page</title><link rel=icon href=data:>")
}

func startSite(t testing.TB, flags ...string) *site {
	t.Helper()
	s := &site{}
	port := freePort(t)
	front := httptest.NewServer(s)
	t.Cleanup(func() { front.CloseClientConnections(); front.Close() })
	s.origin = onLocalhost(front)
	target := &url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", port)}
	s.proxy = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	s.server = startServer(t, "http", s.origin, port, flags...)
	return s
}

// onLocalhost is the origin of a server of package httptest, which calls
// itself 127.0.0.1, by the other name: a site of its own to browsers.
func onLocalhost(s *httptest.Server) string {
	return strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/app/") {
		page(w, r)
		return
	}
	s.mu.Lock()
	way := s.way
	s.mu.Unlock()
	if way == nil {
		way = func(w http.ResponseWriter, r *http.Request, forward http.Handler) { forward.ServeHTTP(w, r) }
	}
	way(w, r, http.HandlerFunc(s.forward))
}

func (s *site) forward(w http.ResponseWriter, r *http.Request) {
	e := exchange{Method: r.Method, Path: r.URL.Path, Origin: r.Header.Get("Origin"), FetchSite: r.Header.Get("Sec-Fetch-Site")}
	for _, c := range r.Cookies() {
		e.Cookies = append(e.Cookies, c.Name)
	}
	noted := &statusWriter{ResponseWriter: w}
	s.proxy.ServeHTTP(noted, r)
	e.Status, e.SetCookies = noted.status, len(w.Header().Values("Set-Cookie"))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, e)
}

// statusWriter notes the status.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// take answers the exchanges since it was last called.
func (s *site) take() []exchange {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := s.seen
	s.seen = nil
	return taken
}

// setWay changes what becomes of requests.
func (s *site) setWay(way func(w http.ResponseWriter, r *http.Request, forward http.Handler)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.way = way
}

// signIn opens the application in a tab and signs alice in.
func (s *site) signIn(p *profile, mode string) *tab {
	p.t.Helper()
	b := p.open(s.origin + "/app/")
	b.send("POST", "/v1/login", login(aliceEmail, alicePassword, mode)).want(p.t, "sign-in", 200, "")
	return b
}

// login is the body of a sign-in; the mode may be "".
func login(email, password, mode string) string {
	if mode != "" {
		mode = fmt.Sprintf(`,"mode":%q`, mode)
	}
	return fmt.Sprintf(`{"email":%q,"password":%q%s}`, email, password, mode)
}
