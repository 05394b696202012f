package admin

import (
	"net/http"

	"github.com/writ-auth/writ/server/internal/directory"
	"github.com/writ-auth/writ/server/internal/edge"
)

// In the path stands an API's id or its audience, escaped.

func (d *Door) apis(w http.ResponseWriter, r *http.Request, _ directory.Actor) error {
	return list(w, r, d.Directory.Directory.APIs, viewAPI)
}

func (d *Door) createAPI(w http.ResponseWriter, r *http.Request, actor directory.Actor) error {
	var in directory.APIFields
	if err := edge.ReadJSON(w, r, &in); err != nil {
		return err
	}
	api, secret, err := d.Directory.CreateAPI(r.Context(), actor, in)
	return show(w, http.StatusCreated, made{api, secret}, err, viewMade)
}

func (d *Door) api(w http.ResponseWriter, r *http.Request, _ directory.Actor) error {
	api, err := d.Directory.API(r.Context(), r.PathValue("id"))
	return show(w, http.StatusOK, api, err, viewAPI)
}

func (d *Door) updateAPI(w http.ResponseWriter, r *http.Request, actor directory.Actor) error {
	var in directory.APIFields
	if err := edge.ReadJSON(w, r, &in); err != nil {
		return err
	}
	api, err := d.Directory.UpdateAPI(r.Context(), actor, r.PathValue("id"), in)
	return show(w, http.StatusOK, api, err, viewAPI)
}

func (d *Door) deleteAPI(w http.ResponseWriter, r *http.Request, actor directory.Actor) error {
	return gone(w, d.Directory.DeleteAPI(r.Context(), actor, r.PathValue("id")))
}
