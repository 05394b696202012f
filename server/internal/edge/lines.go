package edge

import (
	"bytes"
	"io"
	"sync"
	"time"
)

const (
	linesDelay = 50 * time.Millisecond // how long a line waits for others at most
	linesRoom  = 64 << 10              // bytes that may wait
)

// Lines writes a log's lines together: a system call for each costs as much as
// a small request. A line waits for others for 50 ms at most; what says that
// something is wrong doesn't wait, nor do lines when 64 KiB are there. Then, and
// in no other case, who writes one waits for the writer below, as without Lines.
//
// A process that is killed loses the lines that wait. One that ends calls Close.
type Lines struct {
	to     io.Writer
	urgent [][]byte // a line with one of these is written at once

	mu     sync.Mutex
	wait   []byte
	due    *time.Timer
	closed bool
	err    error // of the last writing nobody was told of
}

// NewLines makes Lines that write to another writer. A line that contains one of
// urgent is written at once.
func NewLines(to io.Writer, urgent ...string) *Lines {
	l := &Lines{to: to, wait: make([]byte, 0, linesRoom)}
	for _, text := range urgent {
		l.urgent = append(l.urgent, []byte(text))
	}
	l.due = time.AfterFunc(time.Hour, l.flush)
	l.due.Stop()
	return l
}

// Write takes one line. The error is that of a line before.
func (l *Lines) Write(line []byte) (int, error) { return l.take(line, l.isUrgent(line)) }

// calm takes a line that is not urgent, whatever is in it.
func (l *Lines) calm(line []byte) { _, _ = l.take(line, false) } // the error: there is nowhere to say so

func (l *Lines) take(line []byte, urgent bool) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.wait) == 0 && !l.closed {
		l.due.Reset(linesDelay)
	}
	l.wait = append(l.wait, line...)
	if l.closed || len(l.wait) >= linesRoom || urgent {
		l.out()
	}
	err := l.err
	l.err = nil
	return len(line), err
}

func (l *Lines) isUrgent(line []byte) bool {
	for _, text := range l.urgent {
		if bytes.Contains(line, text) {
			return true
		}
	}
	return false
}

func (l *Lines) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.out()
}

// out writes what waits. The lock is held: lines stay in order.
func (l *Lines) out() {
	l.due.Stop()
	if len(l.wait) == 0 {
		return
	}
	if _, err := l.to.Write(l.wait); err != nil {
		l.err = err
	}
	l.wait = l.wait[:0]
}

// Close writes what waits. Lines that come later are written at once.
func (l *Lines) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.out()
	return l.err
}
