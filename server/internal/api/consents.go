package api

import (
	"net/http"
	"time"

	"github.com/writ-auth/writ/server/internal/edge"
	"github.com/writ-auth/writ/server/internal/edge/caller"
)

// consent is what a person allowed an application at an API.
type consent struct {
	ClientID  string    `json:"client_id"`
	Audience  string    `json:"audience"`
	Scope     []string  `json:"scope"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

func (d *Door) consents(w http.ResponseWriter, r *http.Request) error {
	who, err := d.Callers.Identify(r)
	if err != nil {
		return err
	}
	list, err := d.Consents.List(r.Context(), who.User.ID)
	if err != nil {
		return err
	}
	items := []consent{}
	for _, c := range list {
		items = append(items, consent{c.ClientID, c.Audience, append([]string{}, c.Scope...), c.CreatedAt.UTC(), c.UpdatedAt.UTC()})
	}
	return edge.WriteJSON(w, http.StatusOK, struct {
		Items []consent `json:"items"`
	}{items})
}

// revokeConsent takes back what a person allowed an application, and ends all
// that it holds of theirs.
func (d *Door) revokeConsent(w http.ResponseWriter, r *http.Request) error {
	if _, err := edge.ReadOptionalJSON(w, r, &struct{}{}); err != nil {
		return err
	}
	who, err := d.Callers.Identify(r)
	if err != nil {
		return err
	}
	seq, err := d.Consents.Revoke(r.Context(), who.User.ID, r.PathValue("client_id"), caller.From(r).Address)
	if err != nil {
		return err
	}
	return d.inForce(w, r, seq)
}
