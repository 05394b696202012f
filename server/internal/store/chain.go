package store

import (
	"context"
	"errors"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/server/internal/auth"
)

// The numbers of the log have no gaps, and each row holds the chain of hashes
// after it (see revlog). What is swept are whole pages from the beginning; the
// last row of a page stays behind, for the chain of the next one goes on from
// it: an anchor. So the log begins after an anchor, or with number 1.
//
// A program from before the chain, on another node or between two updates,
// inserts rows without a chain and sweeps single rows. Whoever comes upon that
// mends it.

// firstOf is the log's first number, of the lowest that is there; 0: none is.
func firstOf(lowest uint64) uint64 {
	return lowest/revlog.PageSize*revlog.PageSize + 1
}

// anchors reports whether a row can be what the log begins after.
func anchors(seq uint64) bool { return seq%revlog.PageSize == 0 }

// kindAnchor is what an anchor has that nobody revoked anything by. It is below
// the first number, so it is never published.
const kindAnchor = 255

// logRow is a row of the log.
type logRow struct {
	id, seq, kind, expires int64
	hash, chain            []byte
}

func (r *logRow) dest() []any {
	return []any{&r.id, &r.seq, &r.kind, toBytes(&r.hash), &r.expires, toBytes(&r.chain)}
}

const logColumns = `id, seq, kind, hash, expires_at, chain`

// entry is the row as it is published.
func (r *logRow) entry() (e revlog.Entry, err error) {
	e = revlog.Entry{Seq: uint64(r.seq), Kind: revlog.Kind(r.kind), Expiry: upToSecond(r.expires)}
	if copy(e.Hash[:], r.hash) != revlog.HashSize {
		return e, errors.New("store: a hash in the log is too short")
	}
	return e, nil
}

// logEnd is where the log ends.
type logEnd struct {
	seq   uint64
	chain revlog.Chain
}

// logEnd answers where the next entry goes on.
func (t *tx) logEnd(ctx context.Context) (end logEnd, err error) {
	const last = `SELECT seq, chain FROM log WHERE seq IS NOT NULL ORDER BY seq DESC LIMIT 1`
	for range 2 {
		var chain []byte
		err = t.get(ctx, []any{&end.seq, toBytes(&chain)}, last)
		switch {
		case errors.Is(err, auth.ErrNotFound):
			end.chain, err = t.chainStart(ctx)
			return end, err
		case err != nil:
			return end, err
		case copy(end.chain[:], chain) == len(end.chain):
			return end, nil
		}
		if err := t.mend(ctx); err != nil {
			return end, err
		}
	}
	return end, errors.New("store: the end of the log has no chain")
}

func (t *tx) chainStart(ctx context.Context) (revlog.Chain, error) {
	var id string
	err := t.get(ctx, []any{&id}, selectSetting, settingLogID)
	return revlog.ChainStart(id), err
}

// appendLog adds an entry after an end, which it moves.
func (t *tx) appendLog(ctx context.Context, end *logEnd, kind revlog.Kind, hash [revlog.HashSize]byte, expires int64) error {
	const insert = `INSERT INTO log (seq, kind, hash, expires_at, created_at, chain) VALUES ($1, $2, $3, $4, $5, $6)`
	e := revlog.Entry{Seq: end.seq + 1, Kind: kind, Hash: hash, Expiry: upToSecond(expires)}
	end.seq, end.chain = e.Seq, end.chain.Next(e)
	_, err := t.exec(ctx, insert, int64(e.Seq), int64(kind), hash[:], expires, micros(t.now), end.chain[:])
	t.logged, t.head = true, max(t.head, e.Seq)
	return err
}

// Mend implements auth.Log.
func (s *Store) Mend(ctx context.Context) error {
	return s.write(ctx, func(ctx context.Context, t *tx) error { return t.mend(ctx) })
}

// mend makes the log whole. What lacks its chain gets it, in the order of
// numbers, which is that of the commits. Where numbers are missing, what is
// alive is numbered anew, above all that there was: followers take it for news,
// which does no harm.
func (t *tx) mend(ctx context.Context) error {
	start, err := t.chainStart(ctx)
	if err != nil {
		return err
	}
	whole, err := t.fillChain(ctx, start)
	if err != nil || whole {
		return err
	}
	return t.renumber(ctx, start)
}

// mendStep is how many rows are in memory at once.
const mendStep = revlog.PageSize

// fillChain goes through the log and fills in what it lacks, as far as that can
// be done: whole says that it was all.
func (t *tx) fillChain(ctx context.Context, start revlog.Chain) (whole bool, err error) {
	const list = `SELECT ` + logColumns + ` FROM log WHERE seq > $1 ORDER BY seq LIMIT $2`
	end := logEnd{chain: start}
	for {
		rows, err := all(ctx, t.statements, (*logRow).dest, list, int64(end.seq), mendStep)
		if err != nil || len(rows) == 0 {
			return err == nil, err
		}
		if end.seq == 0 && anchors(uint64(rows[0].seq)) {
			if end, err = t.beginAfter(ctx, rows[0], start); err != nil {
				return false, err
			}
			rows = rows[1:]
		}
		for _, r := range rows {
			if whole, err := t.fillRow(ctx, &end, r); err != nil || !whole {
				return false, err
			}
		}
	}
}

// beginAfter answers where the log goes on after an anchor. Nobody can check its
// chain any more; one that has none gets the start's.
func (t *tx) beginAfter(ctx context.Context, anchor logRow, start revlog.Chain) (logEnd, error) {
	end := logEnd{seq: uint64(anchor.seq)}
	if copy(end.chain[:], anchor.chain) == len(end.chain) {
		return end, nil
	}
	end.chain = start
	return end, t.setChain(ctx, anchor.id, start)
}

func (t *tx) fillRow(ctx context.Context, end *logEnd, r logRow) (whole bool, err error) {
	e, err := r.entry()
	if err != nil || e.Seq != end.seq+1 {
		return false, err
	}
	end.seq, end.chain = e.Seq, end.chain.Next(e)
	if r.chain == nil {
		return true, t.setChain(ctx, r.id, end.chain)
	}
	return string(r.chain) == string(end.chain[:]), nil
}

func (t *tx) setChain(ctx context.Context, id int64, chain revlog.Chain) error {
	_, err := t.exec(ctx, `UPDATE log SET chain = $1 WHERE id = $2`, chain[:], id)
	t.logged = true
	return err
}

// renumber begins the log anew after an anchor above all that there was.
func (t *tx) renumber(ctx context.Context, start revlog.Chain) error {
	const (
		highest = `SELECT COALESCE(MAX(seq), 0) FROM log`
		anchor  = `INSERT INTO log (seq, kind, hash, expires_at, created_at, chain) VALUES ($1, $2, $3, 1, $4, $5)`
		live    = `SELECT ` + logColumns + ` FROM log WHERE seq < $1 AND (+expires_at = 0 OR +expires_at > $2) ORDER BY seq LIMIT $3`
		move    = `UPDATE log SET seq = $1, chain = $2 WHERE id = $3`
	)
	var head uint64
	if err := t.get(ctx, []any{&head}, highest); err != nil {
		return err
	}
	end := logEnd{head - head%revlog.PageSize + revlog.PageSize, start}
	from := int64(end.seq)
	if _, err := t.exec(ctx, anchor, from, kindAnchor, make([]byte, revlog.HashSize), micros(t.now), start[:]); err != nil {
		return err
	}
	for {
		rows, err := all(ctx, t.statements, (*logRow).dest, live, from, micros(t.now), mendStep)
		if err != nil {
			return err
		}
		for _, r := range rows {
			r.seq = int64(end.seq + 1)
			e, err := r.entry()
			if err != nil {
				return err
			}
			end.seq, end.chain = e.Seq, end.chain.Next(e)
			if _, err := t.exec(ctx, move, r.seq, end.chain[:], r.id); err != nil {
				return err
			}
		}
		if len(rows) < mendStep {
			break
		}
	}
	_, err := t.exec(ctx, `DELETE FROM log WHERE seq < $1`, from)
	t.logged, t.head = true, max(t.head, end.seq)
	return err
}

// openLog gives the log of an older program its chain.
func (s *Store) openLog(ctx context.Context) error {
	const query = `SELECT COUNT(*), COALESCE(MIN(seq), 0), COALESCE(MAX(seq), 0), COUNT(chain) FROM log`
	var rows, lowest, highest, chained int64
	if err := s.sql.get(ctx, []any{&rows, &lowest, &highest, &chained}, query); err != nil {
		return err
	}
	begins := lowest == 1 || anchors(uint64(lowest))
	if rows == 0 || begins && rows == highest-lowest+1 && chained == rows {
		return nil
	}
	return s.Mend(ctx)
}
