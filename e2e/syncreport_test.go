package e2e

import (
	"bytes"
	endian "encoding/binary" // binary is what this package calls the program
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// syncReport replays a trace: what was written to the write-ahead log, what of
// it was synced, and what the answers had promised by then.
type syncReport struct {
	promised map[string]promise
	seen     map[string]bool // answers that the trace shows

	written  []written       // to the log, in order, and not part of a synced commit
	flushed  int             // how much of that was synced
	syncing  map[any]int     // syncs under way, by call or queue, and how much of written was there when they began
	durable  [][]byte        // pages that a synced commit has made part of the database
	unsynced bool            // the database file holds writes that were not synced
	nameless map[string]bool // directories of new directories whose names were not synced

	failed                   error // a client was refused
	answers, syncs, restarts int
	violations               []string
}

type written struct {
	offset int64
	data   []byte
}

func (r *syncReport) step(m mark) error {
	c := m.call
	switch {
	case c.name == "mkdirat" && !m.begin && c.result == 0:
		return r.made(c)
	case m.begin && c.name == "write" && strings.HasPrefix(c.path, "socket:"):
		return r.answer(c)
	case c.name == "io_submit" && m.begin:
		return r.asked(c)
	case c.name == "io_getevents" && !m.begin:
		r.told(c)
	case strings.HasSuffix(c.path, ".db-wal"):
		return r.log(c, m.begin)
	case strings.HasSuffix(c.path, ".db") && !m.begin:
		switch c.name {
		case "pwrite64", "write":
			r.unsynced = true
		case "fsync", "fdatasync":
			r.unsynced = r.unsynced && c.result != 0
		}
	case c.name == "fsync" && !m.begin && c.result == 0:
		delete(r.nameless, c.path)
	}
	return nil
}

// made notes a new directory, unless it is a temporary one. One whose name
// isn't synced may be gone with all that was synced in it.
func (r *syncReport) made(c *tracedCall) error {
	path, err := c.data()
	if err != nil {
		return err
	}
	if strings.HasPrefix(filepath.Base(string(path)), ".") {
		return nil
	}
	if r.nameless == nil {
		r.nameless = map[string]bool{}
	}
	r.nameless[filepath.Dir(string(path))] = true
	return nil
}

// answer checks a promise at the moment in which its answer leaves.
func (r *syncReport) answer(c *tracedCall) error {
	data, err := c.data()
	if err != nil {
		return err
	}
	_, id, ok := bytes.Cut(data, []byte("\r\nX-Request-Id: "))
	if !ok {
		return nil
	}
	id, _, _ = bytes.Cut(id, []byte("\r\n"))
	p, ok := r.promised[string(id)]
	if !ok {
		return nil
	}
	r.seen[string(id)] = true
	r.answers++
	for dir := range r.nameless {
		r.violations = append(r.violations, fmt.Sprintf("answer %d, to a %s, left before the name of a new directory in %s was synced", r.answers, p.kind, dir))
	}
	if !slices.ContainsFunc(r.durable, func(page []byte) bool { return bytes.Contains(page, p.row) }) {
		r.violations = append(r.violations, fmt.Sprintf("answer %d, to a %s, left before what it promises was synced", r.answers, p.kind))
	}
	return nil
}

// log follows the write-ahead log. A write counts when it has ended, and is on
// the disk when a sync has ended that began after that.
func (r *syncReport) log(c *tracedCall, begin bool) error {
	switch c.name {
	case "pwrite64":
		if begin {
			return r.overwrites(c)
		}
		data, err := c.data()
		offset, err2 := c.offset()
		if err != nil || err2 != nil || c.result != int64(len(data)) {
			return fmt.Errorf("a write of the log that this test can't read: %w %w (%d of %d bytes)", err, err2, c.result, len(data))
		}
		r.written = append(r.written, written{offset, data})
	case "fsync", "fdatasync":
		if begin {
			r.began(c)
		} else {
			r.ended(c, c.result == 0)
		}
	case "write", "writev", "pwritev", "pwritev2":
		return fmt.Errorf("the log is written by %s, which this test does not follow", c.name)
	}
	return nil
}

func (r *syncReport) began(which any) {
	if r.syncing == nil {
		r.syncing = map[any]int{}
	}
	r.syncing[which] = len(r.written)
}

func (r *syncReport) ended(which any, well bool) {
	if n, ok := r.syncing[which]; ok && well {
		r.syncs++
		r.synced(n)
	}
	delete(r.syncing, which)
}

// asked follows a request to sync the log, one in a queue at a time, and told what
// became of it.
func (r *syncReport) asked(c *tracedCall) error {
	queue, what, _ := strings.Cut(c.args, ", ")
	_, file, ok := strings.Cut(what, "aio_lio_opcode=IOCB_CMD_FDSYNC, aio_fildes=")
	_, path, _ := strings.Cut(file, "<")
	path, rest, _ := strings.Cut(path, ">")
	text, err := unhex(path)
	if !ok || err != nil || strings.Contains(rest, "aio_lio_opcode") {
		return fmt.Errorf("a request that this test can't read: %w: %s", err, c.args)
	}
	if strings.HasSuffix(string(text), ".db-wal") {
		r.began(queue)
	}
	return nil
}

func (r *syncReport) told(c *tracedCall) {
	if queue, _, _ := strings.Cut(c.args, ", "); c.result == 1 {
		r.ended(queue, strings.Contains(c.args, " res=0,"))
	}
}

// overwrites checks the other half of the promise: what was in the log must be
// in the database file, synced, before the log begins anew.
func (r *syncReport) overwrites(c *tracedCall) error {
	offset, err := c.offset()
	if err != nil || offset != 0 {
		return err
	}
	r.restarts++
	if r.unsynced {
		r.violations = append(r.violations, "the log is overwritten while the database file, to which it was copied, is not synced")
	}
	return nil
}

// The log: a header of 32 bytes, then frames of a header of 24 bytes and a page.
const (
	logHeader   = 32
	frameHeader = 24
	pageSize    = 4096
	leafTable   = 0x0d // the first byte of a page that holds rows
)

// synced makes the first n writes durable. Their pages count from the commit
// on: a frame whose header names the database's size. A checkpointer may sync
// half a transaction.
func (r *syncReport) synced(n int) {
	r.flushed = max(r.flushed, n)
	var head []byte    // of the frame whose page is to come
	var pages [][]byte // of the transaction
	ended := 0         // writes that are of no transaction under way
	for i, w := range r.written[:r.flushed] {
		at := w.offset - logHeader
		switch {
		case at >= 0 && at%(frameHeader+pageSize) == 0:
			head = w.data
		case head != nil && at >= 0:
			head = append(slices.Clone(head), w.data...)
		}
		if len(head) < frameHeader+pageSize {
			continue
		}
		if page := head[frameHeader:]; page[0] == leafTable {
			pages = append(pages, page)
		}
		if endian.BigEndian.Uint32(head[4:]) != 0 {
			r.durable, pages = append(r.durable, pages...), nil
			ended = i + 1
		}
		head = nil
	}
	r.written, r.flushed = r.written[ended:], r.flushed-ended
	for c := range r.syncing {
		r.syncing[c] = max(0, r.syncing[c]-ended)
	}
}

// TestSyncReport holds the checker against short traces written by hand.
func TestSyncReport(t *testing.T) {
	const promised = "the row"
	page := "\\x0d" + strings.Repeat("\\x20", pageSize-1-len(promised)) + hexed(promised)
	commit := strings.Repeat("\\x00", 4) + strings.Repeat("\\x01", 4) + strings.Repeat("\\x00", 16)
	frame := func(thread, offset string) string {
		return thread + ` pwrite64(12<` + hexed("/d/writ.db-wal") + `>, "` + commit + page + `", 4120, ` + offset
	}
	write := frame("1", "32") + ") = 4120"
	half := strings.Replace(write, commit, strings.Repeat("\\x00", 24), 1)
	rest := strings.Replace(frame("1", "4152")+") = 4120", hexed(promised), hexed("another"), 1)
	sync := "1 fsync(12<" + hexed("/d/writ.db-wal") + ">)     = 0"
	ask := "2 io_submit(0x7f, 1, [{aio_data=0, aio_lio_opcode=IOCB_CMD_FDSYNC, aio_fildes=12<" + hexed("/d/writ.db-wal") + ">}]) = 1"
	told := "3 io_getevents(0x7f, 1, 1, [{data=0, obj=0x25, res=0, res2=0}], NULL) = 1"
	answer := `3 write(7<` + hexed("socket:[1]") + `>, "` + hexed("HTTP/1.1 200 OK\r\nX-Request-Id: req_1\r\n\r\n{}") + `", 50) = 50`
	made := `4 mkdirat(AT_FDCWD<` + hexed("/") + `>, "` + hexed("/d") + `", 0700) = 0`
	named := "4 fsync(11<" + hexed("/") + ">) = 0"
	database := `4 pwrite64(11<` + hexed("/d/writ.db") + `>, "` + hexed("x") + `", 1, 0) = 1`
	for _, c := range []struct {
		name  string
		trace []string
		want  int
	}{
		{"synced, then answered", []string{write, sync, answer}, 0},
		{"answered, then synced", []string{write, answer, sync}, 1},
		{"never synced", []string{write, answer}, 1},
		{"synced before it was written", []string{sync, write, answer}, 1},
		{"the sync failed", []string{write, "1 fsync(12<" + hexed("/d/writ.db-wal") + ">) = -1 EIO (Input/output error)", answer}, 1},
		{"the sync has not ended", []string{write, "2 fsync(12<" + hexed("/d/writ.db-wal") + "> <unfinished ...>", answer, "2 <... fsync resumed>) = 0"}, 1},
		{"the sync began before the write ended", []string{frame("1", "32") + " <unfinished ...>", "2 fsync(12<" + hexed("/d/writ.db-wal") + "> <unfinished ...>",
			"1 <... pwrite64 resumed>) = 4120", "2 <... fsync resumed>) = 0", answer}, 1},
		{"the answer began before the sync ended", []string{write, "2 fsync(12<" + hexed("/d/writ.db-wal") + "> <unfinished ...>",
			strings.TrimSuffix(answer, ") = 50") + " <unfinished ...>", "2 <... fsync resumed>) = 0", "3 <... write resumed>) = 50"}, 1},
		{"half a transaction is synced", []string{half, sync, rest, answer}, 1},
		{"a transaction is synced in two halves", []string{half, sync, rest, sync, answer}, 0},
		{"synced aside, then answered", []string{write, ask, told, answer}, 0},
		{"answered, then synced aside", []string{write, ask, answer, told}, 1},
		{"asked to sync, and never told", []string{write, ask, answer}, 1},
		{"asked to sync before it was written", []string{ask, write, told, answer}, 1},
		{"another queue's sync", []string{write, ask, strings.Replace(told, "0x7f", "0x80", 1), answer}, 1},
		{"the sync aside failed", []string{write, ask, strings.Replace(told, "res=0", "res=-EIO", 1), answer}, 1},
		{"the sync aside was refused, and done in the usual way", []string{write, strings.Replace(ask, "= 1", "= -1 EINVAL (Invalid argument)", 1), sync, answer}, 0},
		{"another file is synced aside", []string{write, strings.ReplaceAll(ask, hexed("-wal"), ""), told, answer}, 1},
		{"another file is synced", []string{write, strings.ReplaceAll(sync, hexed("-wal"), ""), answer}, 1},
		{"the name of the directory is synced", []string{made, named, write, sync, answer}, 0},
		{"the name of the directory is not synced", []string{made, write, sync, answer}, 1},
		{"the name is synced before there is one", []string{named, made, write, sync, answer}, 1},
		{"the log begins anew over what is not copied", []string{write, sync, answer, database, frame("1", "0") + ") = 4120"}, 1},
		{"the log begins anew over what is copied", []string{write, sync, answer, database, strings.ReplaceAll(sync, hexed("-wal"), ""), frame("1", "0") + ") = 4120"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			marks, err := parseTrace(strings.NewReader(strings.Join(c.trace, "\n") + "\n9 +++ exited with 0 +++\n"))
			if err != nil {
				t.Fatal(err)
			}
			r := syncReport{promised: map[string]promise{"req_1": {"refresh", []byte(promised)}}, seen: map[string]bool{}}
			for _, m := range marks {
				if err := r.step(m); err != nil {
					t.Fatal(err)
				}
			}
			if len(r.violations) != c.want || r.answers != 1 {
				t.Errorf("%d answers, violations %q; want %d", r.answers, r.violations, c.want)
			}
		})
	}
}

// hexed is a string as strace -xx writes it.
func hexed(s string) string {
	var out strings.Builder
	for _, b := range []byte(s) {
		fmt.Fprintf(&out, `\x%02x`, b)
	}
	return out.String()
}
