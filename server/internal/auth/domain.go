package auth

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/writ-auth/writ/jwk"
)

// RoleAdmin is the reserved role of Writ's own administrators and
// PermissionAdmin what it grants. Names that begin with ReservedPrefix appear
// in no token for another audience than Writ itself.
const (
	RoleAdmin       = "writ:admin"
	PermissionAdmin = "writ:admin"
	ReservedPrefix  = "writ:"
)

// ClientWrit is the client of first-party sign-in, made by the first migration.
const ClientWrit = "writ"

// User is a person. Email and Username are kept as given; both are unique
// without regard to case, and a Username contains no '@', so that neither can
// be taken for the other. At least one is set.
type User struct {
	ID                    string
	Email, Username, Name string
	VerifiedAt            time.Time // of the e-mail; zero: an unverified address is never sent as identity
	PasswordHash          string    // PHC string; "": no password, nobody signs in with one
	MustChange            bool      // a sign-in answers password_change_required
	Disabled              bool
	Roles                 []string        // names, sorted
	Claims                json.RawMessage // custom claims, a JSON object or nil
	Epoch                 string          // 128 random bits; replaced by "log out everywhere"
	Mark                  time.Time       // no access token of this user expires later (see Marks)
	CreatedAt, UpdatedAt  time.Time
}

// Role is a name for a set of permissions.
type Role struct {
	ID, Name    string
	Permissions []string
	CreatedAt   time.Time
}

// Org is an organisation; Member says which roles a user has in it.
type Org struct {
	ID, Slug, Name string
	CreatedAt      time.Time
}

// Member is a user's place in an organisation.
type Member struct {
	OrgID, UserID string
	Roles         []string
}

// Client is an application that asks for tokens: Writ itself, a service, or a
// third party's. The names follow RFC 7591.
type Client struct {
	ID, Name                string
	RedirectURIs            []string
	PostLogoutRedirectURIs  []string
	GrantTypes              []string
	TokenEndpointAuthMethod string // client_secret_basic, client_secret_post, private_key_jwt or none
	JWKS                    json.RawMessage
	JWKSURI                 string
	Scope                   string   // space-separated: what it may ask for
	Audiences               []string // the APIs it may ask tokens for, and introspect
	AllowedOrigins          []string // exact origins; those of the client "writ" are the CSRF and CORS list
	BackchannelLogoutURI    string
	BackchannelSession      bool          // its log-out tokens must name the grant; they always do
	RequirePushed           bool          // its authorization requests must be pushed (RFC 9126)
	IDTokenAlgorithm        jwk.Algorithm // of its ID tokens; "": RS256
	DPoPBound               bool          // it gets tokens bound to a key of its own alone (RFC 9449)
	SkipConsent             bool          // the team's own application: people aren't asked what it may have
	Claims                  json.RawMessage
	Disabled                bool
	Epoch                   string
	Mark                    time.Time
	CreatedAt, UpdatedAt    time.Time
}

// ThirdParty says whether people are asked what the client may have: its tokens
// can do what somebody agreed to, and no more.
func (c Client) ThirdParty() bool {
	return !c.SkipConsent && (slices.Contains(c.GrantTypes, GrantAuthorizationCode) || slices.Contains(c.GrantTypes, GrantDeviceCode))
}

// ClientSecret is one live secret of a client: SHA-256 of 256 random bits.
type ClientSecret struct {
	ID, ClientID string
	Hash         [32]byte
	CreatedAt    time.Time
	ExpiresAt    time.Time // zero: none
}

// API is an audience that tokens are made for.
type API struct {
	ID, Audience, Name string
	Algorithm          jwk.Algorithm // "": the server's default
	AccessTTL          time.Duration // 0: the server's default
	Scopes             []string
	Claims             []string          // which identity claims its tokens carry; nil: all
	Renames            map[string]string // claim → name in this API's tokens
	StatusList         bool              // its tokens say where their grant's status stands
	CreatedAt          time.Time
	UpdatedAt          time.Time
}

// APISecret is one HS256 secret of an API, sealed; two may live at once.
type APISecret struct {
	ID, APIID, KID string
	Sealed         []byte
	CreatedAt      time.Time
	SignsFrom      time.Time // until then an older one signs, if there is one
	ExpiresAt      time.Time // zero: none
}

// Mode says how a session's credentials travel.
type Mode string

// The modes of POST /v1/login.
const (
	ModeToken   Mode = "token"   // both tokens in the body
	ModeCookie  Mode = "cookie"  // both tokens in HttpOnly cookies
	ModeSession Mode = "session" // one opaque HttpOnly cookie, no JWT
)

// Session is one sign-in at one device.
type Session struct {
	ID             string // PrefixSession
	UserID         string
	CookieHash     []byte // SHA-256 of the opaque cookie in ModeSession, else nil
	AuthTime       time.Time
	AMR            []string
	ACR            string
	Device         string // the User-Agent, cut to 256 bytes
	Address        string
	CreatedAt      time.Time
	LastSeenAt     time.Time
	IdleExpiry     time.Time
	AbsoluteExpiry time.Time
	EndedAt        time.Time // zero: alive
	EndReason      string
}

// Grant is what one client holds of a session: one row, updated in place.
type Grant struct {
	ID             string // 128 random bits: the sid claim
	SessionID      string
	ClientID       string
	UserID         string
	Audience       string // of the sign-in; a refresh may name another
	OrgID          string
	Scope          []string
	Mode           Mode
	HandleHash     []byte // SHA-256 of the refresh token's handle; nil in ModeSession
	Rotation       Rotation
	UserEpoch      string // the user's epoch when the grant began
	ClientEpoch    string
	IdleExpiry     time.Time
	AbsoluteExpiry time.Time
	DPoPThumbprint string
	StatusIndex    StatusIndex // 0: none
	Mark           time.Time   // no access token of this grant expires later
	AuthTime       time.Time   // when the person signed in that it was begun for; zero: as the session says
	CreatedAt      time.Time
	EndedAt        time.Time
	EndReason      string
}

// Rotation is the part of a grant that a refresh replaces, compared as a whole
// and swapped in one statement.
type Rotation struct {
	Confirmed  uint64    // the highest generation ever presented
	Current    uint64    // the latest issued
	IssuedAt   time.Time // when Current was issued
	Recoveries uint64
	TagKey     uint32 // the number of the key that tagged Current
}

// Key is a row of the keyring.
type Key struct {
	ID             string // the kid; for KeyTag the decimal number
	Purpose        KeyPurpose
	Number         uint32 // of a KeyTag, from 1; unique
	Algorithm      jwk.Algorithm
	State          KeyState
	Public         []byte // JWK; nil for KeyTag
	Sealed         []byte // the private part, or nil for a key kept elsewhere
	CreatedAt      time.Time
	SignsFrom      time.Time
	PublishedUntil time.Time // zero while open; fixed when the key retires
	Mark           time.Time // no token signed by it expires later
}

// Heirs take the place of all keys and secrets that are revoked at once.
type Heirs struct {
	Keys    []Key
	Secrets []APISecret // those of APIs that are gone meanwhile are left out
	Events  []Event     // for the audit, of each of them
}

// LogMemory is how much longer than the tokens in its scope an entry of the
// revocation log is kept, and a retired key published: the leeway that verifiers
// may allow, and the difference of their clocks.
const LogMemory = 120 * time.Second

// KeyPurpose keeps keys apart by what they are good for.
type KeyPurpose string

// KeyState is a signing key's place in its life.
type KeyState string

// Purposes and states.
const (
	KeySign KeyPurpose = "sign" // access and ID tokens; published in the JWKS
	KeyTag  KeyPurpose = "tag"  // the HMAC of refresh tokens; never published
	KeyLog  KeyPurpose = "log"  // heads of the revocation log

	KeyNext    KeyState = "next"
	KeySigning KeyState = "signing"
	KeyRetired KeyState = "retired"
	KeyRevoked KeyState = "revoked" // published no more, whatever a clock says
)

// Event is a line of the audit: who did what to whom, from where, with which
// verdict and why. It never holds a token, a secret or a password.
type Event struct {
	ID      int64
	At      time.Time
	Actor   string // a user's or client's id, "operator" for the local CLI, "" for a stranger
	Action  string // "session.begin", "grant.recover", "grant.theft", "user.create", …
	Target  string // the id acted upon
	Address string
	Verdict string // "allowed" or "refused"
	Reason  string
}
