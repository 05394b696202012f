package revocation_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/writ-auth/writ/internal/pgtest"
	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/revocation"
	"github.com/writ-auth/writ/server/internal/store"
)

// TestTwoNodes has 64 clients revoke on two nodes of one PostgreSQL, beside
// followers of both, one of which changes nodes all the time: none misses an
// entry, and none is shown a head that isn't the log's. The numbers that the
// clients are answered are all different, and the entries under them theirs.
func TestTwoNodes(t *testing.T) {
	dsn := pgtest.Start(t).Database(t)
	var nodes [2]*revocation.Service
	for i := range nodes {
		nodes[i] = node(t, dsn)
	}
	const clients, each = 64, 8
	type answer struct {
		seq uint64
		id  string
	}
	answers := make(chan answer, clients*each)
	var revoking, following sync.WaitGroup
	var follows [4]follows
	for i := range follows {
		follows[i] = followsOf(nodes, i)
		following.Go(func() { follows[i].run(t, clients*each) })
	}
	for c := range clients {
		revoking.Go(func() {
			for i := range each {
				id := fmt.Sprintf("%d of %d", i, c)
				seq, err := nodes[(c+i)%2].Log.Revoke(t.Context(), revlog.Token, id, time.Now().Add(time.Hour), auth.Event{})
				if err != nil {
					t.Errorf("revocation %s: %v", id, err)
					return
				}
				answers <- answer{seq, id}
			}
		})
	}
	revoking.Wait()
	following.Wait()
	close(answers)
	want := map[uint64][16]byte{}
	for a := range answers {
		if _, twice := want[a.seq]; twice {
			t.Errorf("number %d was answered twice", a.seq)
		}
		want[a.seq] = revlog.Hash(revlog.Token, a.id)
	}
	for i := range follows {
		if got := len(follows[i].entries); got != len(want) {
			t.Errorf("follower %d has %d entries of %d", i, got, len(want))
		}
		for seq, hash := range want {
			if follows[i].entries[seq] != hash {
				t.Errorf("follower %d misses number %d, or has another entry there", i, seq)
			}
		}
	}
}

// node is a node that publishes until the test ends.
func node(t *testing.T, dsn string) *revocation.Service {
	t.Helper()
	db, err := store.Open(t.Context(), store.Options{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	s := &revocation.Service{Options: revocation.Options{Log: db, Now: db.Now, SignHead: signHead}}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	go func() { s.Run(ctx, slog.New(slog.DiscardHandler)); close(done) }()
	t.Cleanup(func() {
		stop()
		<-done
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// follows is a follower that believes nobody.
type follows struct {
	page    func() *revocation.Service // whom to ask next
	limit   int
	log     string
	after   uint64
	chain   revlog.Chain
	entries map[uint64][16]byte
}

// followsOf are followers of the first node, of the second, and of both in turn.
func followsOf(nodes [2]*revocation.Service, i int) follows {
	f := follows{limit: 1 + 11*i, entries: map[uint64][16]byte{}}
	f.page = func() *revocation.Service {
		if i < len(nodes) {
			return nodes[i]
		}
		return nodes[rand.N(len(nodes))]
	}
	return f
}

// run follows until all is there.
func (f *follows) run(t *testing.T, all uint64) {
	for f.after < all {
		p, err := f.page().Page(t.Context(), f.after, f.limit, 20*time.Millisecond)
		var shown *auth.Error
		if errors.As(err, &shown) && shown.Code == auth.CodeUnavailable {
			continue // a machine so busy that a node hears nothing for seconds
		}
		if err == nil {
			err = f.take(&p)
		}
		if err != nil {
			t.Errorf("after %d: %v", f.after, err)
			return
		}
	}
}

func (f *follows) take(p *revlog.Page) error {
	key := logKey().Public().(ed25519.PublicKey)
	switch {
	case !ed25519.Verify(key, p.SignedHead().Message(), p.Proof.Signature[:]):
		return errors.New("the head isn't signed")
	case p.Head < f.after: // the other node is a moment behind, and says so
		return nil
	case f.log == "":
		f.log, f.chain = p.Log, revlog.ChainStart(p.Log)
	case f.log != p.Log:
		return errors.New("another log")
	}
	if p.Proof.Prev != f.chain {
		return errors.New("the chain doesn't go on")
	}
	for _, e := range p.Entries {
		if e.Seq != f.after+1 {
			return fmt.Errorf("number %d", e.Seq)
		}
		f.after, f.entries[e.Seq] = e.Seq, e.Hash
	}
	if f.chain = p.ChainAfter(); !p.More && f.chain != p.Proof.Chain {
		return errors.New("the head covers something else")
	}
	return nil
}
