package testenv

import (
	"errors"
	"math/rand/v2"
	"net"
)

// The ports that FreePort chooses from: no kernel's first choice for the near end
// of a connection (Linux begins at 32768), nor for a listener that names no port.
const (
	firstPort = 10_000
	endPort   = 32_000
)

// FreePort answers a port of this machine at which nobody listens. A server may
// begin to listen there, and again after a pause: meanwhile nobody gets the port
// by accident, as would happen to one that the kernel chose.
func FreePort() (int, error) {
	for range 1000 {
		port := firstPort + rand.IntN(endPort-firstPort)
		l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		if err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.New("testenv: no port is free")
}
