package storetest

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/server/internal/auth"
)

func valueTests() map[string]func(*bench) {
	return map[string]func(*bench){
		"Settings": settings,
		"Audit":    audit,
		"Limits":   limits,
		"Hostile":  hostile,
	}
}

func settings(b *bench) {
	_, err := b.Setting(b.ctx, "issuer")
	b.is("never set", err, auth.ErrNotFound)
	for _, value := range []string{"first", "second"} {
		got, err := b.SettingOnce(b.ctx, "issuer", value)
		b.must(err)
		b.same("stored", got, "first")
	}
	got, err := b.Setting(b.ctx, "issuer")
	b.must(err)
	b.same("read", got, "first")
}

func audit(b *bench) {
	for i := range 5 {
		b.must(b.Record(b.ctx, auth.Event{At: b.now().Add(time.Duration(i) * time.Second), Actor: "a", Action: "act.even", Target: fmt.Sprint("t", i),
			Address: "addr", Verdict: "refused", Reason: "r"}))
	}
	b.must(b.Record(b.ctx, auth.Event{Action: "other"}))
	events, next, err := b.Events(b.ctx, auth.Page{Limit: 2})
	b.must(err)
	b.same("number and cursor", []any{len(events), next != ""}, []any{2, true})
	b.same("the newest", events[0], auth.Event{ID: events[0].ID, At: b.now(), Action: "other"})
	b.same("the next", events[1], auth.Event{ID: events[1].ID, At: b.now().Add(4 * time.Second), Actor: "a", Action: "act.even", Target: "t4",
		Address: "addr", Verdict: "refused", Reason: "r"})
	got := pages(b, 2, func(p auth.Page) ([]auth.Event, string, error) {
		p.Query = "act.even"
		return b.Events(b.ctx, p)
	}, func(e auth.Event) string { return e.Target })
	b.same("pages of an action", got, [][]string{{"t4", "t3"}, {"t2", "t1"}, {"t0"}})
	events, _, err = b.Events(b.ctx, auth.Page{Query: "t3"})
	if err != nil || len(events) != 1 {
		b.Errorf("by target: %d events, %v, want 1", len(events), err)
	}
	_, _, err = b.Events(b.ctx, auth.Page{Cursor: "1 OR 1=1"})
	b.invalid("a cursor that is none", err, "cursor")
}

func limits(b *bench) {
	for i := range 210 {
		b.must(b.CreateRole(b.ctx, auth.Role{ID: fmt.Sprintf("rol_%03d", i), Name: fmt.Sprint(i)}, event("role.create")))
	}
	for limit, want := range map[int]int{0: 50, -1: 50, 1: 1, 200: 200, 1000: 200} {
		got, next, err := b.Roles(b.ctx, auth.Page{Limit: limit})
		if err != nil || len(got) != want || next != got[len(got)-1].ID {
			b.Errorf("limit %d: %d roles, cursor %q, %v, want %d", limit, len(got), next, err, want)
		}
	}
}

// Whatever a string holds, it is data.
func hostile(b *bench) {
	for _, evil := range []string{
		`'; DROP TABLE users; --`, `" OR ""="`, `' OR 1=1 --`, `$1`, `?`, `:name`, `%`, `_`, `\`, "a\x00b", "\xff\xfe", "a\r\nb", `{"$ne":null}`,
		`usr_' UNION SELECT * FROM keys --`, "\u202e", "😀",
	} {
		hostileValues(b, evil)
		hostileQueries(b, evil)
	}
	if u := b.user(); u.ID == "" {
		b.Error("the store is gone")
	}
}

func hostileValues(b *bench, evil string) {
	claims, _ := json.Marshal(map[string]string{"x": evil})
	u := auth.User{ID: evil, Email: evil + "@example.com", Username: "", Name: evil, PasswordHash: evil, Claims: claims, Epoch: "e" + evil,
		CreatedAt: b.now(), UpdatedAt: b.now()}
	b.must(b.CreateUser(b.ctx, u, auth.Event{Actor: evil, Action: evil, Target: evil, Address: evil, Verdict: evil, Reason: evil}))
	got, err := b.UserByID(b.ctx, evil)
	b.must(err)
	b.same(evil, got, u)
	got, err = b.UserByLogin(b.ctx, evil+"@example.com")
	b.must(err)
	b.same(evil, got.ID, evil)
	s, g := b.prepare(u, b.client())
	s.ID, g.SessionID, s.Device, s.Address, g.ID, g.HandleHash = evil, evil, evil, evil, "g"+evil, []byte(evil)
	g.Audience, g.OrgID, g.DPoPThumbprint = evil, evil, evil
	b.must(b.Begin(b.ctx, s, g, auth.Marks{}, event("session.begin")))
	h, err := b.HeldByHandle(b.ctx, []byte(evil))
	b.must(err)
	b.same(evil, h, auth.Held{Grant: g, Session: s, User: u, Client: b.client(), Now: b.now()})
	_, err = b.End(b.ctx, auth.Ending{SessionID: evil, Reason: evil}, b.now(), event("end"))
	b.must(err)
	if gone, err := b.Revoked(b.ctx, [][16]byte{revlog.Hash(revlog.Session, "g"+evil)}, b.now()); err != nil || !gone {
		b.Errorf("%q: Revoked = %v, %v, want true", evil, gone, err)
	}
	value, err := b.SettingOnce(b.ctx, evil, evil)
	b.must(err)
	b.same(evil, value, evil)
	b.must(b.CreateRole(b.ctx, auth.Role{ID: evil, Name: evil, Permissions: []string{"p"}}, event("role.create")))
	permissions, err := b.Permissions(b.ctx, []string{evil})
	b.must(err)
	b.same(evil, permissions, []string{"p"})
	events, _, err := b.Events(b.ctx, auth.Page{Query: evil})
	if err != nil || len(events) != 1 || events[0].Reason != evil {
		b.Errorf("%q: events = %v, %v, want one", evil, events, err)
	}
}

// hostileQueries looks for what isn't there by every name: nothing may match.
func hostileQueries(b *bench, evil string) {
	for what, err := range map[string]error{
		"login":    second(b.UserByLogin(b.ctx, evil+"x")),
		"user":     second(b.UserByID(b.ctx, evil+"x")),
		"role":     second(b.RoleByName(b.ctx, evil+"x")),
		"org":      second(b.OrgByID(b.ctx, evil+"x")),
		"api":      second(b.APIByAudience(b.ctx, evil+"x")),
		"client":   second(b.ClientByID(b.ctx, evil+"x")),
		"grant":    second(b.HeldByGrant(b.ctx, evil+"x")),
		"session":  second(b.SessionOf(b.ctx, evil+"x")),
		"member":   second(b.MemberOf(b.ctx, evil+"x", evil)),
		"setting":  second(b.Setting(b.ctx, evil+"x")),
		"deletion": b.DeleteRole(b.ctx, evil+"x", event("x")),
	} {
		b.is(what+" "+evil, err, auth.ErrNotFound)
	}
	for what, n := range map[string]int{
		"users":    length(b.Users(b.ctx, auth.Page{Query: evil + "zz"})),
		"roles":    length(b.Roles(b.ctx, auth.Page{Query: evil + "zz"})),
		"orgs":     length(b.Orgs(b.ctx, auth.Page{Query: evil})),
		"apis":     length(b.APIs(b.ctx, auth.Page{Query: evil})),
		"clients":  length(b.Clients(b.ctx, auth.Page{Query: evil})),
		"sessions": length(b.Sessions(b.ctx, evil+"x", auth.Page{})),
		"events":   length(b.Events(b.ctx, auth.Page{Query: evil + "zz"})),
	} {
		if n != 0 {
			b.Errorf("%s with the query %q: %d found, want none (-1 is an error)", what, evil, n)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func length[T any](items []T, _ string, err error) int {
	if err != nil {
		return -1
	}
	return len(items)
}
