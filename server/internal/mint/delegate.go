package mint

import (
	"slices"

	"github.com/writ-auth/writ/server/internal/auth"
)

// Delegate is a client that acts for whom the token is about (RFC 8693).
type Delegate struct {
	Client auth.Client // who gets the token: its client_id
	Actor  *Actor      // the act claim
	// Epochs end the token besides those of the grant: of everybody who acts, and
	// of whoever the token came through.
	Epochs []string
}

// Actor is an act claim (RFC 8693, section 4.1): who acts now, and within it who
// did before.
type Actor struct {
	Subject string `json:"sub"`
	Before  *Actor `json:"act,omitempty"`
}

// Depth counts the actors.
func (a *Actor) Depth() int {
	n := 0
	for ; a != nil; a = a.Before {
		n++
	}
	return n
}

func (req *Request) clientID() string {
	if req.Delegate != nil {
		return req.Delegate.Client.ID
	}
	return req.Grant.ClientID
}

// epochs lists what ends the token, each once.
func (req *Request) epochs() []string {
	all := epochs(req.Grant)
	if req.Delegate == nil {
		return all
	}
	for _, epoch := range req.Delegate.Epochs {
		if !slices.Contains(all, epoch) {
			all = append(all, epoch)
		}
	}
	return all
}

// delegate adds the act claim.
func (c *claims) delegate(d *Delegate) {
	if d == nil || d.Actor == nil {
		return
	}
	var out []byte
	depth := 0
	for a := d.Actor; a != nil; a = a.Before {
		if depth > 0 {
			out = append(out, `,"act":`...)
		}
		out = c.quote(append(out, `{"sub":`...), a.Subject)
		depth++
	}
	for range depth {
		out = append(out, '}')
	}
	c.add("act", out)
}
