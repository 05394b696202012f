package store

import (
	"cmp"
	"context"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

const selectAPI = `SELECT a.id, a.audience, a.name, a.algorithm, a.access_ttl, a.scopes, a.claims, a.renames, a.status_list, a.created_at, a.updated_at
	FROM apis a `

func apiDest(a *auth.API) []any {
	return []any{&a.ID, &a.Audience, &a.Name, &a.Algorithm, toDuration(&a.AccessTTL), toJSON(&a.Scopes), toJSON(&a.Claims),
		toJSON(&a.Renames), toBool(&a.StatusList), toTime(&a.CreatedAt), toTime(&a.UpdatedAt)}
}

// CreateAPI implements auth.Directory.
func (s *Store) CreateAPI(ctx context.Context, a auth.API, secret *auth.APISecret, ev auth.Event) error {
	const insert = `INSERT INTO apis (id, audience, name, name_key, algorithm, access_ttl, scopes, claims, renames, status_list,
		created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		if _, err := t.exec(ctx, insert, a.ID, a.Audience, a.Name, fold(a.Name), string(a.Algorithm), a.AccessTTL.Microseconds(),
			encoded(a.Scopes), encoded(a.Claims), encoded(a.Renames), bit(a.StatusList), t.since(a.CreatedAt), t.since(a.UpdatedAt)); err != nil {
			return err
		}
		t.concerns(everyClient)
		if secret != nil {
			secret.APIID = a.ID
			if err := t.insertAPISecret(ctx, *secret); err != nil {
				return err
			}
		}
		return t.record(ctx, ev)
	})
}

// APIByAudience implements auth.Directory.
func (s *Store) APIByAudience(ctx context.Context, audienceOrID string) (a auth.API, err error) {
	err = s.sql.get(ctx, apiDest(&a), selectAPI+`WHERE a.id = $1 OR a.audience = $1
		ORDER BY CASE WHEN a.id = $1 THEN 0 ELSE 1 END LIMIT 1`, audienceOrID)
	return a, err
}

// APIs implements auth.Directory. Page.Query is a prefix of audience or name.
func (s *Store) APIs(ctx context.Context, p auth.Page) ([]auth.API, string, error) {
	return list(ctx, s.sql, p, apiDest, func(a *auth.API) string { return a.ID }, selectAPI+`
		WHERE a.id > $1 AND ($2 = '' OR LOWER(a.audience) LIKE $2 ESCAPE '\' OR a.name_key LIKE $2 ESCAPE '\')
		ORDER BY a.id LIMIT $3`)
}

// UpdateAPI implements auth.Directory.
func (s *Store) UpdateAPI(ctx context.Context, a auth.API, read time.Time, ev auth.Event) error {
	const update = `UPDATE apis SET audience = $1, name = $2, name_key = $3, algorithm = $4, access_ttl = $5,
		scopes = $6, claims = $7, renames = $8, status_list = $9, updated_at = $10 WHERE id = $11 AND updated_at = $12`
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, update, a.Audience, a.Name, fold(a.Name), string(a.Algorithm), a.AccessTTL.Microseconds(),
			encoded(a.Scopes), encoded(a.Claims), encoded(a.Renames), bit(a.StatusList), micros(t.now), a.ID, micros(read))
		if err == nil && n == 0 {
			err = cmp.Or(t.needs(ctx, `SELECT 1 FROM apis WHERE id = $1`, a.ID), auth.ErrMoved)
		}
		if err != nil {
			return err
		}
		t.concerns(everyClient)
		return t.record(ctx, ev)
	})
}

// DeleteAPI implements auth.Directory. Its secrets go with it.
func (s *Store) DeleteAPI(ctx context.Context, id string, ev auth.Event) error {
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		if err := found(t.exec(ctx, `DELETE FROM apis WHERE id = $1`, id)); err != nil {
			return err
		}
		t.concerns(everyClient)
		return t.record(ctx, ev)
	})
}

func (t *tx) insertAPISecret(ctx context.Context, s auth.APISecret) error {
	const insert = `INSERT INTO api_secrets (id, api_id, kid, sealed, created_at, signs_from, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`
	_, err := t.exec(ctx, insert, s.ID, s.APIID, s.KID, s.Sealed, t.since(s.CreatedAt), micros(s.SignsFrom), micros(s.ExpiresAt))
	return err
}

// AddAPISecret implements auth.Directory.
func (s *Store) AddAPISecret(ctx context.Context, secret auth.APISecret, until time.Time, ev auth.Event) error {
	const (
		two = `SELECT 1 FROM api_secrets WHERE api_id = $1 AND (expires_at = 0 OR expires_at > $2) LIMIT 1 OFFSET 1`
		end = `UPDATE api_secrets SET expires_at = $1 WHERE api_id = $2 AND (expires_at = 0 OR expires_at > $1)`
	)
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		if err := t.needs(ctx, `SELECT 1 FROM apis WHERE id = $1`, secret.APIID); err != nil {
			return err
		}
		full, err := t.exists(ctx, two, secret.APIID, micros(secret.CreatedAt))
		if err != nil {
			return err
		}
		if full {
			return &auth.ConflictError{Field: "secret"}
		}
		if _, err := t.exec(ctx, end, micros(until), secret.APIID); err != nil {
			return err
		}
		if err := t.insertAPISecret(ctx, secret); err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}

// APISecrets implements auth.Directory.
func (s *Store) APISecrets(ctx context.Context, apiID string, now time.Time) ([]auth.APISecret, error) {
	const query = `SELECT id, api_id, kid, sealed, created_at, signs_from, expires_at FROM api_secrets
		WHERE api_id = $1 AND (expires_at = 0 OR expires_at > $2) ORDER BY created_at DESC, id DESC`
	return all(ctx, s.sql, apiSecretDest, query, apiID, micros(now))
}

func apiSecretDest(s *auth.APISecret) []any {
	return []any{&s.ID, &s.APIID, &s.KID, toBytes(&s.Sealed), toTime(&s.CreatedAt), toTime(&s.SignsFrom), toTime(&s.ExpiresAt)}
}
