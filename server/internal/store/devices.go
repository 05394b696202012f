package store

import (
	"context"
	"errors"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

const deviceColumns = `hash, user_code, client_id, scope, audience, created_at, expires_at, poll_interval, polled_at, hasty, state, sign_in_id`

func deviceDest(d *auth.Device) []any {
	return []any{toArray(d.Hash[:]), toArray(d.UserCode[:]), &d.ClientID, toJSON(&d.Scope), &d.Audience, toTime(&d.CreatedAt), toTime(&d.ExpiresAt),
		toDuration(&d.Interval), toTime(&d.PolledAt), toBool(&d.Hasty), &d.State, &d.SignInID}
}

// AddDevice implements auth.Devices. An answered one takes no room: people answer
// no more than they may look up.
func (s *Store) AddDevice(ctx context.Context, d auth.Device, most, share int) error {
	const (
		full   = `SELECT 1 FROM devices WHERE state = 'pending' AND expires_at > $1 LIMIT 1 OFFSET $2`
		taken  = `SELECT 1 FROM devices WHERE client_id = $3 AND state = 'pending' AND expires_at > $1 LIMIT 1 OFFSET $2`
		insert = `INSERT INTO devices (` + deviceColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0, $9, '')`
	)
	now := micros(s.now())
	over, err := s.sql.exists(ctx, full, now, most-1)
	if err == nil && !over {
		over, err = s.sql.exists(ctx, taken, now, share-1, d.ClientID)
	}
	if err != nil || over {
		return errors.Join(err, errManyDevices(over))
	}
	return s.single(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, insert, d.Hash[:], d.UserCode[:], d.ClientID, encoded(d.Scope), d.Audience, t.since(d.CreatedAt), micros(d.ExpiresAt),
			d.Interval.Microseconds(), string(auth.DevicePending))
		return err
	})
}

func errManyDevices(over bool) error {
	if !over {
		return nil
	}
	return &auth.Error{Code: auth.CodeUnavailable, Message: "Too many devices wait for an answer; try again later.", RetryAfter: time.Minute}
}

// DeviceByUserCode implements auth.Devices.
func (s *Store) DeviceByUserCode(ctx context.Context, hash [32]byte) (d auth.Device, err error) {
	err = s.sql.get(ctx, deviceDest(&d), `SELECT `+deviceColumns+` FROM devices WHERE user_code = $1`, hash[:])
	return d, err
}

// PollDevice implements auth.Devices. It is one statement, so that nodes that
// are polled at once count as one.
func (s *Store) PollDevice(ctx context.Context, clientID string, hash [32]byte, leeway, grow time.Duration) (d auth.Device, err error) {
	const (
		early = `CASE WHEN $1 - polled_at < poll_interval - $2 THEN `
		poll  = `UPDATE devices SET polled_at = $1, hasty = ` + early + `1 ELSE 0 END,
			poll_interval = ` + early + `poll_interval + $3 ELSE poll_interval END
			WHERE hash = $4 AND client_id = $5 RETURNING ` + deviceColumns
	)
	err = s.single(ctx, func(ctx context.Context, t *tx) error {
		d = auth.Device{}
		return t.get(ctx, deviceDest(&d), poll, micros(t.now), leeway.Microseconds(), grow.Microseconds(), hash[:], clientID)
	})
	return d, err
}

// AnswerDevice implements auth.Devices.
func (s *Store) AnswerDevice(ctx context.Context, hash [32]byte, answer auth.DeviceAnswer, evs ...auth.Event) (answered bool, err error) {
	const update = `UPDATE devices SET state = $1, sign_in_id = $2 WHERE hash = $3 AND state = 'pending' AND expires_at > $4`
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, update, string(answer.State), answer.SignInID, hash[:], micros(t.now))
		if answered = n > 0; err != nil || !answered {
			return err
		}
		if answer.Consent != nil {
			if err := t.addConsent(ctx, *answer.Consent); err != nil {
				return err
			}
		}
		for _, ev := range evs {
			if err := t.record(ctx, ev); err != nil {
				return err
			}
		}
		return nil
	})
	return answered && err == nil, err
}

// RedeemDevice implements auth.Devices, through the writer as Redeem does.
func (s *Store) RedeemDevice(ctx context.Context, hash [32]byte, g auth.Grant, marks auth.Marks, ev auth.Event) (bool, error) {
	const use = `UPDATE devices SET state = 'redeemed' WHERE hash = $1 AND client_id = $2 AND state = 'allowed' AND expires_at > $3`
	return s.redeem(ctx, g, marks, ev, func(ctx context.Context, t *tx) (int64, error) {
		return t.exec(ctx, use, hash[:], g.ClientID, micros(t.now))
	})
}
