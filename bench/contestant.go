package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/writ-auth/writ/jwt"
)

// contestant is one library, set up for one algorithm as its documentation
// tells a careful user to: made once, used for every token.
type contestant struct {
	// verify checks signature, iss, aud, exp and nbf, wants exp to be there, and
	// reads the claims. Nil if the library can't.
	verify func(token string) (facts, error)
	// sign makes a token of the sample claims. Nil likewise.
	sign func() (string, error)
}

// facts are what a handler would look at. All contestants have to come up with
// the same.
type facts struct {
	subject, client string
	roles           []string
	expiry          int64
}

// otherClaims are the claims that other libraries have no fields for.
type otherClaims struct {
	ClientID string   `json:"client_id,omitempty"`
	Scope    string   `json:"scope,omitempty"`
	Roles    []string `json:"roles,omitempty"`
}

// otherClaims are the material's, for libraries that write a struct.
func (m *material) otherClaims() otherClaims {
	return otherClaims{m.claims.ClientID, strings.Join(m.claims.Scope, " "), m.claims.Roles}
}

// library makes contestants.
type library struct {
	name   string
	module string // whose version is shown; "" for our own
	// enter returns nil for an algorithm that the library doesn't have, or adds
	// nothing to.
	enter func(*material) (*contestant, error)
}

const (
	rawName  = "raw cryptography"
	ourName  = "Writ"
	fastName = "Writ with fast.Prepare"
)

// libraries are all contestants, our own first.
func libraries() []library {
	return []library{
		{ourName, "", enterWrit},
		{fastName, "", enterFast},
		{"cristalhq", "github.com/cristalhq/jwt/v5", enterCristalhq},
		{"golang-jwt", "github.com/golang-jwt/jwt/v5", enterGolangJWT},
		{"go-jose", "github.com/go-jose/go-jose/v4", enterGoJose},
		{"go-oidc", "github.com/coreos/go-oidc/v3", enterGoOIDC},
		{"jwx", "github.com/lestrrat-go/jwx/v3", enterJWX},
	}
}

// check makes sure that a contestant does the work that it is measured for.
func (c *contestant) check(m *material) error {
	if c.verify != nil {
		if err := c.checkVerify(m); err != nil {
			return err
		}
	}
	if c.sign != nil {
		return c.checkSign(m)
	}
	return nil
}

func (c *contestant) checkVerify(m *material) error {
	got, err := c.verify(m.token)
	if err != nil {
		return fmt.Errorf("refused the good token: %w", err)
	}
	want := facts{m.claims.Subject, m.claims.ClientID, m.claims.Roles, m.claims.Expiry.Time().Unix()}
	if !reflect.DeepEqual(got, want) {
		return fmt.Errorf("read %v, want %v", got, want)
	}
	tokens, err := m.badTokens()
	if err != nil {
		return err
	}
	for _, bad := range tokens {
		if _, err := c.verify(bad.token); err == nil {
			return fmt.Errorf("accepted %s", bad.name)
		}
	}
	return nil
}

// checkSign wants a token that our verifier accepts, with the sample claims,
// all of them and nothing else.
func (c *contestant) checkSign(m *material) error {
	token, err := c.sign()
	if err != nil {
		return err
	}
	ours, err := newVerifier(m, "JWT", nil)
	if err != nil {
		return err
	}
	verified, err := ours.Verify(background(), token)
	if err != nil {
		return fmt.Errorf("signed a token that is refused: %w", err)
	}
	if err := checkHeader(token); err != nil {
		return err
	}
	wanted, err := jwt.DecodeUnverified(m.token)
	if err != nil {
		return err
	}
	var got, want map[string]any
	if err := json.Unmarshal(verified.Payload(), &got); err != nil {
		return err
	}
	if err := json.Unmarshal(wanted.Payload(), &want); err != nil {
		return err
	}
	// One audience may be written as a list, or not (RFC 7519 section 4.1.3).
	if list, ok := got["aud"].([]any); ok && len(list) == 1 {
		got["aud"] = list[0]
	}
	if !reflect.DeepEqual(got, want) {
		return fmt.Errorf("signed %v, want %v", got, want)
	}
	return nil
}

func checkHeader(token string) error {
	decoded, err := jwt.DecodeUnverified(token)
	if err != nil {
		return err
	}
	var header struct{ Typ, Kid string }
	if err := json.Unmarshal(decoded.Header(), &header); err != nil {
		return err
	}
	if header.Typ != "JWT" || header.Kid != keyName {
		return fmt.Errorf("signed with typ %q and kid %q, want JWT and %q", header.Typ, header.Kid, keyName)
	}
	return nil
}
