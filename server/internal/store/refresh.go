package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

// A refresh reads a grant, decides, and writes the decision. On SQLite that is
// one transaction of the writer's, on its connection, whose pages are in memory:
// a reader's are gone after each commit. While the commit waits for the disk the
// caller makes what it will answer.
//
// On PostgreSQL it is a reading and a conditional update, and whoever loses the
// race for the row begins again. The usual ones go together (lanes.go), and what
// this node remembers it needs not read (remembered.go).

// Refresh implements auth.Sessions.
func (s *Store) Refresh(ctx context.Context, hash []byte, decide func(auth.Held) (*auth.Turn, error), meanwhile func() error) error {
	if s.fleet() {
		return s.refreshInFleet(ctx, hash, decide, meanwhile)
	}
	var failed error
	var learnt *keptClient
	err := s.writer.writeWhile(ctx, func(ctx context.Context, t *tx) error {
		return t.refresh(ctx, hash, func(held *auth.Held, version int64) (_ *auth.Turn, err error) {
			if learnt, err = s.addClient(ctx, t, &held.Client, version); err != nil {
				return nil, err
			}
			if err := s.addAPI(ctx, t.statements, held); err != nil {
				return nil, err
			}
			t.unsure = false
			return decide(*held)
		})
	}, func() { failed = meanwhile() })
	if err == nil && learnt != nil {
		s.clients.keep(*learnt) // not sooner: it may be of a change that came to nothing
	}
	if err == nil {
		err = failed
	}
	return err
}

// addClient adds what the short query doesn't read, and answers what it had to read
// for that.
func (s *Store) addClient(ctx context.Context, t *tx, c *auth.Client, version int64) (learnt *keptClient, err error) {
	if s.clients.complete(c, version) {
		return nil, nil
	}
	if err := t.get(ctx, clientDest(c), selectClient+`WHERE c.id = $1`, c.ID); err != nil {
		return nil, err
	}
	return &keptClient{*c, version}, nil
}

// refreshInFleet ends, for each loss means that somebody else won; the bound is
// for a database that lies.
func (s *Store) refreshInFleet(ctx context.Context, hash []byte, decide func(auth.Held) (*auth.Turn, error), meanwhile func() error) error {
	for range 100 {
		var failed error
		done, err := s.lanes.refresh(ctx, hash, decide, func() { failed = meanwhile() })
		if errors.Is(err, errAlone) {
			done, err = s.refreshAlone(ctx, hash, decide, meanwhile)
		} else if err == nil && done {
			err = failed
		}
		if done || err != nil {
			return err
		}
	}
	return unavailable(ErrBusy, nil)
}

// refreshAlone is a refresh that is for no lane, or one attempt at it.
func (s *Store) refreshAlone(ctx context.Context, hash []byte, decide func(auth.Held) (*auth.Turn, error), meanwhile func() error) (done bool, err error) {
	held, err := s.HeldByHandle(ctx, hash)
	if err != nil {
		return false, err
	}
	if err := s.addAPI(ctx, s.sql, &held); err != nil {
		return false, err
	}
	var turn *auth.Turn
	if err := caught(func() (err error) { turn, err = decide(held); return err }); err != nil {
		return false, err
	}
	if err := meanwhile(); err != nil || turn == nil {
		return err == nil, err
	}
	return s.Rotate(ctx, held.Grant.ID, held.Grant.Rotation, *turn)
}

// addAPI adds the API that a grant was begun for.
func (s *Store) addAPI(ctx context.Context, on *statements, held *auth.Held) error {
	audience := held.Grant.Audience
	if audience == "" {
		return nil
	}
	kept, changes := s.registry.findAPI(audience)
	if kept == nil {
		var found auth.API
		err := on.get(ctx, apiDest(&found), selectAPI+`WHERE a.audience = $1`, audience)
		if err != nil && !errors.Is(err, auth.ErrNotFound) {
			return err
		}
		kept = &found
		s.registry.keepAPI(audience, kept, changes)
	}
	held.API = *kept
	return nil
}

// columnsHeld is selectHeld for driven.wide, with the places of the rows.
const columnsHeld = `SELECT columns(` + grantColumns + `, ` + sessionColumns + `, ` + userColumns + `, c.version,
	c.id, c.epoch, c.disabled, c.mark, g.rowid, s.rowid)` + heldFrom + byHandle

// refresh carries out a refresh. It changes nothing before it is sure of
// everything but the disk. What decide is given is good until it returns.
func (t *tx) refresh(ctx context.Context, hash []byte, decide func(held *auth.Held, version int64) (*auth.Turn, error)) error {
	scan := t.driven.held
	scan.clear(t.now)
	t.unsure = true
	if err := t.driven.wide(ctx, scan.dest, columnsHeld, hash); err != nil {
		t.unsure = !errors.Is(err, auth.ErrNotFound)
		return err
	}
	held, grantRow, sessionRow := &scan.held, scan.grantRow, scan.sessionRow
	turn, err := decide(held, scan.version)
	if err != nil || turn == nil {
		return err
	}
	if over(held) {
		return fmt.Errorf("store: a grant that is over was refreshed: %w", auth.ErrEpochChanged)
	}
	marks := turn.Marks
	if marks.GrantID != "" {
		held.Grant.Mark = latest(held.Grant.Mark, marks.Expiry)
		marks.GrantID = ""
	}
	t.unsure = true
	if err := t.beside(ctx, held.Grant.ID, marks, turn.Event); err != nil {
		return err
	}
	return t.turn(ctx, held.Grant, *turn, grantRow, sessionRow)
}

// over says whether the condition alive doesn't hold.
func over(h *auth.Held) bool {
	return !h.Grant.EndedAt.IsZero() || !h.Session.EndedAt.IsZero() || h.User.Disabled || h.Client.Disabled ||
		h.User.Epoch != h.Grant.UserEpoch || h.Client.Epoch != h.Grant.ClientEpoch
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// beside does what most refreshes have nothing of: all of it or nothing.
func (t *tx) beside(ctx context.Context, grantID string, marks auth.Marks, ev *auth.Event) error {
	if marks.Empty() && ev == nil {
		return nil
	}
	if _, err := t.exec(ctx, "SAVEPOINT beside"); err != nil {
		return err
	}
	err := t.raise(ctx, marks, grantID)
	if err == nil && ev != nil {
		err = t.record(ctx, *ev)
	}
	if err != nil {
		if _, lost := t.exec(ctx, "ROLLBACK TO beside"); lost != nil {
			return gone(err, lost)
		}
	}
	if _, lost := t.exec(ctx, "RELEASE beside"); lost != nil {
		return gone(lost, lost)
	}
	t.unsure = err == nil
	return err
}

// turn writes the grant's new state where it is, and the session's if that is to
// change.
func (t *tx) turn(ctx context.Context, g auth.Grant, turn auth.Turn, grantRow, sessionRow int64) error {
	const (
		write = `UPDATE grants SET confirmed_gen = $1, current_gen = $2, issued_at = $3, recoveries = $4, tag_key = $5,
			idle_expiry = $6, mark = $7 WHERE rowid = $8`
		seen = `UPDATE sessions SET idle_expiry = $1, last_seen_at = $2 WHERE rowid = $3`
	)
	if !turn.Idle.IsZero() {
		g.IdleExpiry = turn.Idle
	}
	r := turn.To
	if _, err := t.exec(ctx, write, clamp(r.Confirmed), clamp(r.Current), micros(r.IssuedAt), clamp(r.Recoveries), int64(r.TagKey),
		micros(g.IdleExpiry), micros(g.Mark), grantRow); err != nil || turn.SessionIdle.IsZero() {
		return err
	}
	_, err := t.exec(ctx, seen, micros(turn.SessionIdle), micros(t.now), sessionRow)
	return err
}
