package token

import (
	"context"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/edge/client"
	"github.com/writ-auth/writ/server/internal/exchange"
	"github.com/writ-auth/writ/server/internal/issuance"
)

// Exchanger exchanges tokens.
type Exchanger interface {
	Judge(ctx context.Context, in exchange.Request) (*exchange.Exchange, error)
	Issue(ctx context.Context, x *exchange.Exchange, api auth.API, scope []string) (issuance.Token, error)
}

// tokenExchange is RFC 8693: a service acts further for whoever called it.
type tokenExchange struct{ exchanger Exchanger }

// Entitle implements Grant.
func (g tokenExchange) Entitle(ctx context.Context, req client.Request) (Entitlement, error) {
	if err := checkTypes(req.Form); err != nil {
		return Entitlement{}, err
	}
	x, err := g.exchanger.Judge(ctx, exchange.Request{
		Client: req.Client, Subject: req.Form["subject_token"], Actor: req.Form["actor_token"], Address: req.Address, Thumbprint: req.Thumbprint,
	})
	if err != nil {
		return Entitlement{}, err
	}
	return Entitlement{
		APIs: req.Client.APIs, Scope: x.Scope,
		scope: func(requested string, api auth.API) ([]string, error) { return exchangedScope(requested, x, api) },
		Issue: func(ctx context.Context, api auth.API, scope []string) (Issued, error) {
			token, err := g.exchanger.Issue(ctx, x, api, scope)
			return Issued{AccessToken: token.AccessToken, ExpiresIn: token.ExpiresIn, Type: exchange.TypeAccessToken, Thumbprint: x.Thumbprint}, err
		},
	}, nil
}

// checkTypes reads what kinds of token a request is about. An ID token says who
// somebody is and lets nobody do anything; a refresh token is good for its own
// client alone.
func checkTypes(form map[string]string) error {
	if form["subject_token"] == "" {
		return auth.Invalid("subject_token", "subject_token is missing")
	}
	if !exchangeable(form["subject_token_type"]) {
		return auth.Invalid("subject_token_type", "subject_token_type must be %s", exchange.TypeAccessToken)
	}
	if kind := form["actor_token_type"]; (form["actor_token"] != "") != (kind != "") || kind != "" && !exchangeable(kind) {
		return auth.Invalid("actor_token_type", "actor_token comes with an actor_token_type, which must be %s", exchange.TypeAccessToken)
	}
	if kind := form["requested_token_type"]; kind != "" && kind != exchange.TypeAccessToken {
		return auth.Invalid("requested_token_type", "requested_token_type must be %s", exchange.TypeAccessToken)
	}
	return nil
}

func exchangeable(kind string) bool {
	return kind == exchange.TypeAccessToken || kind == exchange.TypeJWT
}

// exchangedScope chooses as for every token. But a token that was limited to
// some scopes never becomes one without any: there are APIs that take that for
// one without limits.
func exchangedScope(requested string, x *exchange.Exchange, api auth.API) ([]string, error) {
	chosen, err := chooseScope(requested, x.Scope, api)
	if err == nil && len(chosen) == 0 && len(x.Subject.Scope) > 0 {
		err = auth.Errorf("invalid_scope", "None of the token's scopes is left at this API.")
	}
	return chosen, err
}
