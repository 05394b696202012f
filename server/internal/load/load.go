// Package load puts load on a server and judges every answer: the work behind
// writ bench.
//
// A [Runner] drives any HTTP server through plain HTTP/1.1 connections that cost
// the machine as little as possible, for what the load takes of a processor the
// server can't have. A [Task] says what one connection asks next, and whether
// an answer is right: a fast wrong answer is worth nothing. In a closed loop
// each connection asks again as soon as it was answered, which finds the most
// that a server can do; in an open loop requests are due at fixed times whether
// the server keeps up or not, and the latency counts from when one was due, so
// that a server which stalls can't hide it.
//
// [Bench] is the measurement of Writ itself, beside handlers that do nothing, or
// nothing but sign: in one run, with one tool, in turn.
package load

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Task is what one connection does. It is used by one goroutine at a time.
type Task interface {
	// Request appends the next request to dst, as it goes over the wire.
	Request(dst []byte) []byte
	// Answer judges the answer to it; body is good until Answer returns. An
	// error that wraps ErrRefused is the server's right, any other a wrong answer.
	Answer(status int, body []byte) error
}

// ErrRefused marks an answer with which a server says that it has too much to
// do (429, 503): nothing is wrong then, but nothing was done either.
var ErrRefused = errors.New("refused for now")

// Plan is one measurement.
type Plan struct {
	Target   Target
	Tasks    []Task        // one a connection
	Rate     float64       // requests a second of all connections together; 0: a closed loop
	Warmup   time.Duration // not counted
	Duration time.Duration
	// Pause is how long a connection waits after a refusal; 0: not at all.
	Pause time.Duration
	// CPU answers what processor time the server has used; nil: nobody knows.
	CPU func() (time.Duration, error)
	// Progress is told, about once a second, of the answers so far; may be nil.
	Progress func(answers uint64, elapsed time.Duration)
}

// Result is what came of a plan.
type Result struct {
	Elapsed time.Duration
	Right   uint64        // right answers
	Refused uint64        // answers that wrap ErrRefused
	Wrong   uint64        // wrong answers, and connections that broke
	Missed  uint64        // due in an open loop, but never asked: no connection was free
	CPU     time.Duration // processor time of the server, 0 if unknown
	First   error         // the first wrong answer
	Latency Histogram     // of right answers
}

// Rate is right answers a second.
func (r *Result) Rate() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Right) / r.Elapsed.Seconds()
}

// add counts another run of the same plan in.
func (r *Result) add(other *Result) {
	r.Elapsed += other.Elapsed
	r.Right += other.Right
	r.Refused += other.Refused
	r.Wrong += other.Wrong
	r.Missed += other.Missed
	r.CPU += other.CPU
	if r.First == nil {
		r.First = other.First
	}
	r.Latency.Add(&other.Latency)
}

// run is a plan under way.
type run struct {
	Plan
	begin   time.Time // when the first request is due
	measure time.Time // when counting begins
	end     time.Time
	next    atomic.Uint64 // the number of the next request of an open loop
	right   atomic.Uint64 // for Progress alone
}

// Run carries out a plan. It returns early, with what there is, if ctx ends; its
// error is that of a plan that can't be carried out at all.
func Run(ctx context.Context, p Plan) (*Result, error) {
	if len(p.Tasks) == 0 || p.Duration <= 0 {
		return nil, errors.New("load: a plan needs tasks and a duration")
	}
	begin := time.Now()
	r := &run{Plan: p, begin: begin, measure: begin.Add(p.Warmup)}
	r.end = r.measure.Add(p.Duration)
	ctx, cancel := context.WithDeadline(ctx, r.end)
	defer cancel()
	results := make([]Result, len(p.Tasks))
	var workers sync.WaitGroup
	for i, task := range p.Tasks {
		workers.Go(func() { r.work(ctx, task, &results[i]) })
	}
	out := &Result{}
	before, err := r.watch(ctx)
	workers.Wait()
	out.Elapsed = max(time.Since(r.measure), 0)
	after, err2 := r.cpu()
	out.CPU = after - before
	for i := range results {
		out.add(&results[i])
	}
	out.Missed = r.missed()
	return out, errors.Join(err, err2)
}

// watch tells of the progress, and answers the processor time that the server
// had used when counting began.
func (r *run) watch(ctx context.Context) (time.Duration, error) {
	sleepUntil(ctx, r.measure)
	before, err := r.cpu()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-tick.C:
			if r.Progress != nil {
				r.Progress(r.right.Load(), time.Since(r.measure))
			}
		case <-ctx.Done():
		}
	}
	return before, err
}

func (r *run) cpu() (time.Duration, error) {
	if r.CPU == nil {
		return 0, nil
	}
	return r.CPU()
}

// missed is how many requests of an open loop were due and not even begun.
func (r *run) missed() uint64 {
	if r.Rate <= 0 {
		return 0
	}
	due := uint64(min(time.Since(r.begin), r.Warmup+r.Duration).Seconds() * r.Rate)
	return due - min(due, r.next.Load())
}

// work asks and judges until the end of the plan.
func (r *run) work(ctx context.Context, task Task, out *Result) {
	c := &conn{target: r.Target}
	defer c.close()
	for {
		due, ok := r.due(ctx)
		if !ok {
			return
		}
		err := c.carry(ctx, task)
		answered := time.Now()
		if ctx.Err() != nil && err != nil {
			return // cut off by the end of the plan
		}
		if answered.After(r.measure) {
			r.count(out, err, answered.Sub(due))
		}
		r.pause(ctx, err)
	}
}

// due waits for the time of the next request.
func (r *run) due(ctx context.Context) (time.Time, bool) {
	if r.Rate <= 0 {
		return time.Now(), ctx.Err() == nil
	}
	number := r.next.Add(1) - 1
	at := r.begin.Add(time.Duration(float64(number) / r.Rate * float64(time.Second)))
	if !at.Before(r.end) {
		return at, false
	}
	sleepUntil(ctx, at)
	return at, ctx.Err() == nil
}

func (r *run) count(out *Result, err error, took time.Duration) {
	switch {
	case err == nil:
		out.Right++
		r.right.Add(1)
		out.Latency.Record(took)
	case errors.Is(err, ErrRefused):
		out.Refused++
	default:
		out.Wrong++
		if out.First == nil {
			out.First = err
		}
	}
}

// pause keeps a connection that is refused, or broken, from asking in a circle.
func (r *run) pause(ctx context.Context, err error) {
	switch {
	case err == nil:
	case errors.Is(err, ErrRefused):
		sleepUntil(ctx, time.Now().Add(r.Pause))
	default:
		sleepUntil(ctx, time.Now().Add(10*time.Millisecond))
	}
}

func sleepUntil(ctx context.Context, at time.Time) {
	wait := time.Until(at)
	if wait <= 0 {
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
