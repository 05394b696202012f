package store

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

// maxRegistrations bounds the memory; when it is full it starts anew.
const maxRegistrations = 4096

// registry keeps clients as they are asked for at every request of a service.
// Whatever changes one is a transaction that says whom it concerns
// (tx.concerns); they are forgotten after the commit and before the answer. So
// whoever asks after a change was answered gets it. Other nodes forget all
// clients as they hear of the commit, and answer from memory only while they
// would hear of one.
type registry struct {
	mu      sync.RWMutex
	changes uint64 // what was read before a change must not be kept after it
	byID    map[string]*auth.Registration
	apis    map[string]*auth.API // by audience; a zero one says that there is none
}

func (r *registry) find(id string) (found *auth.Registration, changes uint64) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.byID[id], r.changes
}

func (r *registry) keep(found *auth.Registration, changes uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.changes != changes {
		return
	}
	if r.byID == nil || len(r.byID) >= maxRegistrations {
		r.byID = make(map[string]*auth.Registration)
	}
	r.byID[found.Client.ID] = found
}

// findAPI and keepAPI are find and keep for the API of an audience. Who gets
// one must not change what it refers to.
func (r *registry) findAPI(audience string) (found *auth.API, changes uint64) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.apis[audience], r.changes
}

func (r *registry) keepAPI(audience string, found *auth.API, changes uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.changes != changes {
		return
	}
	if r.apis == nil || len(r.apis) >= maxRegistrations {
		r.apis = make(map[string]*auth.API)
	}
	r.apis[audience] = found
}

// forget drops clients, all of them where one is everyClient.
func (r *registry) forget(ids []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changes++
	if slices.Contains(ids, everyClient) { // which a change of an API says, too
		clear(r.byID)
		clear(r.apis)
	}
	for _, id := range ids {
		delete(r.byID, id)
	}
}

// everyClient is no client's id.
const everyClient = ""

// concerns notes whose registration the transaction changes.
func (t *tx) concerns(clientID string) { t.changed = append(t.changed, clientID) }

// Registration implements auth.Registry.
func (s *Store) Registration(ctx context.Context, clientID string) (*auth.Registration, error) {
	if err := s.link.check(); err != nil {
		return nil, err
	}
	kept, changes := s.registry.find(clientID)
	if kept != nil {
		return kept, nil
	}
	found, err := s.readRegistration(ctx, clientID)
	if err != nil {
		return nil, err
	}
	s.registry.keep(found, changes)
	return found, nil
}

func (s *Store) readRegistration(ctx context.Context, clientID string) (*auth.Registration, error) {
	c, err := s.ClientByID(ctx, clientID)
	if err != nil {
		return nil, err
	}
	found := &auth.Registration{Client: c}
	if found.Secrets, err = s.ClientSecrets(ctx, clientID, s.now()); err != nil {
		return nil, err
	}
	for _, audience := range c.Audiences {
		api, err := s.APIByAudience(ctx, audience)
		if errors.Is(err, auth.ErrNotFound) || err == nil && api.Audience != audience {
			continue
		}
		if err != nil {
			return nil, err
		}
		found.APIs = append(found.APIs, api)
	}
	return found, nil
}

// AddClientSecret implements auth.ClientSecrets.
func (s *Store) AddClientSecret(ctx context.Context, secret auth.ClientSecret, ev auth.Event) error {
	const live = `SELECT COUNT(*) FROM client_secrets WHERE client_id = $1 AND (expires_at = 0 OR expires_at > $2)`
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		if err := t.needs(ctx, `SELECT 1 FROM clients WHERE id = $1`, secret.ClientID); err != nil {
			return err
		}
		var n int64
		if err := t.get(ctx, []any{&n}, live, secret.ClientID, micros(t.now)); err != nil {
			return err
		}
		if n >= auth.MaxClientSecrets {
			return &auth.ConflictError{Field: "secret"}
		}
		if err := t.insertClientSecret(ctx, secret); err != nil {
			return err
		}
		t.concerns(secret.ClientID)
		return t.record(ctx, ev)
	})
}

func (t *tx) insertClientSecret(ctx context.Context, secret auth.ClientSecret) error {
	const insert = `INSERT INTO client_secrets (id, client_id, hash, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)`
	_, err := t.exec(ctx, insert, secret.ID, secret.ClientID, secret.Hash[:], t.since(secret.CreatedAt), micros(secret.ExpiresAt))
	return err
}

// RemoveClientSecret implements auth.ClientSecrets.
func (s *Store) RemoveClientSecret(ctx context.Context, clientID, secretID string, ev auth.Event) error {
	const remove = `DELETE FROM client_secrets WHERE client_id = $1 AND id = $2`
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		if err := found(t.exec(ctx, remove, clientID, secretID)); err != nil {
			return err
		}
		t.concerns(clientID)
		return t.record(ctx, ev)
	})
}

// useOnce changes no row if the client has used the hash before.
const useOnce = `INSERT INTO used_assertions (client_id, hash, expires_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`

// UseAssertion implements auth.Assertions.
func (s *Store) UseAssertion(ctx context.Context, clientID string, hash [32]byte, expiry time.Time) (fresh bool, err error) {
	err = s.single(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, useOnce, clientID, hash[:], micros(expiry))
		fresh = n > 0
		return err
	})
	return fresh && err == nil, err
}
