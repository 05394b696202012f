package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/store"
)

// crowd is a session that lives on, with the grant of its sign-in.
type crowd struct {
	*store.Store
	t     *testing.T
	user  auth.User
	first auth.Grant
	apps  map[string]auth.Client
}

func newCrowd(t *testing.T, s *store.Store) *crowd {
	t.Helper()
	ctx := t.Context()
	c := &crowd{Store: s, t: t, user: auth.User{ID: "usr_1", Epoch: "epoch"}, apps: map[string]auth.Client{}}
	if err := s.CreateUser(ctx, c.user, auth.Event{}); err != nil {
		t.Fatal(err)
	}
	writ, err := s.ClientByID(ctx, auth.ClientWrit)
	if err != nil {
		t.Fatal(err)
	}
	c.first = grantOf(c.user, writ)
	c.first.Mode, c.first.HandleHash = auth.ModeSession, nil
	session := auth.Session{ID: c.first.SessionID, UserID: c.user.ID, IdleExpiry: s0.Add(1000 * time.Hour), AbsoluteExpiry: s0.Add(1000 * time.Hour)}
	if err := s.Begin(ctx, session, c.first, auth.Marks{}, auth.Event{}); err != nil {
		t.Fatal(err)
	}
	for _, app := range []auth.Client{{ID: "web"}, {ID: "phone"}, {ID: "told", BackchannelLogoutURI: "https://told.example/out"}} {
		app.Epoch = "epoch of " + app.ID
		if err := s.CreateClient(ctx, app, nil, auth.Event{}); err != nil {
			t.Fatal(err)
		}
		c.apps[app.ID] = app
	}
	return c
}

// add adds a grant of an application, past all that Redeem looks at.
func (c *crowd) add(id, app string, mark time.Time, change func(*auth.Grant)) {
	c.t.Helper()
	g := grantOf(c.user, c.apps[app])
	g.ID, g.SessionID, g.HandleHash, g.Mark, g.CreatedAt, g.IdleExpiry = id, c.first.SessionID, nil, mark, s0, s0.Add(1000*time.Hour)
	if change != nil {
		change(&g)
	}
	if err := c.InsertGrant(c.t.Context(), g); err != nil {
		c.t.Fatal(err)
	}
}

// copies adds a grant so many times more.
func (c *crowd) copies(id string, n int) {
	c.t.Helper()
	const columns = `session_id, client_id, user_id, audience, org_id, scope, mode, handle_hash, confirmed_gen, current_gen,
		issued_at, recoveries, tag_key, user_epoch, client_epoch, idle_expiry, absolute_expiry, dpop_thumbprint, status_index,
		mark, created_at, ended_at, end_reason`
	err := c.Transact(c.t.Context(), func(exec func(string, ...any) error) error {
		return exec(`WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < $2)
			INSERT INTO grants (id, `+columns+`) SELECT id || ' ' || n, `+columns+` FROM grants, numbers WHERE id = $1`, id, n)
	})
	if err != nil {
		c.t.Fatal(err)
	}
}

// left counts the grants of an application.
func (c *crowd) left(app string) (n int) {
	c.t.Helper()
	text, err := c.Query(c.t.Context(), `SELECT CAST(COUNT(*) AS TEXT) FROM grants WHERE client_id = '`+app+`'`)
	if err == nil {
		_, err = fmt.Sscan(text, &n)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return n
}

func (c *crowd) sweep(at time.Time) (removed int64) {
	c.t.Helper()
	removed, err := c.Sweep(c.t.Context(), at)
	if err != nil {
		c.t.Fatal(err)
	}
	return removed
}

// sweepGrants: what is over in a session that lives on goes with the last of its
// tokens, unless it still says something.
func sweepGrants(t *testing.T, open opener) {
	c := newCrowd(t, open(t, store.Options{}))
	expired, alive := s0.Add(-auth.LogMemory), s0.Add(-auth.LogMemory+time.Microsecond)
	later := func(g *auth.Grant) { g.CreatedAt = s0.Add(time.Second) }
	ended := func(g *auth.Grant) { g.EndedAt, g.EndReason, g.HandleHash = s0, "theft", []byte("handle of "+g.ID) }
	c.add("no refresh token", "web", expired, nil)
	c.add("a token is alive", "web", alive, nil)
	c.add("ended", "web", expired, ended)
	c.add("ended, a token is alive", "web", alive, ended)
	c.add("the latest", "web", expired, later)
	c.add("refreshes", "phone", expired, func(g *auth.Grant) { g.HandleHash = []byte("handle") })
	c.add("idle", "phone", expired, func(g *auth.Grant) { g.HandleHash, g.IdleExpiry = []byte("idle"), expired })
	c.add("idle of late", "phone", expired, func(g *auth.Grant) { g.HandleHash, g.IdleExpiry = []byte("of late"), alive })
	c.add("the latest, idle", "phone", expired, func(g *auth.Grant) {
		g.HandleHash, g.IdleExpiry = []byte("latest"), expired
		later(g)
	})
	c.add("is told", "told", expired, nil)
	c.add("is told, the latest", "told", expired, later)
	c.add("was told", "told", expired, func(g *auth.Grant) { ended(g); later(g) })

	if n := c.sweep(s0); n != 4 {
		t.Errorf("Sweep = %d, want 4", n)
	}
	for _, id := range []string{"no refresh token", "ended", "idle", "was told"} {
		if _, err := c.HeldByGrant(t.Context(), id); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("%s: %v, want that it is gone", id, err)
		}
	}
	for _, id := range []string{c.first.ID, "a token is alive", "ended, a token is alive", "the latest", "refreshes", "idle of late",
		"the latest, idle", "is told", "is told, the latest"} {
		if _, err := c.HeldByGrant(t.Context(), id); err != nil {
			t.Errorf("%s: %v, want that it is there", id, err)
		}
	}
	if n := c.sweep(s0.Add(time.Hour)); n != 3 {
		t.Errorf("an hour later Sweep = %d, want 3", n)
	}
	if _, err := c.End(t.Context(), auth.Ending{SessionID: c.first.SessionID, Reason: "logout"}, s0.Add(time.Hour), auth.Event{}); err != nil {
		t.Fatal(err)
	}
	list, err := c.ClaimLogouts(t.Context(), "told", s0.Add(time.Hour), s0.Add(2*time.Hour), 10)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, l := range list {
		told = append(told, l.GrantID)
	}
	slices.Sort(told)
	if !slices.Equal(told, []string{"is told", "is told, the latest"}) {
		t.Errorf("of the session's end are told: %q", told)
	}
}

// sweepCrowd: a session may have more grants than a step of the walk lists at once.
func sweepCrowd(t *testing.T, open opener) {
	const many = 3_000
	c := newCrowd(t, open(t, store.Options{}))
	c.add("over", "web", s0.Add(-time.Hour), nil)
	c.copies("over", many)
	if n := c.sweep(s0); n != many || c.left("web") != 1 {
		t.Errorf("Sweep = %d, and %d are left, want %d and 1", n, c.left("web"), many)
	}
}

// sweepPlan: the walk looks at the grants of its 500 sessions, not at all there
// are.
func sweepPlan(t *testing.T, open opener) {
	steps, err := open(t, store.Options{}).SweepPlan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	plan := strings.Join(steps, "\n")
	if !strings.Contains(plan, "grants_session") {
		t.Errorf("the plan doesn't look for grants by their session:\n%s", plan)
	}
	for _, bad := range []string{"Seq Scan", "SCAN i", "SCAN grants", "grants_client", "grants_user"} {
		if strings.Contains(plan, bad) {
			t.Errorf("the plan has %q:\n%s", bad, plan)
		}
	}
}
