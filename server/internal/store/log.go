package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/server/internal/auth"
)

// afterMark is how long an entry is kept after the last token in its scope
// has expired: verifiers' clocks may be behind.
const afterMark = auth.LogMemory

// revoke adds an entry to the log. Numbers follow the order of commits, since
// one connection writes and numbers, over a fleet the one that holds its lock
// until after the commit: whoever reads number n will never see a lower one
// appear.
func (t *tx) revoke(ctx context.Context, kind revlog.Kind, id string, expiry time.Time) (seq uint64, err error) {
	const insert = `INSERT INTO log (seq, kind, hash, expires_at, created_at)
		VALUES ((SELECT COALESCE(MAX(seq), 0) + 1 FROM log), $1, $2, $3, $4) RETURNING seq`
	if id == "" {
		return 0, errors.New("store: revocation of an empty id")
	}
	hash := revlog.Hash(kind, id)
	err = t.get(ctx, []any{&seq}, insert, int64(kind), hash[:], micros(expiry), micros(t.now))
	t.logged, t.head = true, max(t.head, seq)
	return seq, err
}

// revokeUntil adds an entry that outlives every token under mark. Without a
// mark there was no token; the entry is made all the same, for a verifier is
// told too much rather than too little.
func (t *tx) revokeUntil(ctx context.Context, kind revlog.Kind, id string, mark, now time.Time) (uint64, error) {
	if mark.IsZero() {
		mark = now
	}
	return t.revoke(ctx, kind, id, mark.Add(afterMark))
}

// Revoke implements auth.Log. A zero expiry is never reached.
func (s *Store) Revoke(ctx context.Context, kind revlog.Kind, id string, expiry time.Time, ev auth.Event) (seq uint64, err error) {
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		if seq, err = t.revoke(ctx, kind, id, expiry); err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
	if err != nil {
		return 0, err
	}
	return seq, nil
}

// selectLogPage reads a page and what is true of the whole log at one moment.
// The + keeps the engine from finding live entries by their expiry, all of them
// to sort them by number: each answer would cost as much as the log is long.
const selectLogPage = `
	SELECT (SELECT value FROM settings WHERE name = 'log_id'),
		(SELECT COALESCE(MAX(seq), 0) FROM log),
		(SELECT seq FROM log WHERE seq IS NOT NULL AND (+expires_at = 0 OR +expires_at > $1) ORDER BY seq LIMIT 1),
		e.seq, e.kind, e.hash, e.expires_at
	FROM (SELECT 1) one LEFT JOIN (
		SELECT seq, kind, hash, expires_at FROM log
		WHERE seq > $2 AND (+expires_at = 0 OR +expires_at > $1)
		ORDER BY seq LIMIT $3
	) e ON 1 = 1
	ORDER BY e.seq`

// LogPage implements auth.Log. A limit outside 1 to revlog.MaxEntries is taken
// as revlog.MaxEntries. The page's time is now as given, and one statement
// reads all of it, so what is older than now and was committed when LogPage
// was called is in it.
func (s *Store) LogPage(ctx context.Context, after uint64, limit int, now time.Time) (revlog.Page, error) {
	if limit <= 0 || limit > revlog.MaxEntries {
		limit = revlog.MaxEntries
	}
	p := revlog.Page{Time: now.Unix()}
	err := s.sql.each(ctx, func(scan func(...any) error) error {
		var first, seq, kind, expiry sql.NullInt64
		var hash []byte
		if err := scan(&p.Log, &p.Head, &first, &seq, &kind, toBytes(&hash), &expiry); err != nil {
			return err
		}
		p.First = uint64(first.Int64)
		if !first.Valid {
			p.First = p.Head + 1
		}
		if !seq.Valid {
			return nil // no entries: the one row of the outer join
		}
		e := revlog.Entry{Seq: uint64(seq.Int64), Kind: revlog.Kind(kind.Int64), Expiry: upToSecond(expiry.Int64)}
		if copy(e.Hash[:], hash) != revlog.HashSize {
			return errors.New("store: a hash in the log is too short")
		}
		p.Entries = append(p.Entries, e)
		return nil
	}, selectLogPage, micros(now), clamp(after), limit+1)
	if err != nil {
		return revlog.Page{}, err
	}
	if len(p.Entries) > limit {
		p.Entries, p.More = p.Entries[:limit], true
	}
	return p, nil
}

// upToSecond rounds microseconds up to seconds: an entry kept a little longer
// does no harm.
func upToSecond(n int64) int64 { return (n + 999_999) / 1_000_000 }

// clamp makes a column of a number that a stranger chose.
func clamp(n uint64) int64 { return int64(min(n, 1<<63-1)) }

// Revoked implements auth.Log.
func (s *Store) Revoked(ctx context.Context, hashes [][16]byte, now time.Time) (bool, error) {
	const query = `SELECT 1 FROM log WHERE hash IN ($2, $3, $4, $5, $6, $7, $8, $9)
		AND seq IS NOT NULL AND (expires_at = 0 OR expires_at > $1) LIMIT 1`
	const size = 8 // as many hashes as the query has places
	for ; len(hashes) > 0; hashes = hashes[min(size, len(hashes)):] {
		args := []any{micros(now)}
		for i := range size {
			args = append(args, hashes[min(i, len(hashes)-1)][:])
		}
		if revoked, err := s.sql.exists(ctx, query, args...); err != nil || revoked {
			return revoked, err
		}
	}
	return false, nil
}

// Published implements auth.Log, for the entries of every node. Take the channel before reading the page:
// then what the page lacks closes the channel.
func (s *Store) Published() <-chan struct{} { return s.logNews.channel() }
