package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
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
	if id == "" {
		return 0, errors.New("store: revocation of an empty id")
	}
	end, err := t.logEnd(ctx)
	if err != nil {
		return 0, err
	}
	err = t.appendLog(ctx, &end, kind, revlog.Hash(kind, id), micros(expiry))
	return end.seq, err
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
	return s.ending(ctx, func(ctx context.Context, t *tx) (uint64, error) {
		seq, err := t.revoke(ctx, kind, id, expiry)
		if err != nil {
			return 0, err
		}
		return seq, t.record(ctx, ev)
	})
}

// RevokeToken implements auth.Log.
func (s *Store) RevokeToken(ctx context.Context, jti string, expiry time.Time, ev auth.Event) (seq uint64, err error) {
	return s.ending(ctx, func(ctx context.Context, t *tx) (uint64, error) {
		if _, err := t.revoke(ctx, revlog.Token, jti, expiry); err != nil {
			return 0, err
		}
		seq, err := t.revoke(ctx, revlog.Epoch, jti, expiry)
		if err != nil {
			return 0, err
		}
		return seq, t.record(ctx, ev)
	})
}

// selectLogPage reads what is true of the whole log at one moment, in a row with
// the number -1, and the rows of a page with the one before.
const selectLogPage = `
	SELECT -1 AS n, (SELECT MIN(seq) FROM log) AS a, (SELECT MAX(seq) FROM log) AS b,
		(SELECT chain FROM log WHERE seq IS NOT NULL ORDER BY seq DESC LIMIT 1) AS c,
		CAST(NULL AS BYTEA) AS d, (SELECT value FROM settings WHERE name = 'log_id') AS e
	UNION ALL SELECT * FROM (
		SELECT seq, kind, expires_at, hash, CASE WHEN seq <= $1 OR seq % 4096 = 0 THEN chain END, CAST(NULL AS TEXT)
		FROM log WHERE seq >= $1 ORDER BY seq LIMIT $2
	) page
	ORDER BY n`

// LogPage implements auth.Log. A limit outside 1 to revlog.MaxEntries is taken
// as revlog.MaxEntries. The page's time is now as given, and one statement
// reads all of it, so what is older than now and was committed when LogPage
// was called is in it.
func (s *Store) LogPage(ctx context.Context, after uint64, limit int, now time.Time) (revlog.Page, error) {
	if limit <= 0 || limit > revlog.MaxEntries {
		limit = revlog.MaxEntries
	}
	for range 2 {
		r := logReading{after: after, limit: limit}
		if err := s.sql.each(ctx, r.reader(), selectLogPage, clamp(after), limit+2); err != nil {
			return revlog.Page{}, err
		}
		if p, whole := r.page(now); whole {
			return p, nil
		}
		if err := s.Mend(ctx); err != nil {
			return revlog.Page{}, err
		}
	}
	return revlog.Page{}, errors.New("store: the log isn't whole")
}

// logReading is a page while it is read.
type logReading struct {
	after uint64
	limit int

	log          string
	lowest, head uint64
	end          []byte // the chain at the head; nil: none yet
	entries      []revlog.Entry
	before       []byte // the chain of the row before the first entry; nil: there was none
}

// reader answers what takes a row. The places that it scans into are made once:
// there may be a million rows.
func (r *logReading) reader() func(scan func(...any) error) error {
	var n int64
	var a, b sql.NullInt64
	var c, d []byte
	dest := []any{&n, &a, &b, reuse(&c), reuse(&d), toName(&r.log)}
	return func(scan func(...any) error) error {
		if err := scan(dest...); err != nil {
			return err
		}
		if n < 0 {
			r.lowest, r.head, r.end = uint64(a.Int64), uint64(b.Int64), bytes.Clone(c)
			return nil
		}
		return r.row(revlog.Entry{Seq: uint64(n), Kind: revlog.Kind(a.Int64), Expiry: upToSecond(b.Int64)}, c, d)
	}
}

// reuse is toBytes into the same memory each time.
func reuse(b *[]byte) any {
	return into(func(src any) error {
		p, ok := src.([]byte)
		if !ok && src != nil {
			return fmt.Errorf("store: bytes are a %T", src)
		}
		*b = append((*b)[:0], p...)
		return nil
	})
}

// toName keeps the last text that there is.
func toName(name *string) any {
	return into(func(src any) error {
		if src == nil {
			return nil
		}
		s, err := textOf(src)
		*name = s
		return err
	})
}

func (r *logReading) row(e revlog.Entry, hash, chain []byte) error {
	if copy(e.Hash[:], hash) != revlog.HashSize {
		return errors.New("store: a hash in the log is too short")
	}
	if e.Seq < r.start() {
		r.before = bytes.Clone(chain)
		return nil
	}
	if r.entries == nil {
		r.entries = make([]revlog.Entry, 0, min(uint64(r.limit)+1, r.head-e.Seq+1))
	}
	r.entries = append(r.entries, e)
	return nil
}

// start is the number of the page's first entry.
func (r *logReading) start() uint64 { return max(r.after+1, firstOf(r.lowest)) }

// page makes a page of what was read. It isn't whole if the log isn't: if a
// number or a chain is missing.
func (r *logReading) page(now time.Time) (p revlog.Page, whole bool) {
	p = revlog.Page{Log: r.log, First: firstOf(r.lowest), Head: r.head, Time: now.Unix(), Entries: r.entries}
	if len(p.Entries) > r.limit {
		p.Entries, p.More = p.Entries[:r.limit], true
	}
	start := revlog.ChainStart(r.log)
	p.Proof = &revlog.Proof{Prev: start, Chain: start, TimeMS: now.UnixMilli()}
	if r.head > 0 && copy(p.Proof.Chain[:], r.end) != len(start) {
		return p, false
	}
	switch {
	case r.after >= r.head || r.start() > r.head:
		p.Proof.Prev = p.Proof.Chain
		return p, true
	case r.start() > 1 && copy(p.Proof.Prev[:], r.before) != len(start):
		return p, false
	}
	for i, e := range p.Entries {
		if e.Seq != r.start()+uint64(i) {
			return p, false
		}
	}
	return p, len(p.Entries) > 0
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
