package store

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

const clientColumns = `c.id, c.name, c.redirect_uris, c.post_logout_redirect_uris, c.grant_types,
	c.token_endpoint_auth_method, c.jwks, c.jwks_uri, c.scope, c.audiences, c.allowed_origins,
	c.backchannel_logout_uri, c.id_token_alg, c.skip_consent, c.dpop_bound, c.require_pushed,
	c.backchannel_session, c.claims, c.disabled, c.epoch, c.mark, c.created_at, c.updated_at`

const selectClient = `SELECT ` + clientColumns + ` FROM clients c `

func clientDest(c *auth.Client) []any {
	return []any{&c.ID, &c.Name, toJSON(&c.RedirectURIs), toJSON(&c.PostLogoutRedirectURIs), toJSON(&c.GrantTypes),
		&c.TokenEndpointAuthMethod, toRaw(&c.JWKS), &c.JWKSURI, &c.Scope, toJSON(&c.Audiences), toJSON(&c.AllowedOrigins),
		&c.BackchannelLogoutURI, &c.IDTokenAlgorithm, toBool(&c.SkipConsent), toBool(&c.DPoPBound), toBool(&c.RequirePushed),
		toBool(&c.BackchannelSession), toRaw(&c.Claims), toBool(&c.Disabled), &c.Epoch, toTime(&c.Mark), toTime(&c.CreatedAt), toTime(&c.UpdatedAt)}
}

// CreateClient implements auth.Directory.
func (s *Store) CreateClient(ctx context.Context, c auth.Client, secret *auth.ClientSecret, ev auth.Event) error {
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		if err := t.insertClient(ctx, c); err != nil {
			return err
		}
		if secret != nil {
			row := *secret
			row.ClientID = c.ID
			if err := t.insertClientSecret(ctx, row); err != nil {
				return err
			}
		}
		return t.record(ctx, ev)
	})
}

func (t *tx) insertClient(ctx context.Context, c auth.Client) error {
	const insert = `INSERT INTO clients (id, name, name_key, redirect_uris, post_logout_redirect_uris, grant_types,
		token_endpoint_auth_method, jwks, jwks_uri, scope, audiences, allowed_origins, backchannel_logout_uri,
		claims, disabled, epoch, mark, created_at, updated_at, id_token_alg, skip_consent, dpop_bound,
		require_pushed, backchannel_session)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)`
	if c.Epoch == "" {
		return errors.New("store: a client needs an epoch")
	}
	_, err := t.exec(ctx, insert, c.ID, c.Name, fold(c.Name), encoded(c.RedirectURIs), encoded(c.PostLogoutRedirectURIs),
		encoded(c.GrantTypes), c.TokenEndpointAuthMethod, raw(c.JWKS), c.JWKSURI, c.Scope, encoded(c.Audiences),
		encoded(c.AllowedOrigins), c.BackchannelLogoutURI, raw(c.Claims), bit(c.Disabled), c.Epoch, micros(c.Mark),
		t.since(c.CreatedAt), t.since(c.UpdatedAt), string(c.IDTokenAlgorithm), bit(c.SkipConsent), bit(c.DPoPBound),
		bit(c.RequirePushed), bit(c.BackchannelSession))
	return err
}

// ClientByID implements auth.Directory.
func (s *Store) ClientByID(ctx context.Context, id string) (c auth.Client, err error) {
	err = s.sql.get(ctx, clientDest(&c), selectClient+`WHERE c.id = $1`, id)
	return c, err
}

// Clients implements auth.Directory. Page.Query is a prefix of id or name.
func (s *Store) Clients(ctx context.Context, p auth.Page) ([]auth.Client, string, error) {
	return list(ctx, s.sql, p, clientDest, func(c *auth.Client) string { return c.ID }, selectClient+`
		WHERE c.id > $1 AND ($2 = '' OR LOWER(c.id) LIKE $2 ESCAPE '\' OR c.name_key LIKE $2 ESCAPE '\')
		ORDER BY c.id LIMIT $3`)
}

// UpdateClient implements auth.Directory.
func (s *Store) UpdateClient(ctx context.Context, c auth.Client, read time.Time, end *auth.Ending, now time.Time, ev auth.Event) (seq uint64, err error) {
	const update = `UPDATE clients SET name = $1, name_key = $2, redirect_uris = $3, post_logout_redirect_uris = $4,
		grant_types = $5, token_endpoint_auth_method = $6, jwks = $7, jwks_uri = $8, scope = $9, audiences = $10,
		allowed_origins = $11, backchannel_logout_uri = $12, claims = $13, disabled = $14, updated_at = $15,
		id_token_alg = $16, skip_consent = $17, dpop_bound = $18, require_pushed = $19, backchannel_session = $20,
		version = version + 1 WHERE id = $21 AND updated_at = $22`
	return s.finishing(ctx, now, func(ctx context.Context, t *tx) (out ended, err error) {
		n, err := t.exec(ctx, update, c.Name, fold(c.Name), encoded(c.RedirectURIs), encoded(c.PostLogoutRedirectURIs),
			encoded(c.GrantTypes), c.TokenEndpointAuthMethod, raw(c.JWKS), c.JWKSURI, c.Scope, encoded(c.Audiences),
			encoded(c.AllowedOrigins), c.BackchannelLogoutURI, raw(c.Claims), bit(c.Disabled), micros(now),
			string(c.IDTokenAlgorithm), bit(c.SkipConsent), bit(c.DPoPBound),
			bit(c.RequirePushed), bit(c.BackchannelSession), c.ID, micros(read))
		if err == nil && n == 0 {
			err = cmp.Or(t.needs(ctx, `SELECT 1 FROM clients WHERE id = $1`, c.ID), auth.ErrMoved)
		}
		if err != nil {
			return out, err
		}
		t.concerns(c.ID)
		if end != nil {
			if out, err = t.end(ctx, *end, now); err != nil {
				return out, err
			}
		}
		return out, t.record(ctx, ev)
	})
}

// DeleteClient implements auth.Directory. Every grant of the client is over
// and goes with it. The built-in client can't be deleted.
func (s *Store) DeleteClient(ctx context.Context, id string, now time.Time, ev auth.Event) (seq uint64, err error) {
	if id == auth.ClientWrit {
		return 0, auth.Invalid("client_id", "The client %q is built in and can't be deleted.", id)
	}
	over := auth.Ending{ClientID: id, NewEpoch: auth.Random128(), Reason: "deleted"}
	if err := s.dropGrants(ctx, over, now); err != nil {
		return 0, err
	}
	return s.finishing(ctx, now, func(ctx context.Context, t *tx) (ended, error) {
		out, err := t.end(ctx, over, now)
		if err != nil {
			return out, err
		}
		if err := found(t.exec(ctx, `DELETE FROM clients WHERE id = $1`, id)); err != nil {
			return out, err
		}
		return out, t.record(ctx, ev)
	})
}

// dropGrants ends a client with very many grants and removes them before the
// client, some at a time: all other writers would wait for the client to go
// with a million of them, longer than a statement may take.
func (s *Store) dropGrants(ctx context.Context, over auth.Ending, now time.Time) error {
	const (
		step = 1000
		many = `SELECT 1 FROM grants WHERE client_id = $1 LIMIT 1 OFFSET $2`
		drop = `DELETE FROM grants WHERE id IN (SELECT id FROM grants WHERE client_id = $1 LIMIT $2)`
	)
	if more, err := s.sql.exists(ctx, many, over.ClientID, step); err != nil || !more {
		return err
	}
	over.NewEpoch = auth.Random128()
	err := s.write(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.end(ctx, over, now)
		return err
	})
	for n := int64(step); n == step && err == nil; {
		err = s.write(ctx, func(ctx context.Context, t *tx) (err error) {
			n, err = t.exec(ctx, drop, over.ClientID, step)
			return err
		})
	}
	return err
}

// ClientSecrets implements auth.Directory.
func (s *Store) ClientSecrets(ctx context.Context, clientID string, now time.Time) ([]auth.ClientSecret, error) {
	const query = `SELECT id, client_id, hash, created_at, expires_at FROM client_secrets
		WHERE client_id = $1 AND (expires_at = 0 OR expires_at > $2) ORDER BY created_at DESC, id DESC`
	return all(ctx, s.sql, clientSecretDest, query, clientID, micros(now))
}

func clientSecretDest(s *auth.ClientSecret) []any {
	return []any{&s.ID, &s.ClientID, toArray(s.Hash[:]), toTime(&s.CreatedAt), toTime(&s.ExpiresAt)}
}
