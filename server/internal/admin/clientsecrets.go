package admin

import (
	"net/http"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/directory"
	"github.com/writ-auth/writ/server/internal/edge"
	"github.com/writ-auth/writ/server/internal/edge/query"
)

// clientSecretView never shows a secret but in the answer that makes it.
type clientSecretView struct {
	ID        string     `json:"id"`
	Secret    string     `json:"client_secret,omitempty"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
}

func viewClientSecret(s auth.ClientSecret) clientSecretView {
	v := clientSecretView{ID: s.ID, CreatedAt: s.CreatedAt.UTC()}
	if !s.ExpiresAt.IsZero() {
		at := s.ExpiresAt.UTC()
		v.ExpiresAt = &at
	}
	return v
}

// clientSecrets lists the secrets of a client: two at most, so one page.
func (d *Door) clientSecrets(w http.ResponseWriter, r *http.Request, _ directory.Actor) error {
	if _, err := query.Read(r); err != nil {
		return err
	}
	rows, err := d.Directory.ClientSecrets(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	return writePage(w, rows, "", viewClientSecret)
}

func (d *Door) addClientSecret(w http.ResponseWriter, r *http.Request, actor directory.Actor) error {
	var in struct{}
	if _, err := edge.ReadOptionalJSON(w, r, &in); err != nil {
		return err
	}
	text, row, err := d.Directory.AddClientSecret(r.Context(), actor, r.PathValue("id"))
	return show(w, http.StatusCreated, row, err, func(s auth.ClientSecret) clientSecretView {
		v := viewClientSecret(s)
		v.Secret = text
		return v
	})
}

func (d *Door) removeClientSecret(w http.ResponseWriter, r *http.Request, actor directory.Actor) error {
	return gone(w, d.Directory.RemoveClientSecret(r.Context(), actor, r.PathValue("id"), r.PathValue("secret_id")))
}
