package mint

import (
	"slices"
	"strconv"

	"github.com/writ-auth/writ/server/internal/auth"
)

// Scopes of OpenID Connect (Core, section 5.4). What they give a client is in
// Profile.
const (
	ScopeOpenID  = "openid"
	ScopeProfile = "profile"
	ScopeEmail   = "email"
)

// Claim is one claim about a person: a string or a bool.
type Claim struct {
	Name  string
	Value any
}

// Profile lists the claims about a person that scopes give: what ID tokens and
// the userinfo endpoint say besides sub. An address that nobody verified
// identifies nobody, and stays out.
func Profile(u auth.User, scope []string) (list []Claim) {
	text := func(name, value string) {
		if value != "" {
			list = append(list, Claim{name, value})
		}
	}
	if slices.Contains(scope, ScopeEmail) && !u.VerifiedAt.IsZero() && u.Email != "" {
		text("email", u.Email)
		list = append(list, Claim{"email_verified", true})
	}
	if slices.Contains(scope, ScopeProfile) {
		text("name", u.Name)
		text("preferred_username", u.Username)
	}
	return list
}

func (claim Claim) value(c *claims) []byte {
	if yes, ok := claim.Value.(bool); ok {
		return strconv.AppendBool(nil, yes)
	}
	text, _ := claim.Value.(string)
	return c.cut(c.quote(c.buffer, text))
}
