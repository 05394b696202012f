package admin

import (
	"context"
	"net/http"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/directory"
	"github.com/writ-auth/writ/server/internal/edge"
	"github.com/writ-auth/writ/server/internal/edge/query"
	"github.com/writ-auth/writ/server/internal/revocation"
)

// sessions lists live sessions, those of one user with ?user_id=.
func (d *Door) sessions(w http.ResponseWriter, r *http.Request, _ directory.Actor) error {
	p, v, err := query.Page(r, "user_id")
	if err != nil {
		return err
	}
	rows, next, err := d.Directory.LiveSessions(r.Context(), v["user_id"], p)
	if err != nil {
		return err
	}
	return writePage(w, rows, next, viewSession)
}

func (d *Door) endSession(w http.ResponseWriter, r *http.Request, actor directory.Actor) error {
	id := r.PathValue("id")
	if err := d.Directory.MayEndSession(r.Context(), actor, id); err != nil {
		return err
	}
	seq, err := d.Revocations.Revoke(r.Context(), revocation.KindSession, id, by(actor))
	return d.done(w, r, seq, err)
}

// revoke revokes by kind and id, or one access token that is given whole.
func (d *Door) revoke(w http.ResponseWriter, r *http.Request, actor directory.Actor) error {
	var in struct {
		Kind  revocation.Kind `json:"kind"`
		ID    string          `json:"id"`
		Token string          `json:"token"`
	}
	if err := edge.ReadJSON(w, r, &in); err != nil {
		return err
	}
	if in.Token != "" {
		if in.Kind != "" || in.ID != "" {
			return auth.Invalid("token", "send either token, or kind and id")
		}
		seq, err := d.Revocations.RevokeToken(r.Context(), in.Token, by(actor))
		return d.done(w, r, seq, err)
	}
	if err := d.mayRevoke(r.Context(), actor, in.Kind, in.ID); err != nil {
		return err
	}
	seq, err := d.Revocations.Revoke(r.Context(), in.Kind, in.ID, by(actor))
	return d.done(w, r, seq, err)
}

// mayRevoke keeps what ends more than one token to those above it. Whose a
// token's id is can't be told, and what is lost with one is little.
func (d *Door) mayRevoke(ctx context.Context, actor directory.Actor, kind revocation.Kind, id string) error {
	switch kind {
	case revocation.KindUser:
		return d.Directory.MayEnd(ctx, actor, id)
	case revocation.KindSession:
		return d.Directory.MayEndSession(ctx, actor, id)
	case revocation.KindClient:
		return d.Directory.MayEndClient(ctx, actor, id)
	case revocation.KindKey:
		if !actor.Has(directory.KeysWrite) {
			return d.refuse(ctx, actor, directory.KeysWrite)
		}
	}
	return nil
}

func by(actor directory.Actor) auth.Event {
	return auth.Event{Actor: actor.ID, Address: actor.Address}
}

func (d *Door) audit(w http.ResponseWriter, r *http.Request, _ directory.Actor) error {
	return list(w, r, d.Audit.Events, viewEvent)
}
