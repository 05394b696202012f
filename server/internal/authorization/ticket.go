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

// Hint reads an ID token that a client sends back to say whom it means. It may
// have expired long ago; nil if it is none of ours.
func (s *Service) Hint(ctx context.Context, token string) (*jwt.IDClaims, error) {
	u, err := jwt.DecodeUnverified(token)
	if err != nil {
		return nil, nil
	}
	var at struct {
		IssuedAt jwt.NumericDate `json:"iat"`
	}
	if json.Unmarshal(u.Payload(), &at) != nil {
		return nil, nil
	}
	verifier, err := jwt.NewVerifier[jwt.IDClaims](s.Keys, jwt.Expect{
		Issuer: s.Issuer, AnyAudience: true, Type: "JWT", Required: []string{"sub", "sid", "iat"},
		// As it was when the token was made; the signature says that this is true.
		Now: func() time.Time { return at.IssuedAt.Time() },
	})
	if err != nil {
		return nil, err
	}
	tok, err := verifier.Verify(ctx, token)
	if errors.Is(err, jwt.ErrUnavailable) {
		return nil, err
	}
	if err != nil {
		return nil, nil
	}
	claims := tok.Claims()
	return &claims, nil
}
