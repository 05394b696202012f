package jwt

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// DefaultMaxSize is the most bytes that a token may have unless
// Expect.MaxSize says otherwise. Cookies and header lines end below it.
const DefaultMaxSize = 16 << 10

// Limits of [Expect].
const (
	maxLeeway  = 5 * time.Minute
	futureIAT  = time.Minute // how far ahead iat may be: clocks differ, and RFC 7519 gives iat no leeway
	maxRequire = 64
)

// Expect says what a token must be. There are no defaults for who made it, for
// whom, and of what kind it is: [NewVerifier] names what is missing. Start from
// a profile ([AccessToken], [IDToken]) where one fits.
//
// A claim that must be there and is not, or that is an empty string, is
// ErrClaim.
type Expect struct {
	// Issuer is the iss claim, byte for byte. Required, or AnyIssuer.
	Issuer string
	// Audience: one of these must be in aud, byte for byte. Required, or
	// AnyAudience.
	Audience []string
	// Type is the typ header parameter. Required, so that no token of one kind
	// is taken for another (RFC 8725 section 3.11). Letter case and the prefix
	// "application/" don't matter (RFC 7515 section 4.1.9). "JWT" stands also
	// for a token without typ.
	Type string
	// Required names claims that must be there besides iss, aud and exp. For
	// the type "at+jwt" those of RFC 9068 section 2.2 are added.
	Required []string

	// Ignore names claims that aren't read into the fields that C has for them:
	// for an issuer that uses a name in a way of its own, such as an amr that is
	// no list of strings. The field stays empty, whatever the token says;
	// Token.Payload has the claim. What is required, the claims of [Claims], cnf,
	// nonce and azp can't be ignored.
	Ignore []string

	// Subject, if not empty, is the sub claim, byte for byte; another one, or
	// none, is ErrClaim. For tokens that one party alone may present, such as a
	// client's assertions (RFC 7523 section 3). Most callers take whoever the
	// token names.
	Subject string

	// Leeway is added to exp and taken from nbf, for clocks that differ. The
	// default is 0, the most 5 minutes. Whatever it is, iat may be a minute
	// ahead.
	Leeway time.Duration
	// MaxAge is how long ago iat may be, without leeway; it makes iat required.
	// 0 means no limit.
	MaxAge time.Duration
	// MaxSize is how many bytes a token may have; default [DefaultMaxSize].
	MaxSize int

	// RequireNonce makes Verify an error: only VerifyNonce accepts a token.
	RequireNonce bool

	// AnyIssuer accepts tokens from everybody whose key the key source knows,
	// and those without iss.
	AnyIssuer bool
	// AnyAudience accepts tokens that were meant for others, and those without
	// aud.
	AnyAudience bool
	// AllowNoExpiry accepts tokens without exp. An exp that is there counts.
	AllowNoExpiry bool
	// AllowConfirmation accepts tokens that are bound to a key (cnf): the
	// caller promises to check the proof that the bearer has that key, as RFC
	// 9449 section 7.1 or RFC 8705 section 3 say. Without, whoever stole such
	// a token could use it as if it were unbound.
	AllowConfirmation bool

	// Now is the clock; default time.Now.
	Now func() time.Time

	authorizedParty string // set by IDToken
}

// AccessToken is the profile of an OAuth 2.0 access token (RFC 9068) that
// issuer made for the API that audience names.
func AccessToken(issuer, audience string) Expect {
	return Expect{Issuer: issuer, Audience: []string{audience}, Type: "at+jwt"}
}

// IDToken is the profile of an OpenID Connect ID token that issuer made for
// the client clientID (OpenID Connect Core section 3.1.3.7). Call VerifyNonce
// with the nonce of the authentication request. The azp claim must be
// clientID where it is there, and must be there when the token has several
// audiences.
func IDToken(issuer, clientID string) Expect {
	return Expect{
		Issuer: issuer, Audience: []string{clientID}, Type: "JWT",
		Required: []string{"sub", "iat"}, RequireNonce: true, authorizedParty: clientID,
	}
}

// validate names the first field that is missing or makes no sense.
func (e *Expect) validate() error {
	switch {
	case e.Issuer == "" && !e.AnyIssuer:
		return missing("Issuer", "AnyIssuer")
	case e.Issuer != "" && e.AnyIssuer:
		return errors.New("jwt: Expect.Issuer contradicts AnyIssuer")
	case len(e.Audience) == 0 && !e.AnyAudience:
		return missing("Audience", "AnyAudience")
	case len(e.Audience) != 0 && e.AnyAudience:
		return errors.New("jwt: Expect.Audience contradicts AnyAudience")
	case slices.Contains(e.Audience, ""):
		return errors.New("jwt: Expect.Audience has an empty member")
	case e.Type == "":
		return errors.New("jwt: Expect.Type is missing")
	case slices.Contains(e.Required, ""):
		return errors.New("jwt: Expect.Required has an empty member")
	case len(e.Required) > maxRequire:
		return fmt.Errorf("jwt: Expect.Required has more than %d members", maxRequire)
	}
	if err := e.validateIgnore(); err != nil {
		return err
	}
	return e.validateLimits()
}

// validateIgnore keeps what a check looks at from being taken for absent.
func (e *Expect) validateIgnore() error {
	never := append(e.required(), "iss", "sub", "aud", "exp", "nbf", "iat", "jti", "cnf", "nonce", "azp")
	for _, name := range e.Ignore {
		if slices.Contains(never, name) {
			return fmt.Errorf("jwt: Expect.Ignore: %q is a claim that is checked", name)
		}
	}
	return nil
}

func (e *Expect) validateLimits() error {
	switch {
	case e.Leeway < 0 || e.Leeway > maxLeeway:
		return fmt.Errorf("jwt: Expect.Leeway is not between 0 and %v", maxLeeway)
	case e.MaxAge < 0:
		return errors.New("jwt: Expect.MaxAge is negative")
	case e.MaxSize < 0:
		return errors.New("jwt: Expect.MaxSize is negative")
	}
	return nil
}

func missing(field, relaxation string) error {
	return fmt.Errorf("jwt: Expect.%s is missing (if that is meant, set %s)", field, relaxation)
}

// withDefaults returns a copy that shares nothing with the caller's.
func (e Expect) withDefaults() Expect {
	e.Audience, e.Required = slices.Clone(e.Audience), e.required()
	if e.MaxSize == 0 {
		e.MaxSize = DefaultMaxSize
	}
	if e.Now == nil {
		e.Now = time.Now
	}
	return e
}

// required lists every claim that must be there.
func (e *Expect) required() []string {
	var names []string
	add := func(name string, wanted bool) {
		if wanted && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	access := sameType(e.Type, "at+jwt")
	add("iss", !e.AnyIssuer || access)
	add("aud", !e.AnyAudience || access)
	add("exp", !e.AllowNoExpiry)
	for _, name := range []string{"sub", "client_id", "iat", "jti"} {
		add(name, access)
	}
	add("iat", e.MaxAge > 0)
	add("nonce", e.RequireNonce)
	for _, name := range e.Required {
		add(name, true)
	}
	return names
}

// sameType compares two values of typ as RFC 7515 section 4.1.9 and RFC 2045
// section 5.1 say: in any letter case, and a value without a slash means the
// one with "application/" before it.
func sameType(a, b string) bool {
	return strings.EqualFold(subtype(a), subtype(b)) && isASCII(a) && isASCII(b)
}

func subtype(typ string) string {
	const prefix = "application/"
	if len(typ) > len(prefix) && strings.EqualFold(typ[:len(prefix)], prefix) &&
		!strings.Contains(typ[len(prefix):], "/") {
		return typ[len(prefix):]
	}
	return typ
}

// isASCII keeps Unicode's case folding out: there, a Kelvin sign equals k.
func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
