package store_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/writ-auth/writ/internal/pgtest"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/store"
)

// engines runs a benchmark on each, both durable.
func engines(b *testing.B, run func(b *testing.B, fresh func() string)) {
	b.Run("engine=sqlite", func(b *testing.B) {
		run(b, func() string { return "sqlite:" + filepath.Join(b.TempDir(), "writ.db") })
	})
	b.Run("engine=postgres", func(b *testing.B) {
		server := pgtest.StartOwn(b)
		run(b, func() string { return server.Database(b) })
	})
}

// begun opens a fresh store with n users, each with a session and a grant.
func begun(b *testing.B, dsn string, n int) (*store.Store, []auth.Grant) {
	b.Helper()
	ctx := b.Context()
	s, err := store.Open(ctx, store.Options{DSN: dsn})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	client, err := s.ClientByID(ctx, auth.ClientWrit)
	if err != nil {
		b.Fatal(err)
	}
	grants := make([]auth.Grant, n)
	var all sync.WaitGroup
	for i := range grants {
		all.Go(func() {
			user := auth.User{ID: auth.NewID(auth.PrefixUser), Email: fmt.Sprintf("user%d@example.com", i), Epoch: auth.Random128()}
			if err := s.CreateUser(ctx, user, auth.Event{}); err != nil {
				b.Error(err)
			}
			grants[i] = grantOf(user, client)
			session := auth.Session{ID: grants[i].SessionID, UserID: user.ID}
			if err := s.Begin(ctx, session, grants[i], auth.Marks{}, auth.Event{}); err != nil {
				b.Error(err)
			}
		})
	}
	all.Wait()
	return s, grants
}

func grantOf(u auth.User, c auth.Client) auth.Grant {
	handle := sha256.Sum256([]byte(u.ID))
	return auth.Grant{ID: auth.Random128(), SessionID: auth.NewID(auth.PrefixSession), ClientID: c.ID, UserID: u.ID,
		Scope: []string{"openid"}, Mode: auth.ModeToken, HandleHash: handle[:], UserEpoch: u.Epoch, ClientEpoch: c.Epoch}
}

// BenchmarkRotate measures durable refreshes, one grant a goroutine.
func BenchmarkRotate(b *testing.B) { engines(b, benchmarkRotate) }

func benchmarkRotate(b *testing.B, fresh func() string) {
	for _, n := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("goroutines=%d", n), func(b *testing.B) {
			s, grants := begun(b, fresh(), n)
			ctx := context.Background()
			idle := time.Now().Add(time.Hour)
			var done atomic.Int64
			var all sync.WaitGroup
			b.ReportAllocs()
			b.ResetTimer()
			for _, g := range grants {
				all.Go(func() {
					from := g.Rotation
					for done.Add(1) <= int64(b.N) {
						to := auth.Rotation{Confirmed: from.Current, Current: from.Current + 1, IssuedAt: time.Now()}
						ok, err := s.Rotate(ctx, g.ID, from, auth.Turn{To: to, Idle: idle, SessionIdle: idle})
						if err != nil || !ok {
							b.Errorf("Rotate = %v, %v", ok, err)
							return
						}
						from = to
					}
				})
			}
			all.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rotations/s")
		})
	}
}

// BenchmarkRefresh measures all that a refresh does in the store, one grant a
// goroutine.
func BenchmarkRefresh(b *testing.B) { engines(b, benchmarkRefresh) }

func benchmarkRefresh(b *testing.B, fresh func() string) {
	for _, n := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("goroutines=%d", n), func(b *testing.B) {
			s, grants := begun(b, fresh(), n)
			var done atomic.Int64
			var all sync.WaitGroup
			b.ReportAllocs()
			b.ResetTimer()
			for _, g := range grants {
				all.Go(func() {
					for done.Add(1) <= int64(b.N) {
						if err := s.Refresh(context.Background(), g.HandleHash, rotating, func() error { return nil }); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "refreshes/s")
		})
	}
}

// BenchmarkHeldByHandle measures what every refresh reads.
func BenchmarkHeldByHandle(b *testing.B) { engines(b, benchmarkHeldByHandle) }

func benchmarkHeldByHandle(b *testing.B, fresh func() string) {
	s, grants := begun(b, fresh(), 64)
	ctx, cancel := context.WithCancel(context.Background()) // as a request's is
	defer cancel()
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if _, err := s.HeldByHandle(ctx, grants[i%len(grants)].HandleHash); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
