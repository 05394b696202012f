// Package pgtest starts a throwaway PostgreSQL for tests, as the machine has
// it: its data goes with the test.
//
// Where the environment variable TEST_POSTGRES holds the URL of a server,
// postgres://user:password@host/postgres, databases are made there instead; its
// user must be allowed to. A test that stops or breaks its server calls
// [StartOwn], which starts one in any case.
package pgtest

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/internal/testenv"
)

// Server is a running PostgreSQL.
type Server struct {
	base *url.URL // of a database that is always there
	psql string

	// Of a server that this package started.
	program  string
	dir      string
	settings []string
	port     int
	process  *process
}

// Start answers a server for the test and what it calls; without one on the
// machine the test is skipped (see testenv.Need). It gives up durability for
// speed.
func Start(t testing.TB) *Server {
	t.Helper()
	if text := os.Getenv("TEST_POSTGRES"); text != "" {
		base, err := url.Parse(text)
		if err != nil {
			t.Fatal("TEST_POSTGRES is no URL") // it may hold a password
		}
		return &Server{base: base, psql: findPsql(t, "")}
	}
	return StartOwn(t, "fsync=off", "full_page_writes=off")
}

// StartOwn starts a server with settings such as "max_connections=20". It is
// durable if they don't say otherwise.
func StartOwn(t testing.TB, settings ...string) *Server {
	t.Helper()
	program := testenv.Need(t, testenv.Postgres)
	s := &Server{program: program, psql: findPsql(t, program), settings: settings}
	var err error
	if s.dir, err = ownDirectory(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Stop(t)
		os.RemoveAll(s.dir)
	})
	if err := s.initialise(); err != nil {
		t.Fatal(err)
	}
	s.Resume(t)
	return s
}

// findPsql finds the client, which Debian puts beside the server.
func findPsql(t testing.TB, program string) string {
	t.Helper()
	if real, err := filepath.EvalSymlinks(program); err == nil {
		path := filepath.Join(filepath.Dir(real), "psql")
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	path, err := exec.LookPath("psql")
	if err != nil {
		t.Fatal("there is a PostgreSQL server, but psql is not installed")
	}
	return path
}

// ownDirectory makes a directory for the server's user, with a path short
// enough for a socket. t.TempDir's may be entered by the tests' user alone.
func ownDirectory() (string, error) {
	dir, err := os.MkdirTemp("", "pg")
	if err != nil {
		return "", err
	}
	return dir, errors.Join(os.Chmod(dir, 0o755), giveTo(dir))
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) initialise() error {
	real, err := filepath.EvalSymlinks(s.program)
	if err != nil {
		return err
	}
	cmd := exec.Command(filepath.Join(filepath.Dir(real), "initdb"), "--pgdata="+s.data(), "--username=postgres", "--auth=trust",
		"--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions")
	cmd.Dir, cmd.SysProcAttr = s.dir, unprivileged()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

// Resume starts a server that was stopped, on the port it had.
func (s *Server) Resume(t testing.TB) {
	t.Helper()
	if s.port == 0 {
		port, err := testenv.FreePort()
		if err != nil {
			t.Fatal(err)
		}
		s.port = port
		s.base = &url.URL{Scheme: "postgres", User: url.User("postgres"), Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), Path: "/postgres"}
	}
	deadline := time.Now().Add(time.Minute)
	for {
		err := s.start(deadline)
		if err == nil {
			return
		}
		// After a kill the old server's processes may need a moment to go.
		if time.Now().After(deadline) {
			t.Fatalf("PostgreSQL doesn't start: %v", err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (s *Server) start(deadline time.Time) error {
	args := []string{"-D", s.data(), "-k", s.dir, "-p", strconv.Itoa(s.port), "-c", "listen_addresses=127.0.0.1",
		"-c", "max_connections=200", "-c", "shared_buffers=64MB"}
	for _, setting := range s.settings {
		args = append(args, "-c", setting)
	}
	out := new(bytes.Buffer)
	p, err := run(exec.Command(s.program, args...), s.dir, out)
	if err != nil {
		return err
	}
	for time.Now().Before(deadline) {
		select {
		case <-p.done:
			return errors.New(out.String())
		case <-time.After(10 * time.Millisecond):
		}
		if s.ready(p.pid()) {
			s.process = p
			return nil
		}
	}
	p.signal(os.Kill)
	<-p.done
	return errors.New("it took too long")
}

// ready reads what the server says of itself: its process id first, its state
// in line 8 of a file.
func (s *Server) ready(pid int) bool {
	text, err := os.ReadFile(filepath.Join(s.data(), "postmaster.pid"))
	lines := strings.Split(string(text), "\n")
	return err == nil && len(lines) >= 8 && lines[0] == strconv.Itoa(pid) && strings.TrimSpace(lines[7]) == "ready"
}

// Stop ends the server in order, with what is connected to it.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	s.end(os.Interrupt)
}

// Kill ends the server at once, as a crash would.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	s.end(os.Kill)
}

func (s *Server) end(signal os.Signal) {
	if s.process == nil {
		return
	}
	s.process.signal(signal)
	<-s.process.done
	s.process = nil
}

// PID is the process id of the server's first process, its postmaster.
func (s *Server) PID() int { return s.process.pid() }

// Address is where the server listens, for a proxy before it.
func (s *Server) Address() string { return s.base.Host }

// URL is a database's, made or not.
func (s *Server) URL(database string) string {
	u := *s.base
	u.Path = "/" + database
	return u.String()
}

// Database makes an empty database and answers its URL.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	return s.Copy(t, "template0")
}

// Copy makes a database like another, to which nobody is connected, and answers
// its URL.
func (s *Server) Copy(t testing.TB, template string) string {
	t.Helper()
	name := "t" + strings.ToLower(rand.Text())
	s.SQL(t, fmt.Sprintf(`CREATE DATABASE %s TEMPLATE %s ENCODING 'UTF8'`, name, template))
	if s.program == "" {
		t.Cleanup(func() { s.SQL(t, "DROP DATABASE "+name+" WITH (FORCE)") })
	}
	return s.URL(name)
}

// SQL carries out one statement as the server's administrator and answers what
// it answers, a row a line.
func (s *Server) SQL(t testing.TB, text string) string {
	t.Helper()
	cmd := exec.Command(s.psql, "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1", "--dbname="+s.base.String(), "--command="+text)
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", text, err, problem.String())
	}
	return strings.TrimSpace(out.String())
}

// NameOf is the name of the database in a URL that Database or Copy answered.
func NameOf(text string) string { return text[strings.LastIndexByte(text, '/')+1:] }

// process is a running program.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// signal may come too late, which is all right.
func (p *process) signal(s os.Signal) { _ = p.cmd.Process.Signal(s) }
