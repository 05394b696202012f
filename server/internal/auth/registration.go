package auth

import (
	"context"
	"slices"
	"strings"
	"time"
)

// Methods by which a client authenticates at the endpoints under /oauth (RFC
// 7591, section 2).
const (
	AuthSecretBasic   = "client_secret_basic"
	AuthSecretPost    = "client_secret_post"
	AuthPrivateKeyJWT = "private_key_jwt"
	AuthNone          = "none" // a public client: it has only its name
)

// Registration is a client with all that its requests at /oauth need to know.
// It is shared by everybody who asks for it: nobody may change it.
type Registration struct {
	Client  Client
	Secrets []ClientSecret // the newest first; an ExpiresAt may have passed since it was read
	APIs    []API          // those of Client.Audiences that exist, in that order
}

// API answers the API of an audience that the client may ask tokens for; nil if
// it may not, or there is no such API any more.
func (r *Registration) API(audience string) *API {
	for i := range r.APIs {
		if r.APIs[i].Audience == audience {
			return &r.APIs[i]
		}
	}
	return nil
}

// ScopesOf leaves of a client's scopes those that the API has, where it says
// which. What is reserved for Writ itself is in no token for an API.
func (a API) ScopesOf(scopes []string) []string {
	var out []string
	for _, name := range scopes {
		if (len(a.Scopes) == 0 || slices.Contains(a.Scopes, name)) && !strings.HasPrefix(name, ReservedPrefix) {
			out = append(out, name)
		}
	}
	return out
}

// Registry answers registrations from memory where it can.
type Registry interface {
	// Registration answers the client of an id. It reflects every change that
	// was answered before it was called. ErrNotFound costs a look-up in the
	// database each time.
	Registration(ctx context.Context, clientID string) (*Registration, error)
}

// Assertions remembers what clients may use but once.
type Assertions interface {
	// UseAssertion notes, durably, that a client used the assertion whose jti
	// has the SHA-256 hash, and remembers it until expiry. False if it had been
	// used before: of any number of calls at once exactly one answers true.
	UseAssertion(ctx context.Context, clientID string, hash [32]byte, expiry time.Time) (fresh bool, err error)
}

// MaxClientSecrets is how many secrets of a client may live at once: the old
// one and the new one, during a change.
const MaxClientSecrets = 2

// ClientSecrets changes the secrets of clients.
type ClientSecrets interface {
	// AddClientSecret stores a further secret. With MaxClientSecrets alive it is
	// a *ConflictError, without such a client ErrNotFound.
	AddClientSecret(ctx context.Context, s ClientSecret, ev Event) error
	// RemoveClientSecret ends a secret at once.
	RemoveClientSecret(ctx context.Context, clientID, secretID string, ev Event) error
}

// Grant types of the token endpoint by which services get tokens.
const (
	GrantClientCredentials = "client_credentials"
	GrantJWTBearer         = "urn:ietf:params:oauth:grant-type:jwt-bearer"     // RFC 7523, section 2.1
	GrantTokenExchange     = "urn:ietf:params:oauth:grant-type:token-exchange" // RFC 8693
)
