package load

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Siege is what came of a flood of sign-ins.
type Siege struct {
	Capacity Row   // of refreshes, alone, in a closed loop
	Calm     Row   // refreshes offered at half of that, alone
	Flooded  Row   // the same, while everybody signs in
	SignIns  Row   // the flood itself
	Idle     int64 // the server's resident bytes before; 0 if unknown
	Memory   int64 // the most in the flood
}

// Cost is the part of the calm rate that the flood took, 0.05 for 5 %.
func (s *Siege) Cost() float64 {
	if calm := s.Calm.Rate(); calm > 0 {
		return 1 - s.Flooded.Rate()/calm
	}
	return 0
}

// refusedPause is how long one of the flood waits after a refusal. The server
// asks for more.
const refusedPause = 100 * time.Millisecond

// Flood measures what refreshes suffer while so many accounts sign in without
// end, each from an address of its own, as X-Forwarded-For has it: the server
// must trust this machine as a proxy, or all count as one client.
func Flood(ctx context.Context, opts Options, accounts int) (out *Siege, err error) {
	b, err := begin(ctx, &opts)
	if b == nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.subject.remove(ctx)) }()
	if err != nil {
		return nil, err
	}
	users, err := b.subject.makeUsers(ctx, accounts, func(done int) {
		if done%50 == 0 {
			b.Progress(fmt.Sprintf("making accounts: %d of %d", done, accounts))
		}
	})
	if err != nil {
		return nil, err
	}
	connections := opts.Connections[len(opts.Connections)-1]
	refreshes, err := b.tasks(ctx, Refresh, connections)
	if err != nil {
		return nil, err
	}
	return b.besiege(ctx, refreshes, users)
}

func (b *bench) besiege(ctx context.Context, refreshes []Task, users []user) (*Siege, error) {
	plan := Plan{Target: b.target, Tasks: refreshes, Warmup: b.Warmup, Duration: b.Duration, CPU: b.Server.CPU}
	out := &Siege{}
	if err := b.phase(ctx, "refreshes without end", plan, &out.Capacity); err != nil {
		return nil, err
	}
	if b.Rate > 0 {
		plan.Rate = b.Rate
	} else {
		plan.Rate = out.Capacity.Rate() / 2
	}
	if err := b.phase(ctx, "refreshes at half the rate", plan, &out.Calm); err != nil {
		return nil, err
	}
	out.Idle, _ = b.memory()
	flood := Plan{Target: b.target, Duration: b.Duration + b.Warmup, Pause: refusedPause, Progress: func(uint64, time.Duration) {
		if n, err := b.memory(); err == nil {
			out.Memory = max(out.Memory, n)
		}
	}}
	for i, u := range users {
		flood.Tasks = append(flood.Tasks, newSignIn(b.target, b.subject.Issuer, u, "", address(i)))
	}
	done := make(chan error, 1)
	go func() { done <- b.phase(ctx, "everybody signs in", flood, &out.SignIns) }()
	err := b.phase(ctx, "refreshes at half the rate, beside them", plan, &out.Flooded)
	return out, errors.Join(err, <-done)
}

func (b *bench) phase(ctx context.Context, title string, plan Plan, row *Row) error {
	b.Progress(title)
	out, err := Run(ctx, plan)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", title, err)
	}
	b.verify(ctx, plan.Tasks, out)
	row.Connections = len(plan.Tasks)
	row.add(out)
	row.Rates = append(row.Rates, out.Rate())
	return nil
}

func (b *bench) memory() (int64, error) {
	if b.Server.Memory == nil {
		return 0, nil
	}
	return b.Server.Memory()
}

// address is one of those set aside for tests of networks (RFC 2544).
func address(i int) string {
	return netip.AddrFrom4([4]byte{198, 18 + byte(i>>16&1), byte(i >> 8), byte(i)}).String()
}
