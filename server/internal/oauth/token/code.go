package token

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/authorization"
	"github.com/writ-auth/writ/server/internal/edge/client"
	"github.com/writ-auth/writ/server/internal/session"
)

// Codes redeems authorization codes.
type Codes interface {
	Claim(ctx context.Context, in authorization.Redemption) (auth.AuthorizationCode, error)
	Redeem(ctx context.Context, in authorization.Redemption, code auth.AuthorizationCode) (session.ClientTokens, error)
}

// Allowances knows what clients may have.
type Allowances interface {
	// Left leaves of scopes that were granted at an audience what the client may
	// have today; false if that is nothing.
	Left(client *auth.Registration, audience string, scope []string) (left []string, ok bool)
}

// errTaken is for a client that may have nothing of what it was granted any more.
func errTaken() error {
	return auth.Errorf("invalid_grant", "The client may no longer have what was granted.")
}

// authorizationCode is RFC 6749, section 4.1.3, with PKCE. What the tokens are
// for was settled when the person agreed: the request chooses nothing.
type authorizationCode struct {
	codes      Codes
	allowances Allowances
}

// Entitle implements Grant.
func (g authorizationCode) Entitle(ctx context.Context, req client.Request) (Entitlement, error) {
	in := authorization.Redemption{
		Request: session.Request{Address: req.Address}, Client: req.Client.Registration,
		Code: req.Form["code"], RedirectURI: req.Form["redirect_uri"], Verifier: req.Form["code_verifier"], Thumbprint: req.Thumbprint,
	}
	for _, name := range []string{"code", "redirect_uri", "code_verifier"} {
		if req.Form[name] == "" {
			return Entitlement{}, auth.Invalid(name, "%s is missing", name)
		}
	}
	code, err := g.codes.Claim(ctx, in)
	if err != nil {
		return Entitlement{}, err
	}
	var ok bool
	if code.Scope, ok = g.allowances.Left(req.Client.Registration, code.Audience, code.Scope); !ok {
		return Entitlement{}, errTaken()
	}
	return Entitlement{
		APIs:  []auth.API{{Audience: code.Audience}},
		Scope: code.Scope,
		scope: func(string, auth.API) ([]string, error) { return code.Scope, nil },
		Issue: func(ctx context.Context, _ auth.API, _ []string) (Issued, error) {
			out, err := g.codes.Redeem(ctx, in, code)
			return issued(out), err
		},
	}, nil
}

func issued(out session.ClientTokens) Issued {
	return Issued{AccessToken: out.AccessToken, ExpiresIn: out.ExpiresIn, RefreshToken: out.RefreshToken, IDToken: out.IDToken,
		Thumbprint: out.Thumbprint}
}

// Sessions refreshes what clients have of people's sessions.
type Sessions interface {
	HeldByRefresh(ctx context.Context, token string) (held auth.Held, live bool, err error)
	RefreshForClient(ctx context.Context, in session.ClientRefresh) (session.ClientTokens, error)
}

// refreshToken is RFC 6749, section 6, with the same rotation as everybody's.
type refreshToken struct {
	sessions   Sessions
	allowances Allowances
}

// Entitle implements Grant. Whose token it is is looked at before anything that
// could end a grant: a stolen token in another client's hands ends nothing.
func (g refreshToken) Entitle(ctx context.Context, req client.Request) (Entitlement, error) {
	raw := req.Form["refresh_token"]
	if raw == "" {
		return Entitlement{}, auth.Invalid("refresh_token", "refresh_token is missing")
	}
	held, _, err := g.sessions.HeldByRefresh(ctx, raw)
	if err != nil {
		return Entitlement{}, asGrant(err)
	}
	if held.Grant.ClientID != req.Client.ID() || held.Grant.ClientID == auth.ClientWrit {
		return Entitlement{}, errRefresh()
	}
	most, ok := g.allowances.Left(req.Client.Registration, held.Grant.Audience, held.Grant.Scope)
	if !ok {
		return Entitlement{}, errTaken()
	}
	return Entitlement{
		APIs:  []auth.API{{Audience: held.Grant.Audience}},
		Scope: most,
		scope: func(requested string, _ auth.API) ([]string, error) { return narrow(requested, most) },
		Issue: func(ctx context.Context, _ auth.API, scope []string) (Issued, error) {
			out, err := g.sessions.RefreshForClient(ctx, session.ClientRefresh{
				Request: session.Request{Address: req.Address}, Token: raw, Client: req.Client.Client, Scope: scope, Thumbprint: req.Thumbprint})
			return issued(out), asGrant(err)
		},
	}, nil
}

// narrow takes what is asked for, if it is no more than there is.
func narrow(requested string, most []string) ([]string, error) {
	if requested == "" {
		return most, nil
	}
	chosen := []string{}
	for name := range strings.SplitSeq(requested, " ") {
		if !slices.Contains(most, name) {
			return nil, auth.Errorf("invalid_scope", "A refresh can't have more than was granted.")
		}
		if !slices.Contains(chosen, name) {
			chosen = append(chosen, name)
		}
	}
	return chosen, nil
}

func errRefresh() error { return auth.Errorf("invalid_grant", "The refresh token is not valid.") }

// asGrant calls a refresh token that isn't genuine what RFC 6749 calls it.
func asGrant(err error) error {
	var e *auth.Error
	if errors.As(err, &e) && e.Code == auth.CodeInvalidToken {
		return errors.Join(errRefresh(), e.Err)
	}
	return err
}
