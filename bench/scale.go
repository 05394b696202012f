package main

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/writ-auth/writ/jwk"
)

// shared is something that two goroutines do at once. What is ours they do with
// all that they need in common.
type shared struct {
	name  string
	floor bool                // shows what the machine allows
	newOp func() func() error // for each goroutine

	one, two       []float64 // operations per second
	cpuOne, cpuTwo []float64 // ns of CPU time of an operation
}

// heldMemory is what the process holds meanwhile, as a small server does. Go
// collects garbage when about as much again has been allocated, and both
// processors have to stop for that twice: with next to nothing held they would
// hundreds of times a second, and that would be measured.
const heldMemory = 16 << 20

// common is an operation that all goroutines share.
func common(op func() error) func() func() error { return func() func() error { return op } }

// measureScaling measures, by the clock, how much more two processors do than
// one: what is shared must not be in the way.
func measureScaling(p plan, report *Report) error {
	if runtime.NumCPU() < 2 {
		return nil
	}
	i, err := newIssuer()
	if err != nil {
		return err
	}
	defer i.server.Close()
	work, closeGuard, err := sharedWork(i)
	if err != nil {
		return err
	}
	defer closeGuard()
	held := make([]byte, heldMemory)
	defer runtime.KeepAlive(held)
	duration := 2 * p.slice // short, so that some rounds find the machine at rest
	err = rounds(p.scale, func(int) error {
		for _, s := range work {
			if err := s.sample(duration); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, s := range work {
		report.Scaling = append(report.Scaling, ScalingResult{
			Name: s.name, Floor: s.floor, Best: slices.Max(s.two) / slices.Max(s.one), Median: median(ratios(s.two, s.one)),
			CPU: slices.Min(s.cpuTwo) / slices.Min(s.cpuOne),
		})
	}
	return nil
}

// sharedWork is raw cryptography, to see what the machine allows, and what is
// ours.
func sharedWork(i *issuer) ([]*shared, func() error, error) {
	var work []*shared
	for _, alg := range []jwk.Algorithm{jwk.ES256, jwk.HS256} {
		m, err := newMaterial(alg)
		if err != nil {
			return nil, nil, err
		}
		f, err := newFloor(m)
		if err != nil {
			return nil, nil, err
		}
		c, err := enterWrit(m)
		if err != nil {
			return nil, nil, err
		}
		raw := common(f.verifyOnce)
		if alg == jwk.HS256 { // two can't share the state of an HMAC
			raw = func() func() error { own := *f; own.useHMAC(m.secret); return own.verifyOnce }
		}
		work = append(work,
			&shared{name: rawName + ", " + string(alg), floor: true, newOp: raw},
			&shared{name: ourName + ", " + string(alg), newOp: common(func() error { _, err := c.verify(m.token); return err })})
	}
	g, err := i.guard(i.config())
	if err != nil {
		return nil, nil, err
	}
	token, err := i.token("user")
	if err != nil {
		g.Close()
		return nil, nil, err
	}
	return append(work, &shared{
		name: "the guard, one known token", newOp: common(func() error { _, err := g.Verify(background(), token); return err }),
	}), g.Close, nil
}

// sample measures one goroutine on one processor, then two on two.
func (s *shared) sample(duration time.Duration) error {
	one, cpuOne, err := throughput(1, duration, s.newOp)
	if err != nil {
		return err
	}
	two, cpuTwo, err := throughput(2, duration, s.newOp)
	s.one, s.two = append(s.one, one), append(s.two, two)
	s.cpuOne, s.cpuTwo = append(s.cpuOne, cpuOne), append(s.cpuTwo, cpuTwo)
	return err
}

// throughput returns how many operations n goroutines do on n processors in a
// second, by the clock, and the CPU time of one.
func throughput(n int, duration time.Duration, newOp func() func() error) (perSecond, cpu float64, err error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(n))
	var (
		stop    atomic.Bool
		total   atomic.Int64
		failure atomic.Pointer[error]
		running sync.WaitGroup
	)
	runtime.GC()
	began, used := time.Now(), cpuTime()
	time.AfterFunc(duration, func() { stop.Store(true) })
	for range n {
		op := newOp()
		running.Go(func() {
			for done := int64(1); ; done++ {
				if err := op(); err != nil {
					failure.Store(&err)
					return
				}
				if stop.Load() {
					total.Add(done)
					return
				}
			}
		})
	}
	running.Wait()
	if err := failure.Load(); err != nil {
		return 0, 0, *err
	}
	done := float64(total.Load())
	return done / time.Since(began).Seconds(), float64(cpuTime()-used) / done, nil
}
