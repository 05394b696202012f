package token

import (
	"context"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/device"
	"github.com/writ-auth/writ/server/internal/edge/client"
	"github.com/writ-auth/writ/server/internal/session"
)

// Devices redeems device codes.
type Devices interface {
	Claim(ctx context.Context, in device.Redemption) (auth.Device, error)
	Redeem(ctx context.Context, in device.Redemption, d auth.Device) (session.ClientTokens, error)
}

// deviceCode is RFC 8628, section 3.4. As with a code, the person has settled
// what the tokens are for.
type deviceCode struct {
	devices    Devices
	allowances Allowances
}

// Entitle implements Grant.
func (g deviceCode) Entitle(ctx context.Context, req client.Request) (Entitlement, error) {
	in := device.Redemption{Request: session.Request{Address: req.Address}, Client: req.Client.Registration,
		Code: req.Form["device_code"], Thumbprint: req.Thumbprint}
	if in.Code == "" {
		return Entitlement{}, auth.Invalid("device_code", "device_code is missing")
	}
	d, err := g.devices.Claim(ctx, in)
	if err != nil {
		return Entitlement{}, err
	}
	var ok bool
	if d.Scope, ok = g.allowances.Left(req.Client.Registration, d.Audience, d.Scope); !ok {
		return Entitlement{}, errTaken()
	}
	return Entitlement{
		APIs:  []auth.API{{Audience: d.Audience}},
		Scope: d.Scope,
		scope: func(string, auth.API) ([]string, error) { return d.Scope, nil },
		Issue: func(ctx context.Context, _ auth.API, _ []string) (Issued, error) {
			out, err := g.devices.Redeem(ctx, in, d)
			return issued(out), err
		},
	}, nil
}
