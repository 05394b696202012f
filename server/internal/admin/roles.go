package admin

import (
	"net/http"

	"github.com/writ-auth/writ/server/internal/directory"
	"github.com/writ-auth/writ/server/internal/edge"
)

func (d *Door) roles(w http.ResponseWriter, r *http.Request, _ directory.Actor) error {
	return list(w, r, d.Directory.Directory.Roles, viewRole)
}

func (d *Door) createRole(w http.ResponseWriter, r *http.Request, actor directory.Actor) error {
	var in directory.RoleFields
	if err := edge.ReadJSON(w, r, &in); err != nil {
		return err
	}
	role, err := d.Directory.CreateRole(r.Context(), actor, in)
	return show(w, http.StatusCreated, role, err, viewRole)
}

func (d *Door) role(w http.ResponseWriter, r *http.Request, _ directory.Actor) error {
	role, err := d.Directory.Role(r.Context(), r.PathValue("id"))
	return show(w, http.StatusOK, role, err, viewRole)
}

func (d *Door) updateRole(w http.ResponseWriter, r *http.Request, actor directory.Actor) error {
	var in directory.RoleFields
	if err := edge.ReadJSON(w, r, &in); err != nil {
		return err
	}
	role, err := d.Directory.UpdateRole(r.Context(), actor, r.PathValue("id"), in)
	return show(w, http.StatusOK, role, err, viewRole)
}

func (d *Door) deleteRole(w http.ResponseWriter, r *http.Request, actor directory.Actor) error {
	return gone(w, d.Directory.DeleteRole(r.Context(), actor, r.PathValue("id")))
}
