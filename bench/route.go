package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/writ-auth/writ/jwk"
)

// serveVariable makes this program the server instead: a process of its own, so
// that the load isn't part of what is measured.
const serveVariable = "WRIT_BENCH_SERVE"

// The handlers that are compared.
const (
	routeEmpty = "an empty net/http handler"
	routeGuard = "the same behind a guard"
	routePeer  = "the same behind golang-jwt, ES256"
)

// connections are kept alive, and each waits for its answer.
const connections = 16

// served is what the server tells about itself.
type served struct {
	CPU    string // address that answers the CPU time used so far, in nanoseconds
	Routes []servedRoute
}

type servedRoute struct{ Name, Address, Token string }

// serve runs the server on one processor until in ends.
func serve(in io.Reader, out io.Writer) error {
	runtime.GOMAXPROCS(1)
	s := served{}
	routes, err := newRoutes()
	if err != nil {
		return err
	}
	for _, r := range routes {
		address, err := listen(r.handler)
		if err != nil {
			return err
		}
		s.Routes = append(s.Routes, servedRoute{r.name, address, r.token})
	}
	if s.CPU, err = listen(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, int64(cpuTime()))
	})); err != nil {
		return err
	}
	if err := json.NewEncoder(out).Encode(s); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, in)
	return err
}

type route struct {
	name, token string
	handler     http.Handler
}

func newRoutes() ([]route, error) {
	i, err := newIssuer()
	if err != nil {
		return nil, err
	}
	token, err := i.token("user")
	if err != nil {
		return nil, err
	}
	g, err := i.guard(i.config("GET /healthz")) // as most APIs have it
	if err != nil {
		return nil, err
	}
	m, err := newMaterial(jwk.ES256)
	if err != nil {
		return nil, err
	}
	peer, err := enterGolangJWT(m)
	if err != nil {
		return nil, err
	}
	empty := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	// The empty handler is sent the same bytes as the guard, token included:
	// reading the header costs both of them the same.
	return []route{
		{routeEmpty, token, empty},
		{routeGuard, token, g.Handler(empty)},
		{routePeer, m.token, verifying(peer, empty)},
	}, nil
}

// verifying is what most APIs do: verify every token of every request.
func verifying(c *contestant, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if _, err := c.verify(token); !ok || err != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		h.ServeHTTP(w, r)
	})
}

func listen(h http.Handler) (address string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go http.Serve(l, h) // ends with the process
	return l.Addr().String(), nil
}

// startServer starts this program again as the server. stop ends it.
func startServer() (s *served, stop func(), err error) {
	program, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), serveVariable+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	stop = func() {
		in.Close()
		cmd.Wait() // it has nothing more to say
	}
	s = new(served)
	if err := json.NewDecoder(out).Decode(s); err != nil {
		stop()
		return nil, nil, fmt.Errorf("the server did not start: %w", err)
	}
	return s, stop, nil
}

// load is one route under measurement.
type load struct {
	servedRoute
	clients   []*client
	perSecond []float64
	cpu       []float64 // of the server, ns for a request
}

// measureRoute loads each handler in turn. One processor is for the server, one
// for the load.
func measureRoute(p plan, report *Report) error {
	s, stop, err := startServer()
	if err != nil {
		return err
	}
	defer stop()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var loads []*load
	for _, r := range s.Routes {
		l, err := newLoad(r)
		if err != nil {
			return fmt.Errorf("%s: %w", r.Name, err)
		}
		defer l.close()
		loads = append(loads, l)
	}
	duration := 10 * p.slice
	err = rounds(p.route, func(round int) error {
		for n := range loads {
			l := loads[(n+round)%len(loads)]
			if err := l.sample(s, duration); err != nil {
				return fmt.Errorf("%s: %w", l.Name, err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, l := range loads {
		report.Route = append(report.Route, l.result(loads[0]))
	}
	return nil
}

func (l *load) result(empty *load) RouteResult {
	return RouteResult{
		Name: l.Name, PerSecond: slices.Max(l.perSecond), CPU: slices.Min(l.cpu),
		Ratio: median(ratios(l.perSecond, empty.perSecond)), CPUFraction: median(ratios(empty.cpu, l.cpu)),
	}
}

// newLoad connects, and makes sure that the route is protected as it should be.
func newLoad(r servedRoute) (*load, error) {
	want := http.StatusUnauthorized
	if r.Name == routeEmpty {
		want = http.StatusOK
	}
	if got, err := status(r, changeAfterDot(r.Token, 2)); err != nil || got != want {
		return nil, fmt.Errorf("a changed token: status %d, %v, want %d", got, err, want)
	}
	l := &load{servedRoute: r}
	for range connections {
		c, err := dial(r)
		if err != nil {
			l.close()
			return nil, err
		}
		l.clients = append(l.clients, c)
	}
	return l, nil
}

func (l *load) close() {
	for _, c := range l.clients {
		c.conn.Close()
	}
}

func (l *load) sample(s *served, duration time.Duration) error {
	before, err := s.cpuTime()
	if err != nil {
		return err
	}
	began := time.Now()
	done, err := l.run(began.Add(duration))
	if err != nil {
		return err
	}
	elapsed := time.Since(began)
	after, err := s.cpuTime()
	l.perSecond = append(l.perSecond, float64(done)/elapsed.Seconds())
	l.cpu = append(l.cpu, float64(after-before)/float64(done))
	return err
}

// run sends requests on all connections until the time has come.
func (l *load) run(until time.Time) (done int, err error) {
	var running sync.WaitGroup
	counts, errs := make([]int, len(l.clients)), make([]error, len(l.clients))
	for n, c := range l.clients {
		running.Go(func() {
			for more := true; more; more = errs[n] == nil && time.Now().Before(until) {
				errs[n] = c.ask()
				counts[n]++
			}
		})
	}
	running.Wait()
	for _, n := range counts {
		done += n
	}
	return done, errors.Join(errs...)
}

// client is one connection. It reads as little as it can: net/http's client
// would take longer than the server.
type client struct {
	conn    net.Conn
	request []byte
	answer  []byte // room; its length is that of an answer
}

func dial(r servedRoute) (*client, error) {
	conn, err := net.Dial("tcp", r.Address)
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn, request: []byte("GET /orders HTTP/1.1\r\nHost: api.example.com\r\n" +
		"Accept: application/json\r\nUser-Agent: bench\r\nAuthorization: Bearer " + r.Token + "\r\n\r\n")}
	if _, err := conn.Write(c.request); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	// The first answer tells how long they are: an empty body, a date of fixed length.
	answer, err := readHead(bufio.NewReader(conn))
	if err == nil && !strings.HasPrefix(answer, "HTTP/1.1 200 ") {
		err = fmt.Errorf("the good token: answer %q", answer)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	c.answer = make([]byte, len(answer))
	return c, nil
}

func readHead(r *bufio.Reader) (head string, err error) {
	for !strings.HasSuffix(head, "\r\n\r\n") {
		line, err := r.ReadString('\n')
		if head += line; err != nil {
			return head, err
		}
	}
	return head, nil
}

func (c *client) ask() error {
	if _, err := c.conn.Write(c.request); err != nil {
		return err
	}
	if _, err := io.ReadFull(c.conn, c.answer); err != nil {
		return err
	}
	if answer := string(c.answer); !strings.HasPrefix(answer, "HTTP/1.1 200 ") || !strings.HasSuffix(answer, "\r\n\r\n") {
		return fmt.Errorf("answer %q", answer)
	}
	return nil
}

// status asks once, in the ordinary way.
func status(r servedRoute, token string) (int, error) {
	request, err := http.NewRequest(http.MethodGet, "http://"+r.Address+"/orders", nil)
	if err != nil {
		return 0, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	return answer.StatusCode, answer.Body.Close()
}

// cpuTime asks the server what it has used. The question is part of the answer,
// one request among thousands.
func (s *served) cpuTime() (time.Duration, error) {
	answer, err := http.Get("http://" + s.CPU)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	var n int64
	_, err = fmt.Fscan(answer.Body, &n)
	return time.Duration(n), err
}
