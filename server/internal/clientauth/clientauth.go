// Package clientauth authenticates clients, the applications that ask for
// tokens and about tokens: by a secret (RFC 6749, section 2.3.1) or by an
// assertion that the client signed (RFC 7523, and its revision of 2025, which
// says for whom an assertion must be meant).
//
// A request uses exactly one method, and it must be the one that the client is
// registered with: who stole a secret must not be able to use it in a way that
// the client never does. Everything that is wrong gets one answer, so that
// nobody learns from it which clients exist.
package clientauth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/limit"
)

// Options are what a Service is made of; every field is required.
type Options struct {
	Issuer     string
	Clients    auth.Registry
	Assertions auth.Assertions
	Keys       Keys
	Audit      Audit
	Throttle   *limit.Throttle
	Now        func() time.Time
}

// Keys finds the registered keys of clients.
type Keys interface {
	// Of answers nil for a client that has none.
	Of(c auth.Client) (jwt.KeySource, error)
}

// Audit is told of refusals.
type Audit interface {
	Record(ctx context.Context, ev auth.Event) error
}

// Service authenticates clients. It is safe for concurrent use.
type Service struct {
	Options
	authentication, grant verifiers
	decoy                 *jwk.PublicKey // nobody has its private half
}

// verifiers are for assertions of one purpose.
type verifiers struct {
	plain *jwt.Verifier[jwt.Claims] // without a typ, or with JWT
	typed *jwt.Verifier[jwt.Claims] // those that say what they are
}

func newVerifiers(expect jwt.Expect, typ string) (v verifiers, err error) {
	var err1, err2 error
	expect.Type = "JWT"
	v.plain, err1 = jwt.NewVerifier[jwt.Claims](&jwk.Set{}, expect)
	expect.Type = typ
	v.typed, err2 = jwt.NewVerifier[jwt.Claims](&jwk.Set{}, expect)
	return v, errors.Join(err1, err2)
}

// New makes the service; the error names what is wrong with opts.
func New(opts Options) (*Service, error) {
	expect := jwt.Expect{
		Issuer: opts.Issuer, // replaced by the client's for each assertion
		// The issuer and nothing else: a client that serves two authorization
		// servers, one of them hostile, must not be talked into signing an
		// assertion for the other (the audience injection of 2025).
		Audience: []string{opts.Issuer}, Required: []string{"sub", "jti"},
		Leeway: leeway, MaxSize: maxAssertion, Now: opts.Now,
	}
	authentication, err1 := newVerifiers(expect, typeAssertion)
	expect.Required = []string{"sub"} // RFC 7523, section 3, leaves jti to the client, and some have none
	grant, err2 := newVerifiers(expect, typeGrant)
	decoy, err3 := jwk.Generate(jwk.ES256)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	return &Service{Options: opts, authentication: authentication, grant: grant, decoy: decoy.Public()}, nil
}

// Client is a client that was authenticated. It is shared: nobody may change it.
type Client struct {
	*auth.Registration
	// Method is how. [auth.AuthNone]: it said its name, and nobody vouches for
	// that.
	Method string
}

// methodGrant is a Method that can't be registered: a grant that the client has
// signed (RFC 7523, section 2.1) says who it is, where nothing else does.
const methodGrant = "jwt-bearer"

// ID is the client_id.
func (c Client) ID() string { return c.Client.ID }

// Public says that the client can't authenticate.
func (c Client) Public() bool { return c.Method == auth.AuthNone }

// Serves says whether the client is, among others, the API of an audience: it
// may look into tokens that are for it.
func (c Client) Serves(audience string) bool {
	for _, a := range c.Client.Audiences {
		if a == audience {
			return true
		}
	}
	return false
}

// errClient is the one answer to a client that doesn't exist, is disabled, has
// another method, or whose secret or assertion is wrong.
func errClient() error {
	return auth.Errorf(auth.CodeInvalidCredentials, "Client authentication failed.")
}

// Authenticate answers the client that presents c. CodeInvalid if it presents
// what can't be judged, CodeInvalidCredentials for everything that is wrong
// with the client, "invalid_grant" if that is a grant, and CodeTooMany in their place
// after too many failures.
func (s *Service) Authenticate(ctx context.Context, c Credentials) (Client, error) {
	given, err := c.read()
	if err != nil {
		return Client{}, err
	}
	known, err := s.Clients.Registration(ctx, given.id)
	if err != nil && !errors.Is(err, auth.ErrNotFound) {
		return Client{}, err
	}
	claims, ok, err := s.check(ctx, given, known)
	if err != nil {
		return Client{}, err
	}
	if !ok {
		return Client{}, s.failed(ctx, given, known, c.Address)
	}
	client := Client{known, given.method}
	if claims == nil {
		return client, nil
	}
	return client, s.use(ctx, client, *claims, given.assertion, c.Address, answerTo(given.method))
}

// failed counts a failure and answers it: it slows down who fails, and nobody
// else. Secrets are 256 random bits, and keys no less: whoever has the right one
// has not guessed it, and must not be kept waiting by others at their address, of
// which one may still have the secret of yesterday and try it without end.
func (s *Service) failed(ctx context.Context, given presented, known *auth.Registration, address string) error {
	attempt, err := s.Throttle.Attempt(ctx, given.id, address)
	if err != nil {
		return err
	}
	attempt.Failed()
	return s.refused(ctx, known, address, "credentials", answerTo(given.method))
}

// answerTo is the one answer to whatever is wrong with a client that comes by a
// method.
func answerTo(method string) error {
	if method == methodGrant {
		return errGrant()
	}
	return errClient()
}

// check judges what is given, and answers the claims of an assertion if it is
// one. A client that is not known, is disabled or has another method costs the
// same work as one whose secret is wrong.
func (s *Service) check(ctx context.Context, given presented, known *auth.Registration) (claims *jwt.Claims, ok bool, err error) {
	fits := known != nil && !known.Client.Disabled && known.Client.TokenEndpointAuthMethod == given.method
	if known == nil {
		known = &auth.Registration{}
	}
	switch given.method {
	case auth.AuthPrivateKeyJWT:
		claims, err = s.checkAssertion(ctx, given, known.Client)
		return claims, fits && claims != nil, err
	case methodGrant:
		claims, err = s.checkAssertion(ctx, given, known.Client)
		return claims, claims != nil && MaySign(known.Client), err
	case auth.AuthNone:
	default:
		fits = s.isSecret(given.secret, known.Secrets) && fits
	}
	return nil, fits, nil
}

// isSecret compares as often as a client may have secrets, whether it has them
// or not, and never stops early.
func (s *Service) isSecret(secret string, secrets []auth.ClientSecret) bool {
	sum := sha256.Sum256([]byte(secret))
	now := s.Now()
	found := 0
	for i := range max(auth.MaxClientSecrets, len(secrets)) {
		var hash [32]byte // nothing that can be sent has this hash
		if i < len(secrets) && (secrets[i].ExpiresAt.IsZero() || now.Before(secrets[i].ExpiresAt)) {
			hash = secrets[i].Hash
		}
		found |= subtle.ConstantTimeCompare(sum[:], hash[:])
	}
	return found == 1
}

// refused records a refusal and answers it.
func (s *Service) refused(ctx context.Context, known *auth.Registration, address, reason string, answer error) error {
	ev := auth.Event{At: s.Now(), Action: "client.authenticate", Address: address, Verdict: "refused", Reason: reason}
	if known != nil {
		ev.Target = known.Client.ID
	}
	if err := s.Audit.Record(ctx, ev); err != nil {
		return errors.Join(answer, fmt.Errorf("audit: %w", err))
	}
	return answer
}
