package device

import (
	"context"
	"errors"
	"slices"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/session"
)

// Redemption is a device code as a client that has authenticated polls with it.
type Redemption struct {
	session.Request
	Client     *auth.Registration
	Code       string
	Thumbprint string // of the key that the client has shown to have; "": none
}

// errGrant is the one answer to a code that is wrong, somebody else's, or used.
func errGrant() error { return auth.Errorf("invalid_grant", "The device code is not valid.") }

// Claim answers what a device gets, or which of the errors of RFC 8628, section
// 3.5, it is told until then.
func (s *Service) Claim(ctx context.Context, in Redemption) (auth.Device, error) {
	d, err := s.Devices.PollDevice(ctx, in.Client.Client.ID, hashDeviceCode(in.Code), leeway, grow)
	switch {
	case errors.Is(err, auth.ErrNotFound):
		return d, errGrant()
	case err != nil:
		return d, err
	case d.State == auth.DeviceRedeemed:
		return d, errGrant()
	case !s.Now().Before(d.ExpiresAt):
		return d, auth.Errorf("expired_token", "The device code has expired; begin again.")
	case d.State == auth.DeviceDenied:
		return d, auth.Errorf("access_denied", "The person did not allow it.")
	case d.Hasty:
		return d, auth.Errorf("slow_down", "Wait %d seconds between two requests.", int(d.Interval.Seconds()))
	case d.State == auth.DevicePending:
		return d, auth.Errorf("authorization_pending", "The person has not answered yet.")
	}
	return d, nil
}

// Redeem makes the tokens of a device that was allowed, once.
func (s *Service) Redeem(ctx context.Context, in Redemption, d auth.Device) (session.ClientTokens, error) {
	c := in.Client.Client
	out, begun, err := s.Sessions.Delegate(ctx, session.Delegation{
		Request: in.Request, SignInID: d.SignInID, Client: c, Audience: d.Audience, Scope: d.Scope,
		Refresh: slices.Contains(c.GrantTypes, auth.GrantRefreshToken), Thumbprint: in.Thumbprint,
		Begin: func(ctx context.Context, g auth.Grant, marks auth.Marks) (bool, error) {
			return s.Devices.RedeemDevice(ctx, d.Hash, g, marks, auth.Event{At: s.Now(), Actor: c.ID,
				Action: "grant.begin", Target: g.ID, Address: in.Address, Verdict: "allowed", Reason: "device"})
		},
	})
	if err == nil && !begun || over(err) { // used by another poll, or the person has signed out since
		return out, errGrant()
	}
	return out, err
}

// over says whether err means that the session has ended in the meantime.
func over(err error) bool {
	var e *auth.Error
	return errors.Is(err, auth.ErrEpochChanged) || errors.Is(err, auth.ErrNotFound) || errors.As(err, &e) && e.Code == auth.CodeSessionEnded
}
