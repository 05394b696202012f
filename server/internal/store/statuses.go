package store

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/server/internal/auth"
)

const (
	// statusRest is how much longer a place in a status list stays free than a
	// token could name it: verifiers keep lists for a while, and would take the
	// next grant for the one before.
	statusRest = time.Hour
	// statusProbes is how many places are tried before there is one list more.
	// The lists come to be half full: that many are taken once in 65,536 times.
	statusProbes = 16
)

// oldStatuses removes the places of which no token is alive (see Sweep).
const oldStatuses = `DELETE FROM statuses WHERE idx IN (
	SELECT idx FROM statuses WHERE alive_until <= $1 ORDER BY alive_until LIMIT $2`

// AssignStatus implements auth.Sessions. Of two calls for one grant at once the
// second waits at the grant's row, and answers what the first has stored there.
// A grant that has ended in this moment gets a place that is revoked; where g has
// another epoch than the grant by now, and so would its token, the error is
// ErrEpochChanged.
func (s *Store) AssignStatus(ctx context.Context, g auth.Grant) (index auth.StatusIndex, err error) {
	const (
		lock = `UPDATE grants SET status_index = status_index WHERE id = $1 RETURNING status_index, ended_at, user_epoch`
		set  = `UPDATE grants SET status_index = $1 WHERE id = $2`
	)
	err = s.hot(ctx, func(ctx context.Context, t *tx) error {
		index = 0
		var ended int64
		var epoch string
		err := t.get(ctx, []any{&index, &ended, &epoch}, lock, g.ID)
		stored := err == nil
		if stored && epoch != g.UserEpoch {
			return auth.ErrEpochChanged
		}
		if err != nil && !errors.Is(err, auth.ErrNotFound) || index != 0 {
			return err
		}
		over := ended > 0
		if !stored { // yet, or any more: see replaceGrant
			hash := revlog.Hash(revlog.Session, g.ID)
			if over, err = t.exists(ctx, `SELECT 1 FROM log WHERE hash = $1`, hash[:]); err != nil {
				return err
			}
		}
		if index, err = t.takeStatus(ctx, g, over); err != nil || !stored {
			return err
		}
		_, err = t.exec(ctx, set, int64(index), g.ID)
		return err
	})
	return index, err
}

// takeStatus takes a free place. A place says nothing of when its grant began,
// nor of how many there are, beyond the number of lists.
func (t *tx) takeStatus(ctx context.Context, g auth.Grant, ended bool) (auth.StatusIndex, error) {
	const take = `INSERT INTO statuses (idx, client_id, client_epoch, revoked, alive_until) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (idx) DO NOTHING`
	lists, err := statusLists(ctx, t.statements)
	if err != nil {
		return 0, err
	}
	until := micros(g.AbsoluteExpiry.Add(afterMark)) // of every token of the grant
	for probe := range 2 * statusProbes {
		if probe == statusProbes {
			lists++
		}
		index := 1 + randomBelow(uint64(lists)*auth.StatusListSize)
		if n, err := t.exec(ctx, take, index, g.ClientID, g.ClientEpoch, bit(ended), until); err != nil || n > 0 {
			return auth.StatusIndex(index), err
		}
	}
	return 0, errors.New("store: no free place in the status lists")
}

// randomBelow is uniform but for 2⁻³⁰: n is small.
func randomBelow(n uint64) int64 {
	var b [8]byte
	rand.Read(b[:])
	return int64(binary.BigEndian.Uint64(b[:]) % n)
}

// StatusLists answers how many status lists there are, one at least.
func (s *Store) StatusLists(ctx context.Context) (n int64, err error) {
	return statusLists(ctx, s.sql)
}

func statusLists(ctx context.Context, on *statements) (int64, error) {
	var highest auth.StatusIndex
	err := on.get(ctx, []any{&highest}, `SELECT COALESCE(MAX(idx), 1) FROM statuses`)
	return highest.List() + 1, err
}

// revokeStatus sets the bit of a grant that has ended, if it has one.
func (t *tx) revokeStatus(ctx context.Context, index auth.StatusIndex) error {
	if index == 0 {
		return nil
	}
	_, err := t.exec(ctx, `UPDATE statuses SET revoked = 1 WHERE idx = $1`, int64(index))
	return err
}

// revokeStatuses sets the bits of all grants of a user.
func (t *tx) revokeStatuses(ctx context.Context, userID string) error {
	const revoke = `UPDATE statuses SET revoked = 1 WHERE revoked = 0
		AND idx IN (SELECT status_index FROM grants WHERE user_id = $1 AND status_index > 0)`
	_, err := t.exec(ctx, revoke, userID)
	return err
}

// moveStatuses sets the bits of all grants of a user whose tokens are over though
// the grants are not: their next tokens get other places.
func (t *tx) moveStatuses(ctx context.Context, userID string) error {
	if err := t.revokeStatuses(ctx, userID); err != nil {
		return err
	}
	_, err := t.exec(ctx, `UPDATE grants SET status_index = 0 WHERE user_id = $1 AND status_index > 0`, userID)
	return err
}

// RevokedStatuses answers the places of a list whose grants were ended, though a
// token of theirs may be alive at now. Of a user whose ending is under way (see
// finish.go) that is all of them: the log has its one entry already, by which
// readers of lists see that there is something new, and there comes no other when
// the rows follow.
func (s *Store) RevokedStatuses(ctx context.Context, list int64, now time.Time) (places []int64, err error) {
	const query = `SELECT idx FROM statuses WHERE idx > $1 AND idx <= $2 AND alive_until > $3 AND (revoked = 1
		OR (client_id, client_epoch) NOT IN (SELECT id, epoch FROM clients WHERE disabled = 0)
		OR idx IN (SELECT g.status_index FROM endings e JOIN users u ON u.id = e.user_id JOIN grants g ON g.user_id = u.id
			WHERE g.ended_at = 0 AND g.status_index > 0 AND g.user_epoch <> u.epoch))`
	from := list * auth.StatusListSize
	err = s.sql.each(ctx, func(scan func(...any) error) error {
		var index auth.StatusIndex
		if err := scan(&index); err != nil {
			return err
		}
		places = append(places, index.Place())
		return nil
	}, query, from, from+auth.StatusListSize, micros(now))
	return places, err
}
