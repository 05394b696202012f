package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/store"
)

// fillLog adds n entries that are alive until an hour after s0, as fast as one
// transaction can, as an older program does: without their chain.
func fillLog(t *testing.T, s *store.Store, from, n int, expires time.Time) {
	t.Helper()
	err := s.Transact(t.Context(), func(exec func(string, ...any) error) error {
		return exec(`WITH RECURSIVE n (i) AS (SELECT CAST($1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < $2)
			INSERT INTO log (seq, kind, hash, expires_at, created_at) SELECT i, 1, $3, $4, 0 FROM n`,
			int64(from), int64(from+n-1), make([]byte, revlog.HashSize), expires.UnixMicro())
	})
	if err != nil {
		t.Fatal(err)
	}
}

// followed reads a log from its first number, checks that there is no gap and
// that the chain is that of the entries, and answers them.
func followed(t *testing.T, s *store.Store) (first uint64, entries []revlog.Entry) {
	t.Helper()
	var chain revlog.Chain
	for after := uint64(0); ; {
		p, err := s.LogPage(t.Context(), after, 3000, s0)
		if err != nil {
			t.Fatal(err)
		}
		if entries == nil {
			first, chain = p.First, p.Proof.Prev
			if after = first - 1; after == 0 && chain != revlog.ChainStart(p.Log) {
				t.Errorf("the log's first chain is %x", chain)
			}
		}
		for _, e := range p.Entries {
			if after++; e.Seq != after {
				t.Fatalf("number %d, want %d", e.Seq, after)
			}
		}
		if p.Proof.Prev != chain {
			t.Fatalf("before number %d the chain is %x, computed %x", after+1, p.Proof.Prev, chain)
		}
		entries, chain = append(entries, p.Entries...), p.ChainAfter()
		if !p.More {
			if p.Proof.Chain != chain || p.Head != after {
				t.Fatalf("at the head %d the chain is %x, computed %x at %d", p.Head, p.Proof.Chain, chain, after)
			}
			return first, entries
		}
	}
}

func revokeOne(t *testing.T, s *store.Store, id string, expiry time.Time) uint64 {
	t.Helper()
	seq, err := s.Revoke(t.Context(), revlog.Token, id, expiry, auth.Event{})
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

// Whole pages go when they are dead, from the beginning; the chain goes on.
func sweepLog(t *testing.T, open opener) {
	s := open(t, store.Options{Now: func() time.Time { return s0 }})
	const size = revlog.PageSize
	fillLog(t, s, 1, 2*size+100, s0)
	alive := revokeOne(t, s, "alive", s0.Add(10*time.Minute))
	if alive != 2*size+101 {
		t.Fatalf("the next number is %d", alive)
	}
	before, all := followed(t, s)
	if before != 1 || len(all) != 2*size+101 {
		t.Fatalf("%d entries from %d", len(all), before)
	}
	if n, err := s.Sweep(t.Context(), s0); err != nil || n != 2*size-1 {
		t.Errorf("Sweep = %d, %v, want two pages but for the last row", n, err)
	}
	if first, left := followed(t, s); first != 2*size+1 || len(left) != 101 || left[100] != all[2*size+100] {
		t.Errorf("afterwards %d entries from %d", len(left), first)
	}
	fillLog(t, s, int(alive)+1, size-101, s0.Add(-time.Hour)) // the page is full
	if n, err := s.Sweep(t.Context(), s0.Add(3*time.Minute)); err != nil || n != 0 {
		t.Errorf("Sweep = %d, %v, want 0: an entry of the page is alive, and it isn't for long", n, err)
	}
}

// Entries that live for ever don't keep the pages that they are in.
func sweepMoves(t *testing.T, open opener) {
	s := open(t, store.Options{Now: func() time.Time { return s0 }})
	const size = revlog.PageSize
	revokeOne(t, s, "key", time.Time{})
	revokeOne(t, s, "long", s0.Add(48*time.Hour))
	fillLog(t, s, 3, size-2, s0)
	if n, err := s.Sweep(t.Context(), s0); err != nil || n != size-1 {
		t.Errorf("Sweep = %d, %v, want a page", n, err)
	}
	first, left := followed(t, s)
	if first != size+1 || len(left) != 2 || left[0].Hash != revlog.Hash(revlog.Token, "key") || left[0].Expiry != 0 ||
		left[1].Hash != revlog.Hash(revlog.Token, "long") || left[1].Expiry != s0.Add(48*time.Hour).Unix() {
		t.Errorf("afterwards from %d: %v", first, left)
	}
	fillLog(t, s, size+3, size-2, s0.Add(20*time.Minute)) // many live as long
	if n, err := s.Sweep(t.Context(), s0.Add(3*time.Minute)); err != nil || n != 0 {
		t.Errorf("Sweep = %d, %v, want 0", n, err)
	}
}

// A program from before the chain adds rows without it, and removes single rows
// as they expire. The log is made whole when somebody reads it, or writes.
func olderNode(t *testing.T, open opener) {
	for name, next := range map[string]func(*testing.T, *store.Store){
		"read":  func(t *testing.T, s *store.Store) { followed(t, s) },
		"write": func(t *testing.T, s *store.Store) { revokeOne(t, s, "next", s0.Add(time.Hour)) },
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, store.Options{Now: func() time.Time { return s0 }})
			revokeOne(t, s, "a", s0.Add(time.Hour))
			fillLog(t, s, 2, 3, s0.Add(time.Hour))
			next(t, s)
			if first, entries := followed(t, s); first != 1 || len(entries) < 4 {
				t.Errorf("%d entries from %d, want all from 1", len(entries), first)
			}
		})
	}
	t.Run("gaps", func(t *testing.T) {
		s := open(t, store.Options{Now: func() time.Time { return s0 }})
		for i := range 6 {
			revokeOne(t, s, fmt.Sprint(i), s0.Add(time.Hour))
		}
		revokeOne(t, s, "over", s0.Add(-time.Hour))
		err := s.Transact(t.Context(), func(exec func(string, ...any) error) error {
			return exec(`DELETE FROM log WHERE seq IN (1, 4)`)
		})
		if err != nil {
			t.Fatal(err)
		}
		first, entries := followed(t, s)
		if first != revlog.PageSize+1 || len(entries) != 4 {
			t.Fatalf("%d entries from %d, want the four that are alive, above all that there was", len(entries), first)
		}
		for i, id := range []string{"1", "2", "4", "5"} {
			if entries[i].Hash != revlog.Hash(revlog.Token, id) || entries[i].Expiry != s0.Add(time.Hour).Unix() {
				t.Errorf("entry %d is %+v", i, entries[i])
			}
		}
		if seq := revokeOne(t, s, "next", s0.Add(time.Hour)); seq != revlog.PageSize+5 {
			t.Errorf("the next number is %d", seq)
		}
	})
}

// The first start after the update gives the entries their chain.
func TestChainOfOlderDatabase(t *testing.T) {
	path := fill(t)
	other(t, path, `INSERT INTO log (seq, kind, hash, expires_at, created_at) VALUES (3, 1, zeroblob(16), 0, 0), (7, 1, zeroblob(16), 0, 0)`)
	s := open(t, store.Options{DSN: "sqlite:" + path})
	if n, err := s.Query(t.Context(), `SELECT CAST(COUNT(*) AS TEXT) FROM log WHERE chain IS NULL`); err != nil || n != "0" {
		t.Errorf("%s rows have no chain, %v", n, err)
	}
	if first, entries := followed(t, s); first != revlog.PageSize+1 || len(entries) != 2 {
		t.Errorf("%d entries from %d", len(entries), first)
	}
}
