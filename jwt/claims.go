package jwt

// ClaimSet is what a token's payload is read into and written from: a struct
// that embeds [Claims], or another claim set, by value. Nothing else can be
// one, since the method is not exported: a program can't forget the registered
// claims, hide them behind fields of its own, or answer for them.
//
// Every exported field needs a json tag; names are compared byte for byte, and
// no name may come twice. A field is a string, bool, integer, float,
// [encoding/json.Number], [encoding/json.RawMessage], one of the types of this
// package, a type with its own JSON or text methods, or a slice, string-keyed
// map, struct or pointer of these. Integers are exact: 1.5 does not fit an int
// and 300 does not fit an int8. JSON null fits pointers and RawMessage only.
// The options omitempty and omitzero mean what they mean to encoding/json.
//
// [NewVerifier] and [NewSigner] refuse, when the program starts: a field
// without a tag, a name that comes twice (so also a registered one), any and
// other interfaces, arrays and []byte, and embedded pointers.
type ClaimSet interface {
	registered() Claims
}

// Claims are the registered claims (RFC 7519 section 4.1). Embed it in your
// own claims:
//
//	type Shop struct {
//		jwt.Claims
//		Plan string `json:"plan"`
//	}
type Claims struct {
	Issuer    string      `json:"iss,omitzero"`
	Subject   string      `json:"sub,omitzero"`
	Audience  Audience    `json:"aud,omitzero"`
	Expiry    NumericDate `json:"exp,omitzero"` // not valid from this second on
	NotBefore NumericDate `json:"nbf,omitzero"` // not valid before it
	IssuedAt  NumericDate `json:"iat,omitzero"`
	ID        string      `json:"jti,omitzero"` // unique to the token: revoke by this, never by the token's bytes
}

func (c Claims) registered() Claims { return c }

// AccessClaims are the claims of an OAuth 2.0 access token (RFC 9068), with
// those that Writ adds. Verify them with the profile [AccessToken].
type AccessClaims struct {
	Claims
	ClientID  string   `json:"client_id,omitzero"` // the OAuth client it was issued to; a service's own token has it as Subject too
	SessionID string   `json:"sid,omitzero"`       // the grant it belongs to
	Epochs    []string `json:"epochs,omitzero"`    // ends when one of these is revoked
	Scope     Scope    `json:"scope,omitzero"`

	AuthTime NumericDate `json:"auth_time,omitzero"` // when the person signed in, not when the token was made
	AMR      []string    `json:"amr,omitzero"`       // how: RFC 8176 names
	ACR      string      `json:"acr,omitzero"`       // how well

	Email             string   `json:"email,omitzero"` // means nothing unless EmailVerified is true
	EmailVerified     *bool    `json:"email_verified,omitzero"`
	Name              string   `json:"name,omitzero"`
	PreferredUsername string   `json:"preferred_username,omitzero"`
	Org               string   `json:"org,omitzero"`         // the organisation in which the person acts, by its slug
	Roles             []string `json:"roles,omitzero"`       // names, at the audience and in Org (RFC 9068 section 2.2.3.1)
	Permissions       []string `json:"permissions,omitzero"` // what these roles allow at the audience

	Confirmation *Confirmation `json:"cnf,omitzero"`
}

// Confirmation binds a token to a key that its bearer has to prove (RFC 7800).
// A [Verifier] refuses every token with a cnf claim, of whatever content,
// unless Expect.AllowConfirmation says that the caller checks the proof. That
// caller must refuse a Confirmation that is neither of these two.
type Confirmation struct {
	JKT     string `json:"jkt,omitzero"`      // thumbprint of a DPoP key (RFC 9449 section 6.1)
	X5TS256 string `json:"x5t#S256,omitzero"` // thumbprint of a client certificate (RFC 8705 section 3.1)
}

// IDClaims are the claims of an OpenID Connect ID token. Verify them with the
// profile [IDToken].
type IDClaims struct {
	Claims
	Nonce           string `json:"nonce,omitzero"` // compared by VerifyNonce
	AuthorizedParty string `json:"azp,omitzero"`   // compared by the profile
	SessionID       string `json:"sid,omitzero"`   // back-channel log-out names it
	// AccessTokenHash is half of the access token's hash (OpenID Connect Core
	// section 3.1.3.6). Nothing here compares it: with the code flow both tokens
	// come in one answer over TLS, and whoever takes one from elsewhere, such as a
	// browser, has to.
	AccessTokenHash string `json:"at_hash,omitzero"`

	AuthTime NumericDate `json:"auth_time,omitzero"`
	AMR      []string    `json:"amr,omitzero"`
	ACR      string      `json:"acr,omitzero"`

	Email         string `json:"email,omitzero"` // means nothing unless EmailVerified is true
	EmailVerified *bool  `json:"email_verified,omitzero"`
	Name          string `json:"name,omitzero"`
}
