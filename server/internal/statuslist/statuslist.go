// Package statuslist publishes the Token Status Lists
// (draft-ietf-oauth-status-list): for each grant of an API that asks for it a
// bit, by which a verifier that speaks only standards can tell that a session is
// over before its tokens expire.
//
// A list is one signed JWT for all that stand in it, so that fetching it says
// nothing of whose token was presented. It is as old as its reader's copy, half
// a minute; who follows the revocation log knows in a tenth of a second.
package statuslist

import (
	"bytes"
	"context"
	"math"
	"sync"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/mint"
)

// Type is the typ of a list's header, and with "application/" before it the
// media type.
const Type = "statuslist+jwt"

// How old a list may be. Who keeps to TTL refuses a token at the latest
// BuiltEvery + CachedFor + TTL after its session has ended: 45 s.
const (
	BuiltEvery = 5 * time.Second  // a list is read from the database at most so often
	CachedFor  = 10 * time.Second // in caches on the way
	TTL        = 30 * time.Second // in a verifier (section 13.7)
	Lifetime   = 5 * time.Minute  // exp: a verifier that can't fetch a newer one refuses from then on
)

// readAnew is how often a list is read though nothing was revoked: places become
// free with time alone.
const readAnew = 10 * time.Minute

// Store knows which places are revoked.
type Store interface {
	// StatusLists answers how many lists there are.
	StatusLists(ctx context.Context) (int64, error)
	// RevokedStatuses answers the places of a list whose grants are over, though
	// a token of theirs may be alive at now.
	RevokedStatuses(ctx context.Context, list int64, now time.Time) ([]int64, error)
	// LogPage is the revocation log's: nothing is over before it has an entry.
	LogPage(ctx context.Context, after uint64, limit int, now time.Time) (revlog.Page, error)
}

// Keys has the key that lists are signed with. It is in the key set, with those
// that sign tokens.
type Keys interface {
	Signing(ctx context.Context, alg jwk.Algorithm) (*jwk.PrivateKey, error)
}

// Options are what a Service is made of; every field is required.
type Options struct {
	Issuer string
	Store  Store
	Keys   Keys
	Now    func() time.Time
}

// Service makes lists and keeps them in memory, safe for concurrent use.
type Service struct {
	Options
	mu    sync.Mutex
	lists map[int64]*list
}

// New makes the service.
func New(opts Options) *Service {
	return &Service{Options: opts, lists: make(map[int64]*list)}
}

// All answers the URIs of all lists.
func (s *Service) All(ctx context.Context) ([]string, error) {
	n, err := s.Store.StatusLists(ctx)
	if err != nil {
		return nil, err
	}
	uris := []string{}
	for i := range n {
		uris = append(uris, mint.StatusListURI(s.Issuer, i))
	}
	return uris, nil
}

// Token answers a list as a signed JWT, true at most BuiltEvery ago.
// CodeNotFound if there is none of this number. If the database can't be read
// there is an error and no old list: a verifier has its own copy, and exp tells
// it how long that counts.
func (s *Service) Token(ctx context.Context, number int64) (*Token, error) {
	l, err := s.find(ctx, number)
	if err != nil {
		return nil, err
	}
	select {
	case l.building <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-l.building }()
	return l.current(ctx, s)
}

// find answers the list of a number that exists. What is kept is bounded by how
// many there are.
func (s *Service) find(ctx context.Context, number int64) (*list, error) {
	s.mu.Lock()
	l := s.lists[number]
	s.mu.Unlock()
	if l != nil {
		return l, nil
	}
	n, err := s.Store.StatusLists(ctx)
	if err != nil {
		return nil, err
	}
	if number < 0 || number >= n {
		return nil, auth.Errorf(auth.CodeNotFound, "There is no such status list.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lists[number] == nil {
		s.lists[number] = &list{number: number, building: make(chan struct{}, 1)}
	}
	return s.lists[number], nil
}

// list is one list in memory. Who holds building may touch the rest.
type list struct {
	number   int64
	building chan struct{}

	bits    []byte    // one a place
	log     string    // the revocation log and
	head    uint64    // its head before bits were read
	read    time.Time // when that was
	checked time.Time // when bits were known to be true
	token   *Token
}

// current answers the token, and makes a new one if the old one is not what it
// would say now, or looks old to a reader who counts from iat.
func (l *list) current(ctx context.Context, s *Service) (*Token, error) {
	key, err := s.Keys.Signing(ctx, "")
	if err != nil {
		return nil, err
	}
	changed := l.token == nil || l.token.keyID != key.KeyID() // what a compromised key signed is good for nothing
	now := s.Now()
	if l.bits == nil || now.Sub(l.checked).Abs() >= BuiltEvery {
		different, err := l.check(ctx, s, now)
		if err != nil {
			return nil, err
		}
		changed = changed || different
	}
	if changed || l.checked.Sub(l.token.issued).Abs() >= TTL/2 {
		token, err := sign(key, s.Issuer, l.number, l.bits, l.checked)
		if err != nil {
			return nil, err
		}
		l.token = token
	}
	return l.token, nil
}

// check reads what is revoked, if the log says that it may have changed.
func (l *list) check(ctx context.Context, s *Service, now time.Time) (different bool, err error) {
	page, err := s.Store.LogPage(ctx, math.MaxInt64, 1, now) // before the reading: an entry may come between
	if err != nil {
		return false, err
	}
	if page.Log == l.log && page.Head == l.head && now.Sub(l.read).Abs() < readAnew {
		l.checked = now
		return false, nil
	}
	revoked, err := s.Store.RevokedStatuses(ctx, l.number, now)
	if err != nil {
		return false, err
	}
	bits := bitmap(auth.StatusListSize, revoked)
	different = !bytes.Equal(bits, l.bits)
	l.bits, l.log, l.head, l.read, l.checked = bits, page.Log, page.Head, now, now
	return different, nil
}
