package admin

import (
	"net/http"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/directory"
	"github.com/writ-auth/writ/server/internal/edge"
)

func (d *Door) users(w http.ResponseWriter, r *http.Request, _ directory.Actor) error {
	return list(w, r, d.Directory.Users.Users, viewUser)
}

func (d *Door) createUser(w http.ResponseWriter, r *http.Request, actor directory.Actor) error {
	var in directory.UserFields
	if err := edge.ReadJSON(w, r, &in); err != nil {
		return err
	}
	u, err := d.Directory.CreateUser(r.Context(), actor, in)
	return show(w, http.StatusCreated, u, err, viewUser)
}

func (d *Door) user(w http.ResponseWriter, r *http.Request, _ directory.Actor) error {
	u, err := d.Directory.User(r.Context(), r.PathValue("id"))
	return show(w, http.StatusOK, u, err, viewUser)
}

func (d *Door) updateUser(w http.ResponseWriter, r *http.Request, actor directory.Actor) error {
	var in directory.UserFields
	if err := edge.ReadJSON(w, r, &in); err != nil {
		return err
	}
	u, seq, err := d.Directory.UpdateUser(r.Context(), actor, r.PathValue("id"), in)
	return showChanged(d, w, r, u, seq, err, func(u auth.User, e ended) userView {
		v := viewUser(u)
		v.ended = e
		return v
	})
}

func (d *Door) deleteUser(w http.ResponseWriter, r *http.Request, actor directory.Actor) error {
	seq, err := d.Directory.DeleteUser(r.Context(), actor, r.PathValue("id"))
	return d.done(w, r, seq, err)
}
