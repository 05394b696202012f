package auth

import (
	"context"
	"time"
)

// Grant types of the token endpoint by which a client acts for a person.
const (
	GrantAuthorizationCode = "authorization_code"
	GrantRefreshToken      = "refresh_token"
)

// AuthorizationCode is a code (RFC 6749, section 4.1.2): what a client was
// promised, until it fetches it. Only a hash of the code itself is kept.
type AuthorizationCode struct {
	Hash        [32]byte // SHA-256 of the code
	ClientID    string
	SessionID   string // of the browser in which the person agreed
	SignInID    string // that session's own grant, of the client "writ"
	RedirectURI string // where the code was sent
	Challenge   string // PKCE, S256 (RFC 7636)
	Nonce       string // of OpenID Connect
	Scope       []string
	Audience    string
	CreatedAt   time.Time
	ExpiresAt   time.Time
	ForgetAt    time.Time // until then a second use is known to be one
	GrantID     string    // what it was redeemed for; "": it was not yet
	// DPoPThumbprint is the key to which its tokens must be bound (RFC 9449,
	// section 10); "": any, or none.
	DPoPThumbprint string

	// ConsentOf is the user on whose consent the code rests, when it is stored; "":
	// on nobody's. It is not kept.
	ConsentOf string
}

// Codes is what authorization asks of the store.
type Codes interface {
	// AddCode stores a code that nobody has redeemed. ErrMoved if the user it rests
	// on has taken back meanwhile what they allowed the client at the audience: a
	// code that is stored goes with the consent.
	AddCode(ctx context.Context, c AuthorizationCode) error
	// AddCodeOnce is AddCode for a request that gets one code and no more: once is
	// remembered until then. False, with nothing stored, if the client had a code
	// for it before; of any number of calls at once exactly one answers true.
	AddCodeOnce(ctx context.Context, c AuthorizationCode, once [32]byte, until time.Time) (bool, error)
	// CodeByHash finds a code, redeemed or not, expired or not.
	CodeByHash(ctx context.Context, hash [32]byte) (AuthorizationCode, error)
	// Redeem makes g the grant that a code was redeemed for, and remembers that
	// until forget. Of any number of calls at once exactly one answers true;
	// false, with nothing changed, if the code was redeemed before or has
	// expired. ErrEpochChanged if the session has ended, or the user or client
	// was disabled or has another epoch than the grant.
	Redeem(ctx context.Context, hash [32]byte, g Grant, forget time.Time, marks Marks, ev Event) (bool, error)
}

// Consent is what a person allowed a client to have at an API.
type Consent struct {
	UserID, ClientID, Audience string
	Scope                      []string // sorted
	CreatedAt, UpdatedAt       time.Time
}

// Consents remembers what people allowed.
type Consents interface {
	// Consent answers what a user allowed a client at an audience.
	Consent(ctx context.Context, userID, clientID, audience string) (Consent, error)
	// AddConsent adds to what was allowed before.
	AddConsent(ctx context.Context, c Consent, ev Event) error
	// Consents lists all that a user allowed, in order of client and audience.
	Consents(ctx context.Context, userID string) ([]Consent, error)
	// RevokeConsent forgets what a user allowed a client, ends every grant that
	// the client has of the user and logs it: seq is the last entry's number, 0
	// if no grant was alive. Codes and devices that weren't redeemed yet can't be
	// any more. ErrNotFound if there was nothing of all this.
	RevokeConsent(ctx context.Context, userID, clientID string, now time.Time, ev Event) (seq uint64, err error)
}

// Browsers is what single sign-on asks of the store besides Sessions.
type Browsers interface {
	// Reauthenticate notes that the person of a session-mode session has signed
	// in again: s has the new CookieHash, AuthTime, AMR, ACR, Device, Address,
	// LastSeenAt and IdleExpiry. ErrEpochChanged if the session has ended.
	Reauthenticate(ctx context.Context, s Session, ev Event) error
}
