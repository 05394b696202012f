package authorization

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"time"

	"github.com/writ-auth/writ/internal/base64url"
	"github.com/writ-auth/writ/server/internal/auth"
)

// PushedTTL is how long a pushed request (RFC 9126) may wait for its browser.
const PushedTTL = 90 * time.Second

// pushedPrefix begins every request_uri (RFC 9126, section 2.2).
const pushedPrefix = "urn:ietf:params:oauth:request_uri:"

// A request_uri is the checked request itself, sealed, as the pages' tickets
// are, and not the name of a row: whoever may push, and a public client is
// anybody who says its name, could fill the database with rows. It opens on
// every node. What makes it good but once is written when a code is made for it:
// so a page that is loaded again before that is no second use, and two codes
// for one request there never are.

// Push checks the parameters of a request as Parse does, and answers the
// request_uri by which the client's browsers may bring it. A *[Refusal] and
// every other error is for the client, which has authenticated.
func (s *Service) Push(ctx context.Context, clientID string, params map[string]string) (string, error) {
	switch {
	case params["request_uri"] != "":
		return "", refuse("invalid_request", "A request_uri can't be pushed.")
	case params["client_id"] != "" && params["client_id"] != clientID:
		return "", refuse("invalid_request", "client_id is another client than the one that authenticated.")
	}
	own := map[string]string{}
	for name, value := range params {
		own[name] = value
	}
	own["client_id"] = clientID
	req, err := s.parse(ctx, own)
	if err != nil {
		return "", err
	}
	ticket, err := s.seal(ticketPushed, req)
	return pushedPrefix + ticket, err
}

// pushed answers the request that a browser brings by its request_uri; what else
// is in the address counts for nothing (RFC 9101, section 6.3). An error stays on
// our own page: where to return to is in what doesn't open.
func (s *Service) pushed(ctx context.Context, params map[string]string) (Request, error) {
	var req Request
	ticket := strings.TrimPrefix(params["request_uri"], pushedPrefix)
	if err := s.open(ticketPushed, ticket, &req); err != nil {
		return Request{}, errPushed(err)
	}
	now := s.Now()
	if age := now.Sub(req.Begun); age >= PushedTTL || age < -PushedTTL {
		return Request{}, errPushed(nil)
	}
	if req.ClientID != params["client_id"] {
		return Request{}, errPushed(errors.New("another client's"))
	}
	sum := sha256.Sum256([]byte("pushed " + ticket))
	req.Pushed, req.Begun = base64url.Encode(sum[:]), now.Truncate(time.Microsecond)
	return req, s.parties(ctx, &req)
}

func errPushed(cause error) error {
	return &auth.Error{Code: auth.CodeInvalid, Field: "request_uri", Err: cause,
		Message: "This request is too old, or was used. Go back to the application and start again."}
}

// addCode stores the code of a request; of a pushed one the first alone.
func (s *Service) addCode(ctx context.Context, req Request, code auth.AuthorizationCode) error {
	if req.Pushed == "" {
		return s.Codes.AddCode(ctx, code)
	}
	once, err := base64url.Decode(req.Pushed)
	if err != nil || len(once) != sha256.Size {
		return errors.New("authorization: a ticket names its request wrongly")
	}
	// As long as any page of it may be open: one that is loaded at the very end of
	// its life is good for as long as every ticket.
	first, err := s.Codes.AddCodeOnce(ctx, code, [32]byte(once), s.Now().Add(PushedTTL+TicketTTL))
	if err == nil && !first {
		err = errPushed(nil)
	}
	return err
}
