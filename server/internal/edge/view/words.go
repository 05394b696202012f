package view

import (
	"net/url"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/mint"
)

// NameOf is what people call an application.
func NameOf(c auth.Client) string {
	if c.Name != "" {
		return c.Name
	}
	return c.ID
}

// HostOf is where an application is, so that a borrowed name is noticed: the
// host, or the scheme of an address that has none (RFC 8252, section 7.1); "" of
// what is no address.
func HostOf(address string) string {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return ""
	case u.Host == "":
		return u.Scheme + ":"
	}
	return u.Host
}

// PersonOf is what a person recognises as theirs.
func PersonOf(u auth.User) string {
	for _, name := range []string{u.Name, u.Email, u.Username} {
		if name != "" {
			return name
		}
	}
	return u.ID
}

// Access is what an application asks a person for.
type Access struct {
	Scopes []Scope
	API    string // what the access token is for; "": the person's data alone
}

// Scope is a scope in words: the name of a message, and the scope's own where
// there is no message for it.
type Scope struct{ Text, Name string }

// AccessOf says in words what scope a client asks for at an audience.
func AccessOf(client *auth.Registration, audience string, scope []string) Access {
	return Access{scopesOf(scope), apiOf(client.API(audience))}
}

func scopesOf(names []string) []Scope {
	list := []Scope{}
	for _, name := range names {
		switch name {
		case mint.ScopeOpenID, mint.ScopeProfile, mint.ScopeEmail, "org", "roles", "permissions":
			list = append(list, Scope{Text: "consent.scope." + name})
		default:
			list = append(list, Scope{Text: "consent.scope.other", Name: name})
		}
	}
	if len(list) == 0 {
		list = append(list, Scope{Text: "consent.scope.none"})
	}
	return list
}

func apiOf(api *auth.API) string {
	switch {
	case api == nil:
		return ""
	case api.Name != "":
		return api.Name
	}
	return api.Audience
}
