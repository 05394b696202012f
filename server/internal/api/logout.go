package api

import (
	"context"
	"net/http"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/edge"
	"github.com/writ-auth/writ/server/internal/edge/caller"
	"github.com/writ-auth/writ/server/internal/session"
)

// logout ends every session that a presented credential names: a bearer token
// for any API, a refresh token in the body, the cookies. Whoever holds one may
// end what it belongs to, so several at once are no conflict; but one in the
// header or the body that isn't genuine is refused, since its sender believes
// that it was ended.
func (d *Door) logout(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		RefreshToken string `json:"refresh_token"`
	}
	if _, err := edge.ReadOptionalJSON(w, r, &in); err != nil {
		return err
	}
	c, err := d.Callers.Read(r)
	if err != nil {
		return err
	}
	seq, err := d.endPresented(r.Context(), c, in.RefreshToken, caller.From(r))
	return d.ended(w, r, seq, err)
}

func (d *Door) endPresented(ctx context.Context, c caller.Credentials, refresh string, from session.Request) (uint64, error) {
	seq, explicit := uint64(0), false
	if c.Bearer != "" {
		n, err := d.Sessions.SignOutByToken(ctx, c.Bearer, false, from)
		if err != nil {
			return 0, err
		}
		seq, explicit = max(seq, n), true
	}
	if refresh != "" {
		n, err := d.Sessions.SignOutByRefresh(ctx, refresh, false, from)
		if err != nil {
			return 0, err
		}
		seq, explicit = max(seq, n), true
	}
	n, err := d.endCookies(ctx, c, from)
	if explicit && caller.Refused(err) {
		err = nil
	}
	return max(seq, n), err
}

// endCookies ends what the cookies name. It is an error if none of them names
// anything; those that expired are nothing special beside one that is good.
func (d *Door) endCookies(ctx context.Context, c caller.Credentials, from session.Request) (seq uint64, err error) {
	err = auth.Errorf(auth.CodeUnauthenticated, "There is no credential whose session could be ended.")
	good := false
	for _, try := range []struct {
		value string
		end   func() (uint64, error)
	}{
		{c.Refresh, func() (uint64, error) { return d.Sessions.SignOutByRefresh(ctx, c.Refresh, true, from) }},
		{c.Access, func() (uint64, error) { return d.Sessions.SignOutByToken(ctx, c.Access, true, from) }},
		{c.Session, func() (uint64, error) { return d.Sessions.SignOutByCookie(ctx, c.Session, from) }},
	} {
		if try.value == "" {
			continue
		}
		n, tryErr := try.end()
		if tryErr != nil && !caller.Refused(tryErr) {
			return 0, tryErr
		}
		if tryErr != nil && !good {
			err = tryErr
		}
		if tryErr == nil {
			seq, err, good = max(seq, n), nil, true
		}
	}
	return seq, err
}

// logoutAll ends every session of the user. A token for another API isn't
// enough: an API could otherwise sign its users out of everything.
func (d *Door) logoutAll(w http.ResponseWriter, r *http.Request) error {
	if _, err := edge.ReadOptionalJSON(w, r, &struct{}{}); err != nil {
		return err
	}
	who, err := d.Callers.Identify(r)
	if err != nil {
		return err
	}
	seq, err := d.Sessions.SignOutEverywhere(r.Context(), who, caller.From(r))
	return d.ended(w, r, seq, err)
}
