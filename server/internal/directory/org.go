package directory

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/writ-auth/writ/server/internal/auth"
)

// OrgFields is what an administrator says of an organisation.
type OrgFields struct {
	Slug string `json:"slug"`
	Name string `json:"name"`
}

// OrgChanges is what an administrator changes of an organisation; what is nil
// stays.
type OrgChanges struct {
	Slug *string `json:"slug"`
	Name *string `json:"name"`
}

const maxSlug = 64

// CreateOrg makes an organisation.
func (s *Service) CreateOrg(ctx context.Context, actor Actor, in OrgFields) (auth.Org, error) {
	o := auth.Org{ID: auth.NewID(auth.PrefixOrg), Slug: in.Slug, Name: in.Name, CreatedAt: s.Now()}
	if err := checkOrg(o); err != nil {
		return o, err
	}
	return o, failed(s.Directory.CreateOrg(ctx, o, s.event(act{actor, "org.create", o.ID})), "organisation")
}

func checkOrg(o auth.Org) error {
	if o.Slug == "" || len(o.Slug) > maxSlug || !onlyOf(o.Slug, "-") || strings.ToLower(o.Slug) != o.Slug {
		return auth.Invalid("slug", "slug must be 1 to %d small letters, digits or hyphens", maxSlug)
	}
	return checkText("name", o.Name, maxName)
}

// Org answers one organisation.
func (s *Service) Org(ctx context.Context, slugOrID string) (auth.Org, error) {
	o, err := s.Directory.OrgByID(ctx, slugOrID)
	return o, failed(err, "organisation")
}

// UpdateOrg changes the name of an organisation.
func (s *Service) UpdateOrg(ctx context.Context, actor Actor, slugOrID string, in OrgChanges) (auth.Org, error) {
	s.edit.Lock()
	defer s.edit.Unlock()
	o, err := s.Org(ctx, slugOrID)
	if err != nil {
		return o, err
	}
	if in.Slug != nil && *in.Slug != o.Slug {
		return o, auth.Invalid("slug", "an organisation's slug can't be changed: tokens name it so")
	}
	set(&o.Name, in.Name)
	if err := checkOrg(o); err != nil {
		return o, err
	}
	return o, failed(s.Directory.UpdateOrg(ctx, o, s.event(act{actor, "org.update", o.ID})), "organisation")
}

// DeleteOrg removes an organisation with its memberships. The actor must be
// above every member's roles in it.
func (s *Service) DeleteOrg(ctx context.Context, actor Actor, slugOrID string) error {
	s.edit.Lock()
	defer s.edit.Unlock()
	o, err := s.Org(ctx, slugOrID)
	if err != nil {
		return err
	}
	a := act{actor, "org.delete", o.ID}
	members := func(ctx context.Context, p auth.Page) ([]auth.Member, string, error) {
		return s.Directory.Members(ctx, o.ID, p)
	}
	err = each(ctx, members, func(m auth.Member) (bool, error) { return true, s.withinRoles(ctx, a, "", m.Roles) })
	if err != nil {
		return err
	}
	return failed(s.Directory.DeleteOrg(ctx, o.ID, s.event(a)), "organisation")
}

// Members lists who is in an organisation.
func (s *Service) Members(ctx context.Context, slugOrID string, p auth.Page) ([]auth.Member, string, error) {
	o, err := s.Org(ctx, slugOrID)
	if err != nil {
		return nil, "", err
	}
	return s.Directory.Members(ctx, o.ID, p)
}

// PutMember makes a user a member of an organisation with exactly these roles.
// Who loses one by it loses every token that is out, as when a role of the whole
// is lost.
func (s *Service) PutMember(ctx context.Context, actor Actor, slugOrID, userID string, roles []string) (m auth.Member, seq uint64, err error) {
	s.edit.Lock()
	defer s.edit.Unlock()
	err = settled("member", func() error {
		m, seq, err = s.putMember(ctx, actor, slugOrID, userID, roles)
		return err
	})
	return m, seq, err
}

func (s *Service) putMember(ctx context.Context, actor Actor, slugOrID, userID string, roles []string) (m auth.Member, seq uint64, err error) {
	before, a, err := s.reachMember(ctx, actor, "org.member_put", slugOrID, userID)
	if err != nil && !errors.Is(err, auth.ErrNotFound) {
		return m, 0, err
	}
	if i := slices.IndexFunc(roles, reserved); i >= 0 {
		return m, 0, auth.Invalid("roles", "%q belongs to Writ itself and means nothing in an organisation", roles[i])
	}
	m = auth.Member{OrgID: before.OrgID, UserID: userID, Roles: sorted(roles)}
	if err := s.checkRoles(ctx, a, "roles", m.Roles); err != nil {
		return m, 0, err
	}
	var end *auth.Ending
	if len(lost(before.Roles, m.Roles)) > 0 {
		end = renewed(userID)
	}
	seq, err = s.Directory.PutMember(ctx, m, before.Roles, end, s.Now(), s.changed(a, m.OrgID, gains("roles", before.Roles, m.Roles)))
	return m, seq, failed(err, "organisation")
}

// RemoveMember takes a user out of an organisation and ends their tokens.
func (s *Service) RemoveMember(ctx context.Context, actor Actor, slugOrID, userID string) (uint64, error) {
	s.edit.Lock()
	defer s.edit.Unlock()
	m, a, err := s.reachMember(ctx, actor, "org.member_remove", slugOrID, userID)
	if err != nil {
		return 0, failed(err, "member")
	}
	seq, err := s.Directory.RemoveMember(ctx, m.OrgID, userID, renewed(userID), s.Now(), s.changed(a, m.OrgID, gains("roles", m.Roles, nil)))
	return seq, failed(err, "member")
}

// reachMember reads the membership that an act is about, if the actor may touch
// the user: the organisation is in their tokens. For a user who isn't in the
// organisation it answers auth.ErrNotFound, with the rest filled in.
func (s *Service) reachMember(ctx context.Context, actor Actor, action, slugOrID, userID string) (auth.Member, act, error) {
	a := act{actor, action, userID}
	o, err := s.Org(ctx, slugOrID)
	if err != nil {
		return auth.Member{}, a, err
	}
	if _, err := s.reach(ctx, a); err != nil {
		return auth.Member{}, a, err
	}
	m, err := s.Directory.MemberOf(ctx, o.ID, userID)
	if err != nil {
		return auth.Member{OrgID: o.ID}, a, err
	}
	return m, a, nil
}

// renewed ends the tokens of a user who has lost a role, which they say. With the
// next refresh there are others, that don't.
func renewed(userID string) *auth.Ending {
	return &auth.Ending{UserID: userID, NewEpoch: auth.Random128(), Tokens: true, Reason: "roles"}
}
