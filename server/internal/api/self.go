package api

import (
	"context"
	"net/http"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/directory"
	"github.com/writ-auth/writ/server/internal/edge"
	"github.com/writ-auth/writ/server/internal/edge/caller"
	"github.com/writ-auth/writ/server/internal/edge/query"
	"github.com/writ-auth/writ/server/internal/session"
)

func (d *Door) signup(w http.ResponseWriter, r *http.Request) error {
	var in directory.SignupFields
	if err := edge.ReadJSON(w, r, &in); err != nil {
		return err
	}
	if err := d.Callers.Guard(r); err != nil {
		return err
	}
	u, err := d.Directory.Signup(r.Context(), in, caller.From(r).Address)
	if err != nil {
		return err
	}
	return edge.WriteJSON(w, http.StatusCreated, newUser(u))
}

// self is what GET /v1/me answers.
type self struct {
	user
	Permissions []string `json:"permissions"`
	SessionID   string   `json:"session_id"`
}

func (d *Door) me(w http.ResponseWriter, r *http.Request) error {
	who, err := d.Callers.Identify(r)
	if err != nil {
		return err
	}
	return edge.WriteJSON(w, http.StatusOK, self{newUser(who.User), append([]string{}, who.Permissions...), who.Session.ID})
}

func (d *Door) updateMe(w http.ResponseWriter, r *http.Request) error {
	var in directory.SelfFields
	if err := edge.ReadJSON(w, r, &in); err != nil {
		return err
	}
	who, err := d.Callers.Identify(r)
	if err != nil {
		return err
	}
	if who.User, err = d.Directory.UpdateSelf(r.Context(), who.User.ID, in, caller.From(r).Address); err != nil {
		return err
	}
	return edge.WriteJSON(w, http.StatusOK, self{newUser(who.User), append([]string{}, who.Permissions...), who.Session.ID})
}

// changePassword takes the word of whoever is signed in, or of the token that a
// sign-in got whose password must be changed.
func (d *Door) changePassword(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Current string `json:"current_password"`
		New     string `json:"new_password"`
	}
	if err := edge.ReadJSON(w, r, &in); err != nil {
		return err
	}
	if in.Current == "" || in.New == "" {
		return auth.Invalid("current_password", "current_password and new_password must both be there")
	}
	c, err := d.Callers.Read(r)
	if err != nil {
		return err
	}
	u, err := d.changer(r.Context(), c)
	if err != nil {
		return err
	}
	seq, err := d.Sessions.ChangePassword(r.Context(), session.PasswordChange{Request: caller.From(r), User: u, Current: in.Current, New: in.New})
	return d.ended(w, r, seq, err)
}

func (d *Door) changer(ctx context.Context, c caller.Credentials) (auth.User, error) {
	who, err := d.Callers.Who(ctx, c)
	if c.Bearer == "" || !caller.Refused(err) {
		return who.User, err
	}
	u, err := d.Sessions.ByChangeToken(ctx, c.Bearer)
	if err != nil {
		return u, err
	}
	return u, d.Callers.Agree(ctx, c, u.ID)
}

// device is a session as its user sees it.
type device struct {
	ID         string    `json:"id"`
	Current    bool      `json:"current"`
	Device     string    `json:"device"`
	Address    string    `json:"address"`
	AMR        []string  `json:"amr"`
	AuthTime   time.Time `json:"auth_time"`
	LastSeenAt time.Time `json:"last_seen_at"`
	CreatedAt  time.Time `json:"created_at"`
	ExpiresAt  time.Time `json:"expires_at"`
}

func (d *Door) sessions(w http.ResponseWriter, r *http.Request) error {
	page, _, err := query.Page(r)
	if err != nil {
		return err
	}
	who, err := d.Callers.Identify(r)
	if err != nil {
		return err
	}
	list, next, err := d.Directory.LiveSessions(r.Context(), who.User.ID, page)
	if err != nil {
		return err
	}
	items := []device{}
	for _, s := range list {
		items = append(items, device{s.ID, s.ID == who.Session.ID, s.Device, s.Address, append([]string{}, s.AMR...),
			s.AuthTime.UTC(), s.LastSeenAt.UTC(), s.CreatedAt.UTC(), s.IdleExpiry.UTC()})
	}
	return edge.WriteJSON(w, http.StatusOK, struct {
		Items []device `json:"items"`
		Next  string   `json:"next,omitempty"`
	}{items, next})
}

// endSession ends one of the user's own sessions; another user's is not found.
func (d *Door) endSession(w http.ResponseWriter, r *http.Request) error {
	who, err := d.Callers.Identify(r)
	if err != nil {
		return err
	}
	id := r.PathValue("id")
	seq, err := d.Sessions.EndSession(r.Context(), who, id, caller.From(r))
	if err == nil && id != who.Session.ID && id != who.Grant.ID {
		return d.inForce(w, r, seq)
	}
	return d.ended(w, r, seq, err)
}
