package authorization

import (
	"errors"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/session"
)

// PathDevice is the page where people type what a device shows (RFC 8628).
const PathDevice = "/device"

// Wanted answers what a client asks tokens for, read as in an authorization
// request: an audience, and what the client may have there of the scopes that
// it names. Its error is a *[Refusal].
func (s *Service) Wanted(client *auth.Registration, params map[string]string) (audience string, scope []string, err error) {
	req := Request{Client: client}
	err = s.readTarget(&req, params)
	if err == nil {
		err = readScope(&req, params)
	}
	return req.Audience, req.Scope, err
}

// ForDevice is the ticket of a person who has to sign in before the page about a
// device shows them anything: afterwards they are back there, with the code that
// they came with. It is a request that no client made and no client is answered.
func (s *Service) ForDevice(userCode string) (string, error) {
	if len(userCode) > maxHint {
		userCode = ""
	}
	return s.Seal(Request{Device: true, UserCode: userCode, Begun: s.Now()})
}

// device fills in where such a request leads.
func (s *Service) device(req *Request) {
	req.RedirectURI, req.Mode = s.Issuer+PathDevice, ModeQuery
	req.Client = &auth.Registration{}
}

// backToDevice is the next step of such a request.
func (s *Service) backToDevice(req Request, who *session.Identity) Step {
	if who == nil {
		return Step{Next: NextSignIn}
	}
	a := Answer{RedirectURI: req.RedirectURI, Mode: req.Mode}
	if req.UserCode != "" {
		a.Values = []Value{{"user_code", req.UserCode}}
	}
	return Step{Answer: a}
}

// errDevice is for who takes such a request to a page that isn't about it.
func errDevice() error { return errTicket(errors.New("a device's")) }
