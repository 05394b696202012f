package credential

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"sync"
	"time"
)

// A hash takes a processor for as long as it lasts, and Go's scheduler lets it
// go on for ten milliseconds at each of the turns that another request needs.
// The operating system's can do better: it takes the processor away from a
// process of lower priority the moment that one of higher priority has
// something to do. So a crowd of sign-ins is hashed beside the server.

// job is a hash to be made, or one to be compared with.
type job struct {
	ID       uint64 `json:"id"`
	Hash     string `json:"hash,omitempty"` // "": make one
	Password []byte `json:"password"`
}

// outcome is what came of a job.
type outcome struct {
	ID    uint64 `json:"id"`
	Hash  string `json:"hash,omitempty"`
	Right bool   `json:"right,omitempty"`
}

// do carries a job out here and now.
func (j job) do() outcome {
	if j.Hash == "" {
		return outcome{ID: j.ID, Hash: standard().hash(string(j.Password))}
	}
	p, err := parse(j.Hash)
	return outcome{ID: j.ID, Right: err == nil && p.verify(string(j.Password))}
}

// Serve is the other end of Options.Beside: it carries out the jobs that come
// from in, all at once, and ends with it.
func Serve(in io.Reader, out io.Writer) error {
	var (
		mu  sync.Mutex
		dec = json.NewDecoder(in)
		enc = json.NewEncoder(out)
	)
	for {
		var j job
		if err := dec.Decode(&j); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return errors.New("credential: not a job") // the cause may repeat a password
		}
		go func() {
			done := j.do()
			mu.Lock()
			defer mu.Unlock()
			_ = enc.Encode(done) // who asked has gone: so will we
		}()
	}
}

const (
	idleBeside  = time.Minute     // until a process that nobody needs ends
	retryBeside = 5 * time.Second // until one that ended is started again
	maxBeside   = time.Minute     // for a job; one that takes longer has stopped
)

// beside is the process that hashes beside this one, while a crowd signs in.
// Nobody depends on it: where there is none, or it ends, this process hashes.
type beside struct {
	command func() *exec.Cmd // nil: there never is one

	mu       sync.Mutex
	process  *process // nil: none
	starting bool
	closed   bool
	next     time.Time // not to be started again before
	idle     *time.Timer
	work     sync.WaitGroup
}

// do carries a job out, and reports whether that was here.
func (b *beside) do(j job) (done outcome, here bool) {
	b.mu.Lock()
	p := b.process
	if p != nil {
		b.idle.Reset(idleBeside)
	}
	b.mu.Unlock()
	if p != nil {
		if done, ok := p.do(j); ok {
			return done, false
		}
	}
	return j.do(), true
}

// wanted starts the process. Nobody waits for it.
func (b *beside) wanted() {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if b.command == nil || b.process != nil || b.starting || b.closed || now.Before(b.next) {
		return
	}
	b.starting, b.next = true, now.Add(retryBeside)
	b.work.Go(b.run)
}

// run keeps a process until it ends, or is told to by its input's end.
func (b *beside) run() {
	p, err := start(b.command())
	b.mu.Lock()
	b.starting = false
	if err != nil || b.closed {
		b.mu.Unlock()
		if p != nil {
			p.end()
			p.wait()
		}
		return
	}
	b.process = p
	b.idle = time.AfterFunc(idleBeside, b.end)
	b.mu.Unlock()
	p.read()
	b.end()
	p.wait()
}

// end lets the process go once it has done what it was given.
func (b *beside) end() {
	b.mu.Lock()
	p := b.process
	b.process = nil
	if p != nil {
		b.idle.Stop()
	}
	b.mu.Unlock()
	if p != nil {
		p.end()
	}
}

func (b *beside) close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.end()
	b.work.Wait()
}

// process is one that does jobs.
type process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out io.Reader

	mu      sync.Mutex
	enc     *json.Encoder
	last    uint64
	ending  bool
	pending map[uint64]chan outcome // closed if there will be none
}

// start starts a process of lower priority. Its input's end is how it learns
// that this one has ended, however that was.
func start(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, pending: make(map[uint64]chan outcome)}
	var err1, err2 error
	p.in, err1 = cmd.StdinPipe()
	p.out, err2 = cmd.StdoutPipe()
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	p.enc = json.NewEncoder(p.in)
	if err := startLow(cmd); err != nil {
		return nil, err // which has closed the pipes
	}
	return p, nil
}

// do has a job done; false if the process has ended.
func (p *process) do(j job) (outcome, bool) {
	answer, err := p.ask(j)
	if err != nil {
		return outcome{}, false
	}
	defer time.AfterFunc(maxBeside, func() { _ = p.cmd.Process.Kill() }).Stop()
	done, ok := <-answer
	return done, ok
}

var errEnded = errors.New("credential: the process has ended")

func (p *process) ask(j job) (<-chan outcome, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ending {
		return nil, errEnded
	}
	p.last++
	j.ID = p.last
	answer := make(chan outcome, 1)
	p.pending[j.ID] = answer
	if err := p.enc.Encode(j); err != nil {
		delete(p.pending, j.ID)
		return nil, err
	}
	return answer, nil
}

// read hands out outcomes until there are no more.
func (p *process) read() {
	dec := json.NewDecoder(p.out)
	for {
		var done outcome
		if err := dec.Decode(&done); err != nil {
			p.abandon()
			return
		}
		p.mu.Lock()
		if answer := p.pending[done.ID]; answer != nil {
			answer <- done
			delete(p.pending, done.ID)
		}
		if p.ending && len(p.pending) == 0 {
			_ = p.in.Close()
		}
		p.mu.Unlock()
	}
}

// abandon tells those who wait that nothing comes.
func (p *process) abandon() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ending = true
	for id, answer := range p.pending {
		close(answer)
		delete(p.pending, id)
	}
}

// end takes no more jobs, and closes the input with the last outcome.
func (p *process) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ending = true
	if len(p.pending) == 0 {
		_ = p.in.Close()
	}
}

// wait ends what doesn't end by itself.
func (p *process) wait() {
	_ = p.in.Close()
	_ = p.cmd.Process.Kill() // its output has ended: there is nothing that it could still do
	_ = p.cmd.Wait()
}
