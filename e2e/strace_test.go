package e2e

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// straced is the command line that traces a program's files and sockets into a
// file: strings whole and in hexadecimal, files by their path. The tracer is
// the grandchild (-D), so that the program can be killed as if it were alone.
func straced(strace, into string) []string {
	return []string{strace, "-D", "-f", "-o", into, "-y", "-xx", "-s", strconv.Itoa(1 << 20),
		"-e", "trace=write,writev,pwrite64,pwritev,pwritev2,sendto,sendmsg,fsync,fdatasync,io_submit,io_getevents,ftruncate,openat,unlink,unlinkat,rename,renameat,renameat2,mkdirat"}
}

// tracedCall is one system call of a trace. A call that others overlapped has its
// begin and its end at two places in the order of all calls.
type tracedCall struct {
	name   string
	path   string // of the descriptor that is its first argument
	args   string // what follows that, undecoded
	result int64  // -1: it failed, or never ended
}

// data is the first string among the arguments: what is written.
func (c tracedCall) data() ([]byte, error) {
	_, text, _ := strings.Cut(c.args, `"`)
	text, rest, ok := strings.Cut(text, `"`)
	if !ok || strings.HasPrefix(rest, "...") {
		return nil, fmt.Errorf("the trace cut a %s short", c.name)
	}
	return unhex(text)
}

// offset is the last argument of a pwrite64.
func (c tracedCall) offset() (int64, error) {
	return strconv.ParseInt(c.args[strings.LastIndex(c.args, " ")+1:], 10, 64)
}

// mark is a call's begin or end, in the order in which they happened.
type mark struct {
	call  *tracedCall
	begin bool
}

// parseTrace reads what strace wrote, in order.
func parseTrace(r io.Reader) ([]mark, error) {
	t := trace{overlapped: map[string]*begun{}}
	for lines := bufio.NewReaderSize(r, 1<<20); ; {
		line, err := lines.ReadString('\n')
		if line == "" {
			if err == io.EOF {
				err = nil
			}
			return t.marks, err
		}
		thread, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if err := t.add(thread, strings.TrimLeft(text, " ")); err != nil {
			return nil, err
		}
	}
}

type trace struct {
	marks      []mark
	overlapped map[string]*begun // by thread
}

// begun is a call of which the trace has shown only the begin.
type begun struct {
	call *tracedCall
	text string
}

// add reads a line, which is a call, the begin of one, or the end of one.
func (t *trace) add(thread, text string) error {
	if head, ok := strings.CutSuffix(text, " <unfinished ...>"); ok {
		b := &begun{&tracedCall{result: -1}, head}
		t.overlapped[thread] = b
		t.marks = append(t.marks, mark{b.call, true})
		return b.call.parse(head + ") = ?")
	}
	if b := t.overlapped[thread]; b != nil && strings.HasPrefix(text, "<... ") {
		delete(t.overlapped, thread)
		_, tail, _ := strings.Cut(text, " resumed>")
		t.marks = append(t.marks, mark{b.call, false})
		return b.call.parse(b.text + tail)
	}
	if strings.HasPrefix(text, "+++ ") || strings.HasPrefix(text, "--- ") { // an exit, a signal
		return nil
	}
	call := &tracedCall{}
	t.marks = append(t.marks, mark{call, true}, mark{call, false})
	return call.parse(text)
}

// parse reads a call that is whole: name(arguments) = result.
func (c *tracedCall) parse(text string) error {
	name, rest, ok := strings.Cut(text, "(")
	end := strings.LastIndex(rest, ")")
	for ; end >= 0 && !strings.HasPrefix(strings.TrimLeft(rest[end+1:], " "), "= "); end = strings.LastIndex(rest[:end], ")") {
	}
	if !ok || end < 0 {
		return fmt.Errorf("not a line of a trace: %.80q", text)
	}
	c.name, c.args, c.result = name, rest[:end], -1
	word, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimLeft(rest[end+1:], " "), "= "), " ")
	word, _, _ = strings.Cut(word, "<") // the descriptor's path
	if n, err := strconv.ParseInt(word, 10, 64); err == nil {
		c.result = n
	}
	first, others, _ := strings.Cut(c.args, ", ")
	if _, path, ok := strings.Cut(strings.TrimSuffix(first, ">"), "<"); ok {
		text, err := unhex(path)
		if err != nil {
			return err
		}
		c.path, c.args = string(text), others
	}
	return nil
}

func unhex(text string) ([]byte, error) { return hex.DecodeString(strings.ReplaceAll(text, `\x`, "")) }

// finishedTrace waits until the tracer has written that the program is gone,
// and reads what it wrote.
func finishedTrace(t *testing.T, path string, pid int) []mark {
	t.Helper()
	var text []byte
	for deadline := time.Now().Add(time.Minute); ; {
		var err error
		if text, err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
		// The last of a process, after which only another can write: the one that
		// hashes passwords ends with its parent, a little later. The tracer writes
		// small numbers as wide as those of five digits.
		if bytes.Contains(text, fmt.Appendf(nil, "\n%-5d +++ ", pid)) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the trace has no end: %q", text[max(0, len(text)-200):])
		}
		time.Sleep(10 * time.Millisecond) // the tracer is no child to wait for
	}
	marks, err := parseTrace(bytes.NewReader(text[:bytes.LastIndexByte(text, '\n')+1]))
	if err != nil {
		t.Fatal(err)
	}
	return marks
}
