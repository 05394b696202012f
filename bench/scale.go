package main

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/writ-auth/writ/jwk"
)

// shared is something that two goroutines do at once, with all they need in
// common.
type shared struct {
	name string
	op   func() error

	one, two []float64 // operations per second
}

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
	duration := 5 * p.slice
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
			Name: s.name, Best: slices.Max(s.two) / slices.Max(s.one), Median: median(ratios(s.two, s.one)),
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
		if alg == jwk.ES256 { // the raw HMAC is no work for two, having but one state
			work = append(work, &shared{name: rawName + ", ES256", op: f.verifyOnce})
		}
		work = append(work, &shared{
			name: ourName + ", " + string(alg), op: func() error { _, err := c.verify(m.token); return err },
		})
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
		name: "the guard, one known token", op: func() error { _, err := g.Verify(background(), token); return err },
	}), g.Close, nil
}

// sample measures one goroutine on one processor, then two on two.
func (s *shared) sample(duration time.Duration) error {
	one, err := throughput(1, duration, s.op)
	if err != nil {
		return err
	}
	two, err := throughput(2, duration, s.op)
	s.one, s.two = append(s.one, one), append(s.two, two)
	return err
}

// throughput returns how many operations n goroutines do on n processors in a
// second, by the clock.
func throughput(n int, duration time.Duration, op func() error) (float64, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(n))
	var (
		stop    atomic.Bool
		total   atomic.Int64
		failure atomic.Pointer[error]
		running sync.WaitGroup
	)
	runtime.GC()
	began := time.Now()
	time.AfterFunc(duration, func() { stop.Store(true) })
	for range n {
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
		return 0, *err
	}
	return float64(total.Load()) / time.Since(began).Seconds(), nil
}
