package directory

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/writ-auth/writ/server/internal/auth"
)

// Actor is who changes something.
type Actor struct {
	ID          string   // a user's, or OperatorID
	Permissions []string // as they are at this request, never as a token says
	Address     string   // where the request came from, for the audit
}

// OperatorID is the actor of who runs the server: the start of the server
// itself and the local command line.
const OperatorID = "operator"

// Operator is that actor; it may do everything.
func Operator() Actor {
	return Actor{ID: OperatorID, Permissions: []string{auth.PermissionAdmin}}
}

// Has says whether the actor has a permission; writ:admin has them all.
func (a Actor) Has(permission string) bool {
	return slices.Contains(a.Permissions, auth.PermissionAdmin) || slices.Contains(a.Permissions, permission)
}

// covers says whether the actor has every one of the permissions.
func (a Actor) covers(permissions []string) bool {
	return !slices.ContainsFunc(permissions, func(p string) bool { return !a.Has(p) })
}

// The permissions of the admin API. writ:admin stands for all of them.
const (
	UsersRead        = "writ:users.read"
	UsersWrite       = "writ:users.write"
	RolesRead        = "writ:roles.read"
	RolesWrite       = "writ:roles.write"
	OrgsRead         = "writ:orgs.read"
	OrgsWrite        = "writ:orgs.write"
	APIsRead         = "writ:apis.read"
	APIsWrite        = "writ:apis.write"
	ClientsRead      = "writ:clients.read"
	ClientsWrite     = "writ:clients.write"
	SessionsRead     = "writ:sessions.read"
	SessionsWrite    = "writ:sessions.write"
	KeysRead         = "writ:keys.read"
	KeysWrite        = "writ:keys.write"
	RevocationsWrite = "writ:revocations.write"
	AuditRead        = "writ:audit.read"
	Backup           = "writ:backup" // reads everything, the hashes of passwords too
)

// reservedPermission says whether a permission that begins with
// auth.ReservedPrefix means something. A misspelt one would grant nothing, and
// some later version something.
func reservedPermission(name string) bool {
	switch name {
	case auth.PermissionAdmin, UsersRead, UsersWrite, RolesRead, RolesWrite, OrgsRead, OrgsWrite,
		APIsRead, APIsWrite, ClientsRead, ClientsWrite, SessionsRead, SessionsWrite,
		KeysRead, KeysWrite, RevocationsWrite, AuditRead, Backup:
		return true
	}
	return false
}

// act is one change: who, what, and to which thing.
type act struct {
	actor  Actor
	action string // as in the audit
	target string
}

func (s *Service) event(a act) auth.Event {
	return auth.Event{At: s.Now(), Actor: a.actor.ID, Action: a.action, Target: a.target, Address: a.actor.Address,
		Verdict: "allowed"}
}

// changed is the event of an act that changes the things named; "" names none.
func (s *Service) changed(a act, things ...string) auth.Event {
	ev := s.event(a)
	ev.Reason = strings.Join(slices.DeleteFunc(things, func(t string) bool { return t == "" }), ", ")
	return ev
}

// gains says what a list of names gains (+) and loses (-); "" if nothing. The
// audit has to tell who was given which right.
func gains(what string, before, after []string) string {
	out := what
	for _, name := range lost(after, before) {
		out += " +" + name
	}
	for _, name := range lost(before, after) {
		out += " -" + name
	}
	if out == what {
		return ""
	}
	return out
}

// forbid records that a change was refused, and refuses it.
func (s *Service) forbid(ctx context.Context, a act, field, reason string) error {
	ev := s.event(a)
	ev.Verdict, ev.Reason = "refused", reason
	e := auth.Errorf(auth.CodeForbidden, "You may not do this: %s.", reason)
	e.Field = field
	return errors.Join(e, s.Audit.Record(ctx, ev))
}

const outranked = "it needs permissions that you don't have"

// within refuses a change that needs permissions which the actor lacks.
func (s *Service) within(ctx context.Context, a act, field string, permissions []string) error {
	if a.actor.covers(permissions) {
		return nil
	}
	return s.forbid(ctx, a, field, outranked)
}

// withinRoles is within for the permissions of roles.
func (s *Service) withinRoles(ctx context.Context, a act, field string, roles []string) error {
	permissions, err := s.Users.Permissions(ctx, roles)
	if err != nil {
		return err
	}
	return s.within(ctx, a, field, permissions)
}

// withinUser refuses to touch a user who has, in the whole or in any
// organisation, a permission that the actor lacks: who sets somebody's password
// can become them.
func (s *Service) withinUser(ctx context.Context, a act, u auth.User) error {
	if a.actor.Has(auth.PermissionAdmin) {
		return nil
	}
	memberships, err := s.Directory.Memberships(ctx, u.ID)
	if err != nil {
		return err
	}
	roles := slices.Clone(u.Roles)
	for _, m := range memberships {
		roles = append(roles, m.Roles...)
	}
	return s.withinRoles(ctx, a, "", roles)
}

// MayEnd refuses to let the actor end sessions of a user above them.
func (s *Service) MayEnd(ctx context.Context, actor Actor, userID string) error {
	u, err := s.Users.UserByID(ctx, userID)
	if err != nil {
		return failed(err, "user")
	}
	return s.withinUser(ctx, act{actor, "user.end_sessions", userID}, u)
}

// MayEndSession is MayEnd for the user of a session, which id or a grant's names.
func (s *Service) MayEndSession(ctx context.Context, actor Actor, id string) error {
	session, err := s.Sessions.SessionOf(ctx, id)
	if err != nil {
		return failed(err, "session")
	}
	return s.MayEnd(ctx, actor, session.UserID)
}

// Refuse records, and answers, that an actor may not use a part of the admin
// API at all.
func (s *Service) Refuse(ctx context.Context, actor Actor, action, permission string) error {
	return s.forbid(ctx, act{actor, action, ""}, "", "it needs the permission "+permission)
}

// each calls visit with every item of a paged list, until it answers false.
func each[T any](ctx context.Context, list func(context.Context, auth.Page) ([]T, string, error), visit func(T) (bool, error)) error {
	page := auth.Page{Limit: 200}
	for {
		items, next, err := list(ctx, page)
		if err != nil {
			return err
		}
		for _, item := range items {
			if more, err := visit(item); err != nil || !more {
				return err
			}
		}
		if next == "" {
			return nil
		}
		page.Cursor = next
	}
}
