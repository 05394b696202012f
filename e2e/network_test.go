package e2e

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/writ-auth/writ/internal/pgtest"
)

// proxy passes connections on, as well or badly as it is told.
type proxy struct {
	listener net.Listener
	target   string

	mu    sync.Mutex
	pause time.Duration // before each piece that is passed on
	hung  chan struct{} // not nil: nothing is passed on until it is closed
	conns map[net.Conn]bool
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, target: target, conns: map[net.Conn]bool{}}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { p.serve(client) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.be(0, false)
		p.cut()
		running.Wait()
	})
	return p
}

func (p *proxy) port() int { return p.listener.Addr().(*net.TCPAddr).Port }

func (p *proxy) serve(client net.Conn) {
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		client.Close()
		return
	}
	p.mu.Lock()
	p.conns[client], p.conns[server] = true, true
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.pass(client, server) })
	both.Go(func() { p.pass(server, client) })
	both.Wait()
	p.mu.Lock()
	delete(p.conns, client)
	delete(p.conns, server)
	p.mu.Unlock()
}

// pass copies one direction; when it ends so does the connection.
func (p *proxy) pass(from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	piece := make([]byte, 512)
	for {
		n, err := from.Read(piece)
		p.mu.Lock()
		pause, hung := p.pause, p.hung
		p.mu.Unlock()
		if hung != nil {
			<-hung
		}
		time.Sleep(pause) // what a slow network does
		if _, werr := to.Write(piece[:n]); err != nil || werr != nil {
			return
		}
	}
}

// be makes the network slow, or silent.
func (p *proxy) be(pause time.Duration, hung bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pause = pause
	if p.hung != nil && !hung {
		close(p.hung)
		p.hung = nil
	} else if p.hung == nil && hung {
		p.hung = make(chan struct{})
	}
}

// cut resets every connection, whatever is under way on it.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
}

// TestBadNetwork slows and cuts the connections between clients and server:
// whoever lost an answer goes on with the token that it has.
func TestBadNetwork(t *testing.T) {
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, bin)
	s.behind = freePort(t)
	p := newProxy(t, fmt.Sprintf("127.0.0.1:%d", s.behind))
	s.port = p.port()
	s.start()
	h := newHistory(t, s, refreshers, visitors)
	n := kills(6)
	for i := range n {
		h.load(t, func() {
			if i%2 == 1 {
				p.be(20*time.Millisecond, false)
				time.Sleep(100 * time.Millisecond) // so that something is under way, slowly
			}
			p.cut()
		})
		p.be(0, false)
		h.audit(t.Context())
	}
	h.report(t)
	h.provesSomething(t, n)
}

// TestBadNetworkToPostgres does so between the server and its database, and
// lets it fall silent.
func TestBadNetworkToPostgres(t *testing.T) {
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	pg := pgtest.StartOwn(t)
	p := newProxy(t, pg.Address())
	database := strings.Replace(pg.Database(t), pg.Address(), p.listener.Addr().String(), 1)
	s := onPostgres(t, bin, database)
	s.start()
	h := newHistory(t, s, refreshers, visitors)
	n := kills(6)
	for i := range n {
		h.load(t, func() {
			switch i % 3 {
			case 0:
				p.cut()
			case 1:
				p.be(5*time.Millisecond, false)
				time.Sleep(100 * time.Millisecond)
				p.cut()
			case 2:
				p.be(0, true)
				h.outage(t.Context())
			}
		})
		p.be(0, false)
		s.waitReady()
		h.audit(t.Context())
	}
	h.report(t)
	if h.faults != n || h.refreshed < 2*n*refreshers || h.refused == 0 {
		t.Errorf("too little happened to prove anything: %v", h)
	}
}

// TestFrozen stops the server as a suspended machine does, lets the clients
// give up and ask again elsewhere, and wakes it: it carries out what it had
// read and what waits at its door, for clients who have long gone.
func TestFrozen(t *testing.T) {
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, bin)
	s.start()
	h := newHistory(t, s, refreshers, visitors)
	n := kills(6)
	for i := range n {
		h.load(t, func() {
			s.signal(syscall.SIGSTOP)
			time.Sleep(100 * time.Millisecond) // the clients' requests pile up
			if i%2 == 1 {
				h.giveUp()
			}
			s.signal(syscall.SIGCONT)
		})
		h.audit(t.Context())
	}
	h.report(t)
	h.provesSomething(t, n)
}

func (s *server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}
