package authorization

import (
	"context"
	"errors"

	"github.com/writ-auth/writ/server/internal/auth"
)

// List answers what a person allowed applications.
func (s *Service) List(ctx context.Context, userID string) ([]auth.Consent, error) {
	return s.Consents.Consents(ctx, userID)
}

// Revoke takes back what a person allowed a client: its grants end, and their
// tokens die at every API that follows the log. CodeNotFound if there is nothing.
func (s *Service) Revoke(ctx context.Context, userID, clientID, address string) (uint64, error) {
	now := s.Now()
	seq, err := s.Consents.RevokeConsent(ctx, userID, clientID, now, auth.Event{At: now, Actor: userID, Action: "consent.revoke",
		Target: clientID, Address: address, Verdict: "allowed"})
	if errors.Is(err, auth.ErrNotFound) {
		return 0, auth.Errorf(auth.CodeNotFound, "This application has nothing of yours.")
	}
	return seq, err
}
