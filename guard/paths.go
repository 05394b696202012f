package guard

import (
	"strings"

	"github.com/writ-auth/writ/internal/strictjson"
	"github.com/writ-auth/writ/jwt"
)

// apply replaces the claims that the issuer keeps elsewhere. What isn't there
// is empty; what is of another type makes the token one to be refused, since
// half a list of roles could be the half that matters.
func (p Paths) apply(c *jwt.AccessClaims, payload []byte) error {
	if p.isZero() {
		return nil
	}
	text := string(payload)
	for _, claim := range []struct {
		path []string
		into *[]string
	}{
		{p.Roles, &c.Roles}, {p.Permissions, &c.Permissions}, {p.Scope, (*[]string)(&c.Scope)},
	} {
		if claim.path == nil {
			continue
		}
		values, err := stringsAt(text, claim.path)
		if err != nil {
			return &jwt.Error{Reason: jwt.ErrClaim, Name: strings.Join(claim.path, "."), Detail: err.Error()}
		}
		*claim.into = values
	}
	if p.Scope != nil {
		c.Scope = splitScopes(c.Scope)
	}
	return nil
}

// splitScopes makes one scope of each word: issuers write a string with spaces,
// or an array of words.
func splitScopes(values []string) jwt.Scope {
	var scopes jwt.Scope
	for _, value := range values {
		scopes = append(scopes, strings.Fields(value)...)
	}
	return scopes
}

// stringsAt returns the strings to which a path leads, nil if it leads nowhere.
func stringsAt(text string, path []string) ([]string, error) {
	for _, name := range path {
		var found bool
		var err error
		if text, found, err = strictjson.Member(text, name); err != nil || !found {
			return nil, err
		}
	}
	return readStrings(text)
}

func readStrings(text string) ([]string, error) {
	r := strictjson.NewReader(text)
	if r.Kind() == strictjson.String {
		s, err := r.ReadString()
		return []string{s}, err
	}
	if r.Kind() != strictjson.Array {
		return nil, errNotStrings
	}
	if err := r.BeginArray(); err != nil {
		return nil, err
	}
	values := []string{}
	for {
		more, err := r.NextElement()
		if err != nil || !more {
			return values, err
		}
		s, err := r.ReadString()
		if err != nil {
			return nil, errNotStrings
		}
		values = append(values, s)
	}
}
