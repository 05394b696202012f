package directory

import (
	"context"

	"github.com/writ-auth/writ/server/internal/auth"
)

// ClientSecrets lists the live secrets of a client, the newest first: which
// there are, not what they are, which nobody can say any more.
func (s *Service) ClientSecrets(ctx context.Context, clientID string) ([]auth.ClientSecret, error) {
	if _, err := s.Client(ctx, clientID); err != nil {
		return nil, err
	}
	return s.Directory.ClientSecrets(ctx, clientID, s.Now())
}

// AddClientSecret makes a further secret for a client, so that it can go over
// to the new one while the old one is still good. It is answered here and never
// again. A third live one is CodeConflict: remove the old one first.
func (s *Service) AddClientSecret(ctx context.Context, actor Actor, clientID string) (text string, row auth.ClientSecret, err error) {
	c, a, err := s.reachClient(ctx, actor, "client.secret.add", clientID)
	if err != nil {
		return "", row, err
	}
	if !hasSecret(c) {
		return "", row, auth.Invalid("id", "this client authenticates with %s, not with a secret", c.TokenEndpointAuthMethod)
	}
	c.CreatedAt = s.Now()
	text, made := newClientSecret(c)
	return text, *made, failed(s.Secrets.AddClientSecret(ctx, *made, s.event(a)), "client")
}

// RemoveClientSecret ends a secret at once. Tokens that were got with it live
// on: whoever stole it may have some, so that a leak wants the client's tokens
// revoked as well.
func (s *Service) RemoveClientSecret(ctx context.Context, actor Actor, clientID, secretID string) error {
	_, a, err := s.reachClient(ctx, actor, "client.secret.remove", clientID)
	if err != nil {
		return err
	}
	return failed(s.Secrets.RemoveClientSecret(ctx, clientID, secretID, s.event(a)), "secret")
}
