package token

import (
	"slices"
	"strings"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/edge"
)

// chooseAPI answers the API that the token is to be for: the one that the
// request names by resource (RFC 8707) or audience, or the only one there is.
// Which APIs exist besides, the error doesn't tell.
func chooseAPI(form edge.Form, among []auth.API) (auth.API, error) {
	resource, audience := form["resource"], form["audience"]
	switch {
	case resource == "":
		resource = audience
	case audience != "" && audience != resource:
		return auth.API{}, auth.Errorf("invalid_target", "resource and audience differ.")
	}
	if resource == "" && len(among) == 1 {
		return among[0], nil
	}
	if resource == "" {
		return auth.API{}, auth.Errorf("invalid_target", "Name one API, by resource or audience.")
	}
	for _, api := range among {
		if api.Audience == resource {
			return api, nil
		}
	}
	return auth.API{}, auth.Errorf("invalid_target", "This client may not ask tokens for that API.")
}

// chooseScope answers the scopes that the token is to have: those requested, or
// all that there are for this client at this API. One too many is an error and
// not left out: a client that goes on without it would fail somewhere else.
func chooseScope(requested string, among []string, api auth.API) ([]string, error) {
	allowed := api.ScopesOf(among)
	if requested == "" {
		return allowed, nil
	}
	var chosen []string
	for name := range strings.SplitSeq(requested, " ") {
		if !slices.Contains(allowed, name) {
			return nil, auth.Errorf("invalid_scope", "The client may not have one of these scopes at this API.")
		}
		if !slices.Contains(chosen, name) {
			chosen = append(chosen, name)
		}
	}
	return chosen, nil
}
