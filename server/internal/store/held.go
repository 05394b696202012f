package store

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

// A grant is read with its session, user and client at every refresh and every
// request that brings a cookie. One statement reads all of it, and so at one
// moment. What a column costs adds up: 15 of them are of a client that hardly
// ever changes, so they are kept (see clientCache) and the short query reads
// instead whether they still hold.
const (
	heldOthers  = `JOIN sessions s ON s.id = g.session_id JOIN users u ON u.id = s.user_id JOIN clients c ON c.id = g.client_id `
	heldFrom    = ` FROM grants g ` + heldOthers
	heldColumns = grantColumns + `, ` + sessionColumns + `, ` + userColumns + `, c.version, `
	heldShort   = heldColumns + `c.id, c.epoch, c.disabled, c.mark`

	selectHeld      = `SELECT ` + heldColumns + clientColumns + heldFrom
	selectHeldShort = `SELECT ` + heldShort + heldFrom

	byHandle = `WHERE g.handle_hash = $1`
	byGrant  = `WHERE g.id = $1`
	byCookie = `WHERE s.cookie_hash = $1 AND g.mode = 'session' ORDER BY g.created_at, g.id LIMIT 1`
)

// HeldByHandle implements auth.Sessions.
func (s *Store) HeldByHandle(ctx context.Context, hash []byte) (auth.Held, error) {
	return s.held(ctx, selectHeldShort+byHandle, selectHeld+byHandle, hash)
}

// HeldByGrant implements auth.Sessions.
func (s *Store) HeldByGrant(ctx context.Context, id string) (auth.Held, error) {
	return s.held(ctx, selectHeldShort+byGrant, selectHeld+byGrant, id)
}

// HeldByCookie implements auth.Sessions.
func (s *Store) HeldByCookie(ctx context.Context, hash []byte) (auth.Held, error) {
	return s.held(ctx, selectHeldShort+byCookie, selectHeld+byCookie, hash)
}

func (s *Store) held(ctx context.Context, short, full string, arg any) (h auth.Held, err error) {
	h.Now = s.now()
	var version int64
	c := &h.Client
	err = s.sql.get(ctx, heldDest(&h, &version, &c.ID, &c.Epoch, toBool(&c.Disabled), toTime(&c.Mark)), short, arg)
	if err != nil {
		return auth.Held{}, err
	}
	if s.clients.complete(c, version) {
		*c = copied(*c)
		return h, nil
	}
	h = auth.Held{Now: s.now()} // all of it again, to be of one moment
	if err := s.sql.get(ctx, heldDest(&h, &version, clientDest(&h.Client)...), full, arg); err != nil {
		return auth.Held{}, err
	}
	s.clients.keep(keptClient{copied(h.Client), version})
	return h, nil
}

func heldDest(h *auth.Held, version *int64, client ...any) []any {
	dest := make([]any, 0, 80)
	dest = append(dest, grantDest(&h.Grant)...)
	dest = append(dest, sessionDest(&h.Session)...)
	dest = append(dest, userDest(&h.User)...)
	dest = append(dest, version)
	return append(dest, client...)
}

// heldScan is where those read to who do it one after the other: to make the
// places of a row's columns anew costs as much as to fill them.
type heldScan struct {
	held                 auth.Held
	version              int64 // of the client's row
	grantRow, sessionRow int64 // on SQLite
	dest                 []any // of the short query, and the rows
}

func newHeldScan() *heldScan {
	s := new(heldScan)
	c := &s.held.Client
	s.dest = heldDest(&s.held, &s.version, &c.ID, &c.Epoch, toBool(&c.Disabled), toTime(&c.Mark), &s.grantRow, &s.sessionRow)
	return s
}

// clear makes room for what is read at a moment.
func (s *heldScan) clear(now time.Time) { s.held = auth.Held{Now: now} }

// short is the places of the short query.
func (s *heldScan) short() []any { return s.dest[:len(s.dest)-2] }

// clientCache keeps what is constant of a client as long as its row has the
// same version and epoch, which every reading compares: a version counts the
// changes of a row, and a row that was deleted and made anew has another epoch.
type clientCache struct {
	mu   sync.Mutex
	byID map[string]keptClient
}

type keptClient struct {
	auth.Client
	version int64
}

// maxClients bounds the cache; it starts anew when it is full.
const maxClients = 1000

// complete fills in c, whose id, epoch, disabled and mark have been read. Its lists
// are shared.
func (k *clientCache) complete(c *auth.Client, version int64) bool {
	k.mu.Lock()
	kept, ok := k.byID[c.ID]
	k.mu.Unlock()
	if !ok || kept.version != version || kept.Epoch != c.Epoch {
		return false
	}
	kept.Disabled, kept.Mark = c.Disabled, c.Mark
	*c = kept.Client
	return true
}

func (k *clientCache) keep(c keptClient) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.byID == nil || len(k.byID) >= maxClients {
		k.byID = make(map[string]keptClient)
	}
	k.byID[c.ID] = c
}

// forget drops all clients.
func (k *clientCache) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.byID)
}

// copied shares no memory with c: callers may do with theirs what they like.
func copied(c auth.Client) auth.Client {
	for _, list := range []*[]string{&c.RedirectURIs, &c.PostLogoutRedirectURIs, &c.GrantTypes, &c.Audiences, &c.AllowedOrigins} {
		*list = slices.Clone(*list)
	}
	c.JWKS, c.Claims = slices.Clone(c.JWKS), slices.Clone(c.Claims)
	return c
}
