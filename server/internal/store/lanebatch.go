package store

import (
	"encoding/binary"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// What a lane asks for a batch is one statement, whose parameters are columns:
// lists that have an element for each refresh. To begin and end a statement costs
// PostgreSQL more than what a refresh needs of it, twice as much for eight
// refreshes as one for all of them. An answer has the number of its refresh,
// from 1.
const (
	// heldOfMany is selectHeldShort by many handles.
	heldOfMany = `SELECT v.n, h.* FROM UNNEST($1::BYTEA[]) WITH ORDINALITY v(handle, n)
		CROSS JOIN LATERAL (SELECT ` + heldShort + heldFrom + `WHERE g.handle_hash = v.handle OFFSET 0) h`

	// rotateMany is swapGrant for many. For those that are remembered it is on the
	// condition, too, that the grant and what belongs to it are as they are
	// remembered: what isn't in that never changes, or only ever grows (the marks), or
	// is shown and not gone by (when the session was seen). It answers those that it
	// rotated.
	//
	// There is one way to carry it out, whatever PostgreSQL believes of the tables, and
	// it keeps what it believed when they were empty: the grants by their ids, in the
	// order of those, and of each what belongs to it, by its id. OFFSET 0 keeps a
	// subquery from being made a join, which might begin with all grants of a client.
	rotateMany = `UPDATE grants SET confirmed_gen = v.to_confirmed, current_gen = v.to_current, issued_at = v.to_issued,
			recoveries = v.to_recoveries, tag_key = v.to_key,
			idle_expiry = CASE WHEN v.idle = 0 THEN grants.idle_expiry ELSE v.idle END,
			mark = CASE WHEN grants.mark < v.mark THEN v.mark ELSE grants.mark END
		FROM UNNEST($1::BIGINT[], $2::BIGINT[], $3::BIGINT[], $4::BIGINT[], $5::BIGINT[], $6::BIGINT[], $7::BIGINT[],
			$8::TEXT[], $9::BIGINT[], $10::BIGINT[], $11::BIGINT[], $12::BIGINT[], $13::BIGINT[],
			$14::BIGINT[], $15::BIGINT[],
			$16::BIGINT[], $17::TEXT[], $18::BIGINT[], $19::BIGINT[], $20::BIGINT[], $21::BIGINT[], $22::TEXT[])
			WITH ORDINALITY v(to_confirmed, to_current, to_issued, to_recoveries, to_key, idle, mark,
				id, confirmed, current, issued, recoveries, key,
				seen, session_idle,
				remembered, user_epoch, user_updated, auth_time, session_was_idle, client_version, roles, n)
		WHERE grants.id = ANY($8) AND grants.id = v.id AND grants.confirmed_gen = v.confirmed AND grants.current_gen = v.current
			AND grants.issued_at = v.issued AND grants.recoveries = v.recoveries AND grants.tag_key = v.key
			AND grants.ended_at = 0 AND (v.remembered = 0 OR grants.user_epoch = v.user_epoch)
			AND EXISTS (SELECT 1 FROM sessions s
				WHERE s.id = grants.session_id AND s.user_id = grants.user_id AND s.ended_at = 0
				AND (v.remembered = 0 OR s.auth_time = v.auth_time AND s.idle_expiry = v.session_was_idle)
				OFFSET 0)
			AND EXISTS (SELECT 1 FROM clients c
				WHERE c.id = grants.client_id AND c.disabled = 0 AND c.epoch = grants.client_epoch
				AND (v.remembered = 0 OR c.version = v.client_version)
				OFFSET 0)
			AND EXISTS (SELECT 1 FROM users u
				WHERE u.id = grants.user_id AND u.disabled = 0 AND u.epoch = grants.user_epoch
				AND (v.remembered = 0 OR u.updated_at = v.user_updated AND COALESCE((
					SELECT STRING_AGG(r.name, '` + separator + `' ORDER BY r.name) FROM user_roles x
					JOIN roles r ON r.id = x.role_id WHERE x.user_id = u.id), '') = v.roles)
				OFFSET 0)
		RETURNING v.n`

	// rotateManySeen is for a batch with a session whose row is to change, too. It is
	// locked after the grant's, as everywhere.
	rotateManySeen = `WITH swapped AS (` + rotateMany + `, grants.session_id, v.session_idle, v.seen), looked AS (
			UPDATE sessions SET idle_expiry = swapped.session_idle, last_seen_at = swapped.seen FROM swapped
			WHERE sessions.id = ANY(ARRAY(SELECT session_id FROM swapped WHERE session_idle <> 0))
				AND sessions.id = swapped.session_id)
		SELECT n FROM swapped`
)

// rotateAll adds the changes of a batch to what is sent next.
func (c *laneConn) rotateAll(batch []*refreshJob, now time.Time) {
	text := c.rotate
	of := func(number func(j *refreshJob) int64) {
		c.ints(len(batch), func(i int) int64 { return number(batch[i]) })
	}
	of(func(j *refreshJob) int64 { return clamp(j.change.to.Confirmed) })
	of(func(j *refreshJob) int64 { return clamp(j.change.to.Current) })
	of(func(j *refreshJob) int64 { return micros(j.change.to.IssuedAt) })
	of(func(j *refreshJob) int64 { return clamp(j.change.to.Recoveries) })
	of(func(j *refreshJob) int64 { return int64(j.change.to.TagKey) })
	of(func(j *refreshJob) int64 { return micros(j.change.idle) })
	of(func(j *refreshJob) int64 { return micros(j.change.mark) })

	c.texts(len(batch), func(i int) string { return batch[i].change.grantID })
	of(func(j *refreshJob) int64 { return clamp(j.change.from.Confirmed) })
	of(func(j *refreshJob) int64 { return clamp(j.change.from.Current) })
	of(func(j *refreshJob) int64 { return micros(j.change.from.IssuedAt) })
	of(func(j *refreshJob) int64 { return clamp(j.change.from.Recoveries) })
	of(func(j *refreshJob) int64 { return int64(j.change.from.TagKey) })

	of(func(*refreshJob) int64 { return micros(now) })
	of(func(j *refreshJob) int64 {
		if !j.change.sessionIdle.IsZero() {
			text = c.rotateSeen
		}
		return micros(j.change.sessionIdle)
	})

	of(func(j *refreshJob) int64 { return bit(j.recalled) })
	c.texts(len(batch), func(i int) string { return batch[i].held.Grant.UserEpoch })
	of(func(j *refreshJob) int64 { return micros(j.held.User.UpdatedAt) })
	of(func(j *refreshJob) int64 { return micros(j.held.Session.AuthTime) })
	of(func(j *refreshJob) int64 { return micros(j.held.Session.IdleExpiry) })
	of(func(j *refreshJob) int64 { return j.version })
	c.texts(len(batch), func(i int) string { return strings.Join(batch[i].held.User.Roles, separator) })
	c.add(text)
}

// ints adds a column of numbers.
func (c *laneConn) ints(n int, of func(i int) int64) {
	from := c.column(pgtype.Int8OID, n)
	for i := range n {
		c.room = binary.BigEndian.AppendUint32(c.room, 8)
		c.room = binary.BigEndian.AppendUint64(c.room, uint64(of(i)))
	}
	c.params = append(c.params, c.room[from:])
}

// texts adds a column of texts.
func (c *laneConn) texts(n int, of func(i int) string) {
	from := c.column(pgtype.TextOID, n)
	for i := range n {
		text := stored(of(i))
		c.room = binary.BigEndian.AppendUint32(c.room, uint32(len(text)))
		c.room = append(c.room, text...)
	}
	c.params = append(c.params, c.room[from:])
}

// blobs adds a column of bytes.
func (c *laneConn) blobs(n int, of func(i int) []byte) {
	from := c.column(pgtype.ByteaOID, n)
	for i := range n {
		blob := of(i)
		c.room = binary.BigEndian.AppendUint32(c.room, uint32(len(blob)))
		c.room = append(c.room, blob...)
	}
	c.params = append(c.params, c.room[from:])
}

// column begins a list of n elements of a type, in PostgreSQL's binary form, and
// answers where: the number of its dimensions, no NULL among them, the type, and
// how many there are from which number on.
func (c *laneConn) column(kind uint32, n int) (from int) {
	from = len(c.room)
	for _, head := range []uint32{1, 0, kind, uint32(n), 1} {
		c.room = binary.BigEndian.AppendUint32(c.room, head)
	}
	return from
}
