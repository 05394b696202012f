package e2e

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// reader is a follower that costs next to nothing: it only counts bytes and
// looks for the number of the last event.
type reader struct {
	conn  net.Conn
	last  atomic.Uint64
	bytes atomic.Int64
}

func (r *reader) run() {
	lines := bufio.NewReaderSize(r.conn, 1024)
	for {
		line, err := lines.ReadSlice('\n')
		r.bytes.Add(int64(len(line)))
		if err == bufio.ErrBufferFull {
			continue
		}
		if err != nil {
			return
		}
		if id, ok := strings.CutPrefix(string(line), "id: "); ok {
			n, _ := strconv.ParseUint(strings.TrimSpace(id), 10, 64)
			r.last.Store(n)
		}
	}
}

// TestFanOut is what docs/scale.md rests on: what a stream costs the relay that
// serves it, in memory, processor time and bytes. Every reader gets everything.
func TestFanOut(t *testing.T) {
	n, revocations := 200, 50
	if os.Getenv("TEST_LOG") == "long" {
		n, revocations = 5000, 200
	}
	s := running(t)
	s.makeAPI()
	address, pid := relayProcess(t, s.url("/v1/revocations"))
	host := strings.TrimSuffix(strings.TrimPrefix(address, "http://"), "/v1/revocations")
	v := newVictim(s)
	seq := v.revoke()
	before := residentBytes(pid)
	readers := make([]*reader, n)
	var running sync.WaitGroup
	for i := range readers {
		conn, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "GET /v1/revocations HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\n\r\n", host)
		readers[i] = &reader{conn: conn}
		running.Go(readers[i].run)
	}
	t.Cleanup(func() {
		for _, r := range readers {
			r.conn.Close()
		}
		running.Wait()
	})
	reach := func(seq uint64) {
		t.Helper()
		until := time.Now().Add(time.Minute)
		for i, r := range readers {
			for r.last.Load() < seq {
				if time.Now().After(until) {
					t.Fatalf("reader %d has %d, want %d", i, r.last.Load(), seq)
				}
				time.Sleep(time.Millisecond) // until another process has written
			}
		}
	}
	reach(seq)
	idle := processCPU(t, pid)
	began := time.Now()
	time.Sleep(5 * time.Second) // heads alone
	perHead := float64(processCPU(t, pid)-idle) / time.Since(began).Seconds() / float64(n)

	total := func() (sum int64) {
		for _, r := range readers {
			sum += r.bytes.Load()
		}
		return sum
	}
	cpu, bytes, began := processCPU(t, pid), total(), time.Now()
	for range revocations {
		v.renew()
		seq = v.revoke()
		reach(seq)
	}
	heads := time.Since(began).Seconds() * perHead * float64(n)
	perEvent := (float64(processCPU(t, pid)-cpu) - heads) / float64(n*revocations)
	t.Logf("a relay with %d streams: %.1f kB of memory, and %.1f µs a second of processor time for its head, for each; %.1f µs and %d bytes for each revocation and stream, heads meanwhile included in the bytes",
		n, float64(residentBytes(pid)-before)/1e3/float64(n), perHead/1e3, perEvent/1e3, (total()-bytes)/int64(n*revocations))
}
