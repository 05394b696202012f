package store_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/store"
)

// TestLanes refreshes many grants at once on PostgreSQL, in several ways: those
// that go together harm nobody beside them.
func TestLanes(t *testing.T) {
	dsn := postgres(t)(t)
	for name, run := range map[string]func(*testing.T, *store.Store){
		"many at once":         manyAtOnce,
		"one after the other":  oneAfterTheOther,
		"two of one session":   twoOfOneSession,
		"a row is locked":      func(t *testing.T, s *store.Store) { rowIsLocked(t, s, dsn) },
		"connections are lost": func(t *testing.T, s *store.Store) { connectionsAreLost(t, s, dsn) },
		"remembered":           rememberedGrants,
		"remembered otherwise": rememberedOtherwise,
		"what is written":      whatIsWritten,
		"a place in a list":    rememberedPlace,
		"nobody waits":         nobodyWaits,
		"closed":               closedLanes,
	} {
		t.Run(name, func(t *testing.T) { run(t, opened(t, dsn, 1)[0]) })
	}
}

func refreshed(ctx context.Context, s *store.Store, g auth.Grant, decide func(auth.Held) (*auth.Turn, error)) error {
	return s.Refresh(ctx, g.HandleHash, decide, func() error { return nil })
}

// rotations is how often a grant was rotated.
func rotations(t *testing.T, s *store.Store, g auth.Grant) uint64 {
	t.Helper()
	held, err := s.HeldByGrant(t.Context(), g.ID)
	if err != nil {
		t.Fatal(err)
	}
	return held.Grant.Rotation.Current
}

// manyAtOnce: each of seven has a neighbour of its kind in every round, and what
// one gets is no other's.
func manyAtOnce(t *testing.T, s *store.Store) {
	own := errors.New("own")
	kinds := []struct {
		decide func(auth.Held) (*auth.Turn, error)
		right  func(error) bool
		turns  uint64 // of each refresh
	}{
		{rotating, func(err error) bool { return err == nil }, 1},
		{rotating, func(err error) bool { return err == nil }, 1},
		{func(auth.Held) (*auth.Turn, error) { return nil, own }, func(err error) bool { return errors.Is(err, own) }, 0},
		{func(auth.Held) (*auth.Turn, error) { return nil, nil }, func(err error) bool { return err == nil }, 0},
		{func(auth.Held) (*auth.Turn, error) { panic("a defect") }, func(err error) bool {
			var panicked *store.PanicError
			return errors.As(err, &panicked)
		}, 0},
		{func(h auth.Held) (*auth.Turn, error) {
			turn, err := rotating(h)
			turn.Marks = auth.Marks{Expiry: h.Now.Add(time.Hour), GrantID: h.Grant.ID, UserID: h.User.ID}
			turn.Event = &auth.Event{At: h.Now, Action: "grant.recover", Actor: h.User.ID}
			return turn, err
		}, func(err error) bool { return err == nil }, 1},
		{func(h auth.Held) (*auth.Turn, error) {
			turn, err := rotating(h)
			turn.SessionIdle = time.Time{} // unlike its neighbours
			return turn, err
		}, func(err error) bool { return err == nil }, 1},
	}
	const each, rounds = 5, 4
	grants := make([]auth.Grant, each*len(kinds))
	for i := range grants {
		grants[i] = heldGrant(t, s)
	}
	err := s.Transact(t.Context(), func(exec func(string, ...any) error) error { return exec(`UPDATE sessions SET idle_expiry = 1`) })
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i, g := range grants {
		all.Go(func() {
			kind := kinds[i%len(kinds)]
			for range rounds {
				if err := refreshed(t.Context(), s, g, kind.decide); !kind.right(err) {
					t.Errorf("kind %d: error %v", i%len(kinds), err)
				}
			}
		})
	}
	all.Wait()
	for i, g := range grants {
		if got, want := rotations(t, s, g), rounds*kinds[i%len(kinds)].turns; got != want {
			t.Errorf("a grant of kind %d was rotated %d times, want %d", i%len(kinds), got, want)
		}
		if held, err := s.HeldByGrant(t.Context(), g.ID); err != nil || held.Session.IdleExpiry.IsZero() {
			t.Errorf("the session of a grant of kind %d never goes idle (%v)", i%len(kinds), err)
		}
	}
	unknown := auth.Grant{HandleHash: []byte("nobody's")}
	if err := refreshed(t.Context(), s, unknown, rotating); !errors.Is(err, auth.ErrNotFound) {
		t.Errorf("an unknown grant: %v", err)
	}
}

// oneAfterTheOther: of many that refresh one grant, each sees what the one
// before it left.
func oneAfterTheOther(t *testing.T, s *store.Store) {
	g := heldGrant(t, s)
	const n = 20
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			if err := refreshed(t.Context(), s, g, rotating); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := rotations(t, s, g); got != n {
		t.Errorf("%d rotations of %d refreshes", got, n)
	}
}

// twoOfOneSession: a session has several grants, and each refresh changes it.
func twoOfOneSession(t *testing.T, s *store.Store) {
	g := heldGrant(t, s)
	second := auth.Grant{ID: auth.Random128(), HandleHash: []byte("the second's")}
	const columns = `, session_id, client_id, user_id, audience, org_id, scope, mode, confirmed_gen, current_gen, issued_at, recoveries,
		tag_key, user_epoch, client_epoch, idle_expiry, absolute_expiry, dpop_thumbprint, status_index, mark, created_at, ended_at, end_reason`
	err := s.Transact(t.Context(), func(exec func(string, ...any) error) error {
		return exec(`INSERT INTO grants (id, handle_hash`+columns+`) SELECT $1, $2`+columns+` FROM grants WHERE id = $3`,
			second.ID, second.HandleHash, g.ID)
	})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for _, one := range []auth.Grant{g, second, g, second, g, second} {
		all.Go(func() {
			if err := refreshed(t.Context(), s, one, rotating); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if a, b := rotations(t, s, g), rotations(t, s, second); a != 3 || b != 3 {
		t.Errorf("%d and %d rotations, want 3 and 3", a, b)
	}
}

// rowIsLocked: who is in a lane with a grant that somebody has locked doesn't
// wait for it to be let go.
func rowIsLocked(t *testing.T, s *store.Store, dsn string) {
	locked, free := heldGrant(t, s), heldGrant(t, s)
	holder, err := connected(t, dsn).Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Rollback()
	if _, err := holder.Exec(`SELECT 1 FROM grants WHERE id = $1 FOR UPDATE`, locked.ID); err != nil {
		t.Fatal(err)
	}
	waits := make(chan error, 1)
	go func() { waits <- refreshed(t.Context(), s, locked, rotating) }()
	for range 10 {
		if err := refreshed(t.Context(), s, free, rotating); err != nil {
			t.Error(err)
		}
	}
	if err := holder.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-waits; err != nil {
		t.Errorf("the one that waited: %v", err)
	}
	if a, b := rotations(t, s, locked), rotations(t, s, free); a != 1 || b != 10 {
		t.Errorf("%d and %d rotations, want 1 and 10", a, b)
	}
}

// connectionsAreLost: idle connections that the server has closed are replaced,
// and no caller hears of it.
func connectionsAreLost(t *testing.T, s *store.Store, dsn string) {
	g := heldGrant(t, s)
	admin := connected(t, dsn)
	for n := range uint64(3) {
		for i := range uint64(2) { // the first finds the connection dead, the second makes one
			if err := refreshed(t.Context(), s, g, rotating); err != nil {
				t.Errorf("refresh %d of round %d: %v", i, n, err)
			}
			if got := rotations(t, s, g); got != 2*n+i+1 {
				t.Errorf("%d rotations after refresh %d of round %d", got, i, n)
			}
		}
		const end = `SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE '%v(handle, n)%' AND pid <> pg_backend_pid()
			OR query LIKE '%UPDATE grants SET %' AND pid <> pg_backend_pid()`
		var ended int
		if err := admin.QueryRow(end).Scan(&ended); err != nil || ended == 0 {
			t.Fatalf("%d connections ended, %v", ended, err)
		}
	}
}

// rememberedGrants: a grant that this node refreshed last is not read again, and
// one that has changed is.
func rememberedGrants(t *testing.T, s *store.Store) {
	g := heldGrant(t, s)
	seen := func() (all []string) {
		t.Helper()
		err := refreshed(t.Context(), s, g, func(h auth.Held) (*auth.Turn, error) {
			all = append(all, h.Session.Device+" "+h.User.Name+" "+h.Client.Scope)
			return rotating(h)
		})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	want := func(what string, got []string, want ...string) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s: decided on %q, want %q", what, got, want)
		}
	}
	want("the first, with which the node reads the client", seen(), "  ")
	want("the second", seen(), "  ")
	// Of the device no token says anything, so nobody asks whether it is the same.
	err := s.Transact(t.Context(), func(exec func(string, ...any) error) error {
		return exec(`UPDATE sessions SET device = 'phone' WHERE id = $1`, g.SessionID)
	})
	if err != nil {
		t.Fatal(err)
	}
	want("remembered", seen(), "  ")
	want("remembered again", seen(), "  ")
	name := "Ada"
	if _, err := s.UpdateProfile(t.Context(), g.UserID, &name, nil, time.Now(), auth.Event{}); err != nil {
		t.Fatal(err)
	}
	want("after a change", seen(), "  ", "phone Ada ")
	want("after that", seen(), "phone Ada ")
	c, err := s.ClientByID(t.Context(), g.ClientID)
	if err != nil {
		t.Fatal(err)
	}
	read := c.UpdatedAt
	c.Scope = "less"
	if _, err := s.UpdateClient(t.Context(), c, read, nil, time.Now(), auth.Event{}); err != nil {
		t.Fatal(err)
	}
	if all := seen(); all[0] != "phone Ada " || all[len(all)-1] != "phone Ada less" {
		t.Errorf("after a change of the client: decided on %q", all)
	}
	if got := rotations(t, s, g); got != 7 {
		t.Errorf("%d rotations of 7 refreshes", got)
	}
}

// rememberedOtherwise: whatever a decision goes by, a change of it by somebody else
// is seen before the grant is refreshed again.
func rememberedOtherwise(t *testing.T, s *store.Store) {
	g := heldGrant(t, s)
	if err := s.CreateRole(t.Context(), auth.Role{ID: "rol_1", Name: "admin"}, auth.Event{}); err != nil {
		t.Fatal(err)
	}
	current := func() int { // not by HeldByGrant, which learns the client
		t.Helper()
		text, err := s.Query(t.Context(), `SELECT CAST(current_gen AS TEXT) FROM grants WHERE id = '`+g.ID+`'`)
		n, bad := strconv.Atoi(text)
		if err = errors.Join(err, bad); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for range 2 { // the first goes the long way, to learn the client
		if err := refreshed(t.Context(), s, g, rotating); err != nil {
			t.Fatal(err)
		}
	}
	exec := func(text string) {
		t.Helper()
		err := s.Transact(t.Context(), func(exec func(string, ...any) error) error { return exec(text, g.ID) })
		if err != nil {
			t.Fatal(err)
		}
	}
	decisions := 0
	counted := func(h auth.Held) (*auth.Turn, error) {
		decisions++
		return rotating(h)
	}
	const (
		session = ` WHERE id = (SELECT session_id FROM grants WHERE id = $1)`
		user    = ` WHERE id = (SELECT user_id FROM grants WHERE id = $1)`
		client  = ` WHERE id = (SELECT client_id FROM grants WHERE id = $1)`
	)
	for _, c := range []struct {
		change string
		back   string // from a change that ends the grant
	}{
		{change: `UPDATE grants SET confirmed_gen = confirmed_gen + 1 WHERE id = $1`},
		{change: `UPDATE grants SET current_gen = current_gen + 1 WHERE id = $1`},
		{change: `UPDATE grants SET issued_at = issued_at + 1 WHERE id = $1`},
		{change: `UPDATE grants SET recoveries = recoveries + 1 WHERE id = $1`},
		{change: `UPDATE grants SET tag_key = tag_key + 1 WHERE id = $1`},
		{change: `UPDATE sessions SET auth_time = auth_time + 1` + session},
		{change: `UPDATE sessions SET idle_expiry = idle_expiry + 1` + session},
		{change: `UPDATE users SET updated_at = updated_at + 1` + user},
		{change: `UPDATE clients SET version = version + 1` + client},
		{change: `INSERT INTO user_roles SELECT user_id, 'rol_1' FROM grants WHERE id = $1`},
		{change: `UPDATE roles SET name = 'chief' WHERE id = 'rol_1' AND $1 <> ''`},
		{change: `DELETE FROM user_roles WHERE user_id = (SELECT user_id FROM grants WHERE id = $1)`},
		// As for the one that is kept when all others of a user are ended.
		{change: `WITH u AS (UPDATE users SET epoch = 'other'` + user + `) UPDATE grants SET user_epoch = 'other' WHERE id = $1`},
		{change: `UPDATE users SET epoch = 'a third'` + user, back: `UPDATE users SET epoch = 'other'` + user},
		{change: `UPDATE users SET disabled = 1` + user, back: `UPDATE users SET disabled = 0` + user},
		{change: `UPDATE clients SET disabled = 1` + client, back: `UPDATE clients SET disabled = 0` + client},
		{change: `UPDATE sessions SET ended_at = 1` + session, back: `UPDATE sessions SET ended_at = 0` + session},
		{change: `UPDATE grants SET ended_at = 1 WHERE id = $1`, back: `UPDATE grants SET ended_at = 0 WHERE id = $1`},
	} {
		decisions = 0
		if err := refreshed(t.Context(), s, g, counted); err != nil || decisions != 1 {
			t.Fatalf("before %q: %d decisions, %v, want one, on what is remembered", c.change, decisions, err)
		}
		exec(c.change)
		decisions = 0
		before, err := current(), refreshed(t.Context(), s, g, counted)
		if c.back != "" {
			if err == nil || current() != before {
				t.Errorf("%q: a grant that is over was refreshed (%v)", c.change, err)
			}
			exec(c.back)
			if err := refreshed(t.Context(), s, g, rotating); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err != nil || decisions < 2 {
			t.Errorf("%q: %d decisions, %v, want a second, on what is there", c.change, decisions, err)
		}
		if got := current(); got != before+1 {
			t.Errorf("%q: the grant is at %d, want %d", c.change, got, before+1)
		}
	}
}

// whatIsWritten: a change has times for a grant and its session, or none, which
// leaves those that are there; a mark only grows.
func whatIsWritten(t *testing.T, s *store.Store) {
	g := heldGrant(t, s)
	at := func(minutes int) time.Time {
		return time.Unix(2_000_000_000, 0).UTC().Add(time.Duration(minutes) * time.Minute)
	}
	type times struct{ idle, mark, sessionIdle time.Time }
	for i, c := range []struct{ turn, want times }{
		{times{at(1), at(2), at(3)}, times{at(1), at(2), at(3)}}, // goes the long way
		{times{at(4), at(5), at(6)}, times{at(4), at(5), at(6)}},
		{times{}, times{at(4), at(5), at(6)}},
		{times{idle: at(7), mark: at(2)}, times{at(7), at(5), at(6)}},
		{times{sessionIdle: at(8)}, times{at(7), at(5), at(8)}},
		{times{mark: at(9)}, times{at(7), at(9), at(8)}},
	} {
		before, err := s.HeldByGrant(t.Context(), g.ID)
		if err != nil {
			t.Fatal(err)
		}
		err = refreshed(t.Context(), s, g, func(h auth.Held) (*auth.Turn, error) {
			turn, err := rotating(h)
			turn.Idle, turn.SessionIdle = c.turn.idle, c.turn.sessionIdle
			turn.Marks = auth.Marks{Expiry: c.turn.mark, GrantID: h.Grant.ID}
			return turn, err
		})
		if err != nil {
			t.Fatal(err)
		}
		h, err := s.HeldByGrant(t.Context(), g.ID)
		if err != nil {
			t.Fatal(err)
		}
		if got := (times{h.Grant.IdleExpiry, h.Grant.Mark, h.Session.IdleExpiry}); got != c.want {
			t.Errorf("turn %d: %v, want %v", i, got, c.want)
		}
		if seen := h.Session.LastSeenAt.After(before.Session.LastSeenAt); seen == c.turn.sessionIdle.IsZero() {
			t.Errorf("turn %d: the session was last seen at %v, before at %v", i, h.Session.LastSeenAt, before.Session.LastSeenAt)
		}
	}
}

// rememberedPlace: a grant that gets its place in a status list with its tokens has
// that one ever after.
func rememberedPlace(t *testing.T, s *store.Store) {
	api := auth.API{ID: "api_1", Audience: "https://api.example", StatusList: true}
	if err := s.CreateAPI(t.Context(), api, nil, auth.Event{}); err != nil {
		t.Fatal(err)
	}
	g := heldGrant(t, s)
	err := s.Transact(t.Context(), func(exec func(string, ...any) error) error {
		return exec(`UPDATE grants SET audience = $1 WHERE id = $2`, api.Audience, g.ID)
	})
	if err != nil {
		t.Fatal(err)
	}
	var place auth.StatusIndex
	for n := range 4 {
		var seen auth.Held
		err := s.Refresh(t.Context(), g.HandleHash, func(h auth.Held) (*auth.Turn, error) {
			seen = h
			return rotating(h)
		}, func() (err error) {
			if n == 2 { // remembered without one until here
				place, err = s.AssignStatus(t.Context(), seen.Grant)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if n == 3 && (place == 0 || seen.Grant.StatusIndex != place) {
			t.Errorf("the next refresh sees the place %d, want %d", seen.Grant.StatusIndex, place)
		}
	}
}

// nobodyWaits: who has gone is not refreshed for.
func nobodyWaits(t *testing.T, s *store.Store) {
	g := heldGrant(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := refreshed(ctx, s, g, rotating); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
	if got := rotations(t, s, g); got != 0 {
		t.Errorf("%d rotations for nobody", got)
	}
}

func closedLanes(t *testing.T, s *store.Store) {
	g := heldGrant(t, s)
	if err := errors.Join(refreshed(t.Context(), s, g, rotating), s.Close()); err != nil {
		t.Fatal(err)
	}
	if err := refreshed(t.Context(), s, g, rotating); !errors.Is(err, store.ErrClosed) {
		t.Errorf("error %v, want ErrClosed", err)
	}
}
