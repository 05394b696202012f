package authorization

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

// Logout is a client's wish that a person be signed out (OpenID Connect
// RP-Initiated Logout 1.0), checked.
type Logout struct {
	Client   *auth.Registration `json:"-"` // nil: nobody knows whose wish it is
	ClientID string             `json:"c,omitempty"`
	ReturnTo string             `json:"r,omitempty"` // "": nowhere
	State    string             `json:"s,omitempty"`
	GrantID  string             `json:"g,omitempty"` // of the ID token that was shown
	Asked    string             `json:"w,omitempty"` // the session that was asked
	Begun    time.Time          `json:"b"`
}

// ParseLogout reads a wish. It never answers an address that isn't registered
// for the client: its errors are for a page of our own.
func (s *Service) ParseLogout(ctx context.Context, params map[string]string) (Logout, error) {
	l := Logout{ClientID: params["client_id"], State: params["state"], Begun: s.Now().Truncate(time.Microsecond)}
	if len(l.State) > maxState {
		return l, auth.Invalid("state", "state is too long")
	}
	if err := s.readLogoutHint(ctx, &l, params["id_token_hint"]); err != nil {
		return l, err
	}
	if err := s.leaver(ctx, &l); err != nil {
		return l, err
	}
	l.ReturnTo = params["post_logout_redirect_uri"]
	return l, l.mayReturn()
}

// mayReturn refuses an address that the client may not, or no longer, have people
// sent to.
func (l Logout) mayReturn() error {
	if l.ReturnTo == "" || l.Client != nil && !l.Client.Client.Disabled && slices.Contains(l.Client.Client.PostLogoutRedirectURIs, l.ReturnTo) {
		return nil
	}
	return auth.Invalid("post_logout_redirect_uri", "The application asked to return to an address that is not registered for it.")
}

// readLogoutHint finds out which client's ID token it is. One that isn't ours
// counts for nothing, and one that nobody can verify any more for the client's
// name, which could as well stand in client_id: then the person is asked.
func (s *Service) readLogoutHint(ctx context.Context, l *Logout, hint string) error {
	if hint == "" {
		return nil
	}
	claims, err := s.ReadHint(ctx, hint)
	if err != nil || claims.IDClaims == nil || len(claims.Audience) != 1 {
		return err
	}
	if l.ClientID != "" && l.ClientID != claims.Audience[0] {
		return auth.Invalid("client_id", "The ID token was made for another application.")
	}
	l.ClientID = claims.Audience[0]
	if claims.Genuine {
		l.GrantID = claims.SessionID
	}
	return nil
}

func (s *Service) leaver(ctx context.Context, l *Logout) error {
	if l.ClientID == "" {
		return nil
	}
	client, err := s.Clients.Registration(ctx, l.ClientID)
	if errors.Is(err, auth.ErrNotFound) {
		return auth.Invalid("client_id", "The application is not known here.")
	}
	l.Client = client
	return err
}

// SealLogout makes the ticket of a wish.
func (s *Service) SealLogout(l Logout) (string, error) { return s.seal(ticketLogout, l) }

// OpenLogout answers the wish of a ticket.
func (s *Service) OpenLogout(ctx context.Context, ticket string) (Logout, error) {
	var l Logout
	if err := s.open(ticketLogout, ticket, &l); err != nil {
		return l, err
	}
	if age := s.Now().Sub(l.Begun); age > TicketTTL || age < -TicketTTL {
		return Logout{}, errTicket(nil)
	}
	if err := s.leaver(ctx, &l); err != nil {
		return l, err
	}
	return l, l.mayReturn()
}

// Meant answers the grant of the ID token that was shown, nil if it is over or
// none was shown.
func (s *Service) Meant(ctx context.Context, l Logout) (*auth.Grant, error) {
	if l.GrantID == "" {
		return nil, nil
	}
	held, err := s.Sessions.HeldByGrant(ctx, l.GrantID)
	if errors.Is(err, auth.ErrNotFound) || err == nil && held.Grant.ClientID != l.ClientID {
		return nil, nil
	}
	return &held.Grant, err
}

// Back is where the browser goes afterwards, "" for nowhere.
func (l Logout) Back() string {
	if l.ReturnTo == "" || l.State == "" {
		return l.ReturnTo
	}
	separator := "?"
	if strings.Contains(l.ReturnTo, "?") {
		separator = "&"
	}
	return l.ReturnTo + separator + "state=" + url.QueryEscape(l.State)
}
