package admin

import (
	"context"
	"net/http"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/directory"
	"github.com/writ-auth/writ/server/internal/edge"
)

func (d *Door) orgs(w http.ResponseWriter, r *http.Request, _ directory.Actor) error {
	return list(w, r, d.Directory.Directory.Orgs, viewOrg)
}

func (d *Door) createOrg(w http.ResponseWriter, r *http.Request, actor directory.Actor) error {
	var in directory.OrgFields
	if err := edge.ReadJSON(w, r, &in); err != nil {
		return err
	}
	o, err := d.Directory.CreateOrg(r.Context(), actor, in)
	return show(w, http.StatusCreated, o, err, viewOrg)
}

func (d *Door) org(w http.ResponseWriter, r *http.Request, _ directory.Actor) error {
	o, err := d.Directory.Org(r.Context(), r.PathValue("id"))
	return show(w, http.StatusOK, o, err, viewOrg)
}

func (d *Door) updateOrg(w http.ResponseWriter, r *http.Request, actor directory.Actor) error {
	var in directory.OrgChanges
	if err := edge.ReadJSON(w, r, &in); err != nil {
		return err
	}
	o, err := d.Directory.UpdateOrg(r.Context(), actor, r.PathValue("id"), in)
	return show(w, http.StatusOK, o, err, viewOrg)
}

func (d *Door) deleteOrg(w http.ResponseWriter, r *http.Request, actor directory.Actor) error {
	return gone(w, d.Directory.DeleteOrg(r.Context(), actor, r.PathValue("id")))
}

func (d *Door) members(w http.ResponseWriter, r *http.Request, _ directory.Actor) error {
	of := func(ctx context.Context, p auth.Page) ([]auth.Member, string, error) {
		return d.Directory.Members(ctx, r.PathValue("id"), p)
	}
	return list(w, r, of, viewMember)
}

func (d *Door) putMember(w http.ResponseWriter, r *http.Request, actor directory.Actor) error {
	var in struct {
		Roles []string `json:"roles"`
	}
	if err := edge.ReadJSON(w, r, &in); err != nil {
		return err
	}
	m, seq, err := d.Directory.PutMember(r.Context(), actor, r.PathValue("id"), r.PathValue("user_id"), in.Roles)
	return showChanged(d, w, r, m, seq, err, func(m auth.Member, e ended) memberView {
		v := viewMember(m)
		v.ended = e
		return v
	})
}

func (d *Door) removeMember(w http.ResponseWriter, r *http.Request, actor directory.Actor) error {
	seq, err := d.Directory.RemoveMember(r.Context(), actor, r.PathValue("id"), r.PathValue("user_id"))
	return d.done(w, r, seq, err)
}
