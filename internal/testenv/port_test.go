package testenv_test

import (
	"net"
	"strconv"
	"testing"

	"github.com/writ-auth/writ/internal/testenv"
)

func TestFreePort(t *testing.T) {
	port, err := testenv.FreePort()
	if err != nil || port < 10_000 || port >= 32_000 {
		t.Fatalf("FreePort = %d, %v", port, err)
	}
	for range 2 {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
