package jwt

import "github.com/writ-auth/writ/internal/strictjson"

// The fields of this package's claim sets are found by a switch: reflection
// takes longer to find a field than the reader to read it. Every claim set has
// them by way of the Claims that it embeds; its own fields go by reflection.

// ownClaims are a claim set's fields that are of this package's making.
type ownClaims interface {
	// core returns the registered claims.
	core() *Claims
	// place returns a pointer to the field of that number (see placeOf), or nil
	// for one that only reflection knows.
	place(n uint8) any
}

func (c *Claims) core() *Claims { return c }

func (c *Claims) place(n uint8) any {
	switch n {
	case 1:
		return &c.Issuer
	case 2:
		return &c.Subject
	case 3:
		return &c.Audience
	case 4:
		return &c.Expiry
	case 5:
		return &c.NotBefore
	case 6:
		return &c.IssuedAt
	case lastOfClaims:
		return &c.ID
	}
	return nil
}

const lastOfClaims = 7

func (c *AccessClaims) place(n uint8) any {
	switch n - lastOfClaims {
	case 1:
		return &c.ClientID
	case 2:
		return &c.SessionID
	case 3:
		return &c.Epochs
	case 4:
		return &c.Scope
	case 5:
		return &c.AuthTime
	case 6:
		return &c.AMR
	case 7:
		return &c.ACR
	case 8:
		return &c.Email
	case 10:
		return &c.Name
	case 11:
		return &c.PreferredUsername
	case 12:
		return &c.Org
	case 13:
		return &c.Roles
	case 14:
		return &c.Permissions
	}
	return c.Claims.place(n)
}

func (c *IDClaims) place(n uint8) any {
	switch n - lastOfClaims {
	case 1:
		return &c.Nonce
	case 2:
		return &c.AuthorizedParty
	case 3:
		return &c.SessionID
	case 4:
		return &c.AccessTokenHash
	case 5:
		return &c.AuthTime
	case 6:
		return &c.AMR
	case 7:
		return &c.ACR
	case 8:
		return &c.Email
	case 10:
		return &c.Name
	}
	return c.Claims.place(n)
}

// readPlace reads a value into a field of one of this package's types, or a list
// of strings; known is false, and nothing read, for all others.
func readPlace(r *strictjson.Reader, place any, room *listRoom) (known bool, err error) {
	switch p := place.(type) {
	case *NumericDate:
		*p, err = readDate(r)
	case *Audience:
		*p, err = readAudience(r, room)
	case *Scope:
		*p, err = readScope(r, room)
	case *[]string:
		*p, err = readStrings(r, room)
	default:
		return false, nil
	}
	return true, err
}
