package pgtest_test

import (
	"net"
	"testing"

	"github.com/writ-auth/writ/internal/pgtest"
)

func TestServer(t *testing.T) {
	s := pgtest.StartOwn(t)
	if got := s.SQL(t, "SHOW fsync"); got != "on" {
		t.Errorf("fsync is %q, want a server that is durable", got)
	}
	name := pgtest.NameOf(s.Database(t))
	if got := s.SQL(t, "SELECT COUNT(*) FROM pg_database WHERE datname = '"+name+"'"); got != "1" {
		t.Errorf("%s databases of the name that was answered, want 1", got)
	}
	for _, end := range []func(testing.TB){s.Stop, s.Kill} {
		address := s.Address()
		end(t)
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			t.Error("somebody listens where the server has ended")
		}
		s.Resume(t)
		if got := s.SQL(t, "SELECT COUNT(*) FROM pg_database WHERE datname = '"+name+"'"); got != "1" || s.Address() != address {
			t.Errorf("after another start: %s databases at %s, want the one at %s", got, s.Address(), address)
		}
	}
}
