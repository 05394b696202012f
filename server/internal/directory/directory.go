// Package directory keeps users, roles, organisations, APIs and clients: what
// each may look like, and who may change what.
//
// The rule above all: an administrator grants, resets and edits nothing above
// their own permissions. Who holds writ:admin holds them all; everybody else
// reaches only users and roles whose every permission they have themselves. A
// role's rank is its permissions: one without any outranks nobody.
//
// Doors have checked that the actor may use a route at all; this package judges
// what is done with it. Everything it refuses for rank is in the audit.
package directory

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/keyring"
	"github.com/writ-auth/writ/server/internal/limit"
)

// Options are what a Service is made of. Every field is required but Signup,
// whose strict value is false, and the two after it.
type Options struct {
	Issuer    string
	Users     auth.Users
	Directory auth.Directory
	Secrets   auth.ClientSecrets
	Sessions  auth.Sessions
	Audit     auth.Audit
	Keys      *keyring.Ring
	Passwords Passwords
	Signup    bool // whether strangers may make accounts
	// Probes slows down those who sign up to learn whose addresses are taken.
	// It is not the throttle of sign-in: whoever asks after an address must not
	// be able to slow down its owner's sign-in. Default: this node's own.
	Probes *limit.Throttle
	// Signups bounds how many accounts are made from one address. Default: this
	// node's own.
	Signups *limit.Quota
	Now     func() time.Time
}

// Passwords is the password policy and the hash.
type Passwords interface {
	// Check refuses a password that the policy does, for a person with these names;
	// the error names field.
	Check(field, password string, person ...string) error
	Hash(ctx context.Context, password string) (string, error)
}

// Service is the directory, safe for concurrent use.
type Service struct {
	Options
	// edit serialises what reads a row, judges it and writes it back, so that two
	// such edits at once on this node needn't find out from the store that one has
	// overtaken the other.
	edit sync.Mutex
}

// New makes the service.
func New(opts Options) *Service {
	if opts.Probes == nil {
		opts.Probes = limit.New(opts.Now)
	}
	if opts.Signups == nil {
		opts.Signups = limit.Signups(opts.Now, nil)
	}
	return &Service{Options: opts}
}

// AllowedOrigins lists the exact origins whose pages may use Writ's cookies:
// the issuer's and those of the client "writ".
func (s *Service) AllowedOrigins(ctx context.Context) ([]string, error) {
	client, err := s.Directory.ClientByID(ctx, auth.ClientWrit)
	if err != nil {
		return nil, err
	}
	return append([]string{s.Issuer}, client.AllowedOrigins...), nil
}

// LiveSessions lists a user's sessions that are alive, everybody's for "".
func (s *Service) LiveSessions(ctx context.Context, userID string, p auth.Page) ([]auth.Session, string, error) {
	return s.Sessions.Sessions(ctx, userID, p)
}

// failed turns what a store answers into what a client may know. what is the
// kind of thing that was looked for or made.
func failed(err error, what string) error {
	var conflict *auth.ConflictError
	switch {
	case errors.As(err, &conflict):
		e := auth.Errorf(auth.CodeConflict, "The %s is taken.", conflict.Field)
		e.Field = conflict.Field
		return e
	case errors.Is(err, auth.ErrConflict):
		return auth.Errorf(auth.CodeConflict, "The %s was changed in the meantime.", what)
	case errors.Is(err, auth.ErrNotFound):
		return auth.Errorf(auth.CodeNotFound, "No such %s.", what)
	}
	return err
}

// settled runs an edit, which reads a row and writes it back, again while what it
// had read is changed by other nodes meanwhile (auth.ErrMoved).
func settled(what string, edit func() error) error {
	const maxTries = 100
	for range maxTries {
		if err := edit(); !errors.Is(err, auth.ErrMoved) {
			return err
		}
	}
	return overtaken(what)
}

func overtaken(what string) error {
	return auth.Errorf(auth.CodeConflict, "The %s is being changed by others; try again.", what)
}
