package admin

import (
	"net/http"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/directory"
	"github.com/writ-auth/writ/server/internal/edge"
)

func (d *Door) clients(w http.ResponseWriter, r *http.Request, _ directory.Actor) error {
	return list(w, r, d.Directory.Directory.Clients, viewClient)
}

func (d *Door) createClient(w http.ResponseWriter, r *http.Request, actor directory.Actor) error {
	var in directory.ClientFields
	if err := edge.ReadJSON(w, r, &in); err != nil {
		return err
	}
	c, secret, err := d.Directory.CreateClient(r.Context(), actor, in)
	return show(w, http.StatusCreated, c, err, func(c auth.Client) clientView {
		v := viewClient(c)
		if secret != "" {
			v.Secret, v.SecretExpiresAt = secret, new(int64) // 0: never, as RFC 7591 wants it said
		}
		return v
	})
}

func (d *Door) client(w http.ResponseWriter, r *http.Request, _ directory.Actor) error {
	c, err := d.Directory.Client(r.Context(), r.PathValue("id"))
	return show(w, http.StatusOK, c, err, viewClient)
}

func (d *Door) updateClient(w http.ResponseWriter, r *http.Request, actor directory.Actor) error {
	var in directory.ClientFields
	if err := edge.ReadJSON(w, r, &in); err != nil {
		return err
	}
	c, seq, err := d.Directory.UpdateClient(r.Context(), actor, r.PathValue("id"), in)
	return showChanged(d, w, r, c, seq, err, func(c auth.Client, e ended) clientView {
		v := viewClient(c)
		v.ended = e
		return v
	})
}

func (d *Door) deleteClient(w http.ResponseWriter, r *http.Request, actor directory.Actor) error {
	seq, err := d.Directory.DeleteClient(r.Context(), actor, r.PathValue("id"))
	return d.done(w, r, seq, err)
}
