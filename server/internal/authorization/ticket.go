package authorization

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/writ-auth/writ/internal/base64url"
	"github.com/writ-auth/writ/jwt"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/keyring"
	"github.com/writ-auth/writ/server/internal/mint"
)

// TicketTTL is how long a person may take to sign in and to agree.
const TicketTTL = time.Hour

// What a ticket is for. One kind is never opened as the other.
const (
	ticketRequest = "request"
	ticketLogout  = "logout"
	ticketPushed  = "pushed"
)

// Seal makes the ticket of a request: what was checked, as the browser may
// carry it from page to page. It can be neither read nor changed there.
func (s *Service) Seal(req Request) (string, error) { return s.seal(ticketRequest, req) }

func (s *Service) seal(kind string, v any) (string, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	return base64url.Encode(s.Sealer.Seal(keyring.SealTicket, "authorization", kind, plain)), nil
}

// maxTicket is more than the longest request makes.
const maxTicket = 16 << 10

func (s *Service) open(kind, ticket string, v any) error {
	sealed, err := base64url.Decode(ticket)
	if err != nil || len(ticket) > maxTicket {
		return errTicket(err)
	}
	plain, err := s.Sealer.Open(keyring.SealTicket, "authorization", kind, sealed)
	if err != nil {
		return errTicket(err)
	}
	if err := json.Unmarshal(plain, v); err != nil {
		return errTicket(err)
	}
	return nil
}

// errTicket is the one answer to what is no ticket, or too old.
func errTicket(cause error) error {
	return &auth.Error{Code: auth.CodeInvalid, Field: "ticket", Err: cause,
		Message: "This page is too old. Go back to the application and start again."}
}

// Open answers the request of a ticket. The client is looked up anew: what it
// was allowed when the person began may be over.
func (s *Service) Open(ctx context.Context, ticket string) (Request, error) {
	var req Request
	if err := s.open(ticketRequest, ticket, &req); err != nil {
		return Request{}, err
	}
	if age := s.Now().Sub(req.Begun); age > TicketTTL || age < -TicketTTL {
		return Request{}, errTicket(nil)
	}
	return req, s.parties(ctx, &req)
}

// Hint is an ID token that a client sends back to say whom it means.
type Hint struct {
	*jwt.IDClaims // nil: it is none of ours
	// Genuine: we made it. False of one whose key is gone, as it is some hours after
	// it was replaced, while sessions live for weeks. Anybody could have written that:
	// it says no more than any parameter of a request, and may narrow what is done
	// for whoever sends it, but move nobody to do it.
	Genuine bool
}

// ReadHint reads a hint, which may have expired long ago.
func (s *Service) ReadHint(ctx context.Context, token string) (Hint, error) {
	u, err := jwt.DecodeUnverified(token)
	if err != nil {
		return Hint{}, nil
	}
	var at struct {
		IssuedAt jwt.NumericDate `json:"iat"`
	}
	if json.Unmarshal(u.Payload(), &at) != nil {
		return Hint{}, nil
	}
	verifier, err := jwt.NewVerifier[jwt.IDClaims](s.Keys, jwt.Expect{
		Issuer: s.Issuer, AnyAudience: true, Type: mint.TypeID, Required: []string{"sub", "sid", "iat"},
		// As it was when the token was made; the signature says that this is true.
		Now: func() time.Time { return at.IssuedAt.Time() },
	})
	if err != nil {
		return Hint{}, err
	}
	tok, err := verifier.Verify(ctx, token)
	switch {
	case errors.Is(err, jwt.ErrUnavailable):
		return Hint{}, err
	case errors.Is(err, jwt.ErrKey):
		return Hint{IDClaims: s.unproven(u)}, nil
	case err != nil:
		return Hint{}, nil
	}
	claims := tok.Claims()
	return Hint{&claims, true}, nil
}

// unproven answers what a token under a key that is not known says, if it says
// that it is an ID token of ours.
func (s *Service) unproven(u *jwt.Unverified) *jwt.IDClaims {
	var header struct {
		Type string `json:"typ"`
	}
	var claims jwt.IDClaims
	if json.Unmarshal(u.Header(), &header) != nil || header.Type != mint.TypeID || json.Unmarshal(u.Payload(), &claims) != nil ||
		claims.Issuer != s.Issuer || claims.Subject == "" || claims.SessionID == "" {
		return nil
	}
	return &claims
}
