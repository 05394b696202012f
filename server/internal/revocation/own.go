package revocation

import (
	"context"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

// RevokeGrant ends a grant at the wish of the client that holds it: its refresh
// token, and its access tokens with it (RFC 7009, section 2.1).
func (s *Service) RevokeGrant(ctx context.Context, grantID string, ev auth.Event) error {
	now := s.Now()
	ev.At, ev.Action, ev.Target, ev.Verdict, ev.Reason = now, "revoke.grant", grantID, "allowed", "client"
	_, err := s.end(ctx, auth.Ending{GrantID: grantID, Reason: "revoked"}, now, ev)
	return err
}

// RevokeOwnToken ends one access token, which expires at expiry, at the wish of
// its client. An API's secret can sign any expiry, and the log is not kept for
// longer than a token of ours could live.
func (s *Service) RevokeOwnToken(ctx context.Context, jti string, expiry time.Time, ev auth.Event) error {
	now := s.Now()
	ev.At, ev.Action, ev.Target, ev.Verdict, ev.Reason = now, "revoke.token", jti, "allowed", "client"
	if latest := now.Add(s.Longest); expiry.After(latest) {
		expiry = latest
	}
	_, err := s.Log.RevokeToken(ctx, jti, expiry.Add(auth.LogMemory), ev)
	return err
}
