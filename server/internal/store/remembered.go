package store

import (
	lru "container/list"
	"slices"
	"sync"

	"github.com/writ-auth/writ/server/internal/auth"
)

// A node of a fleet remembers the grants that it has refreshed last. When one
// comes back it decides on what it remembers, and sends the change with the
// condition that all of that is still so, in place of reading it before: a
// refresh is one round trip then, and not two. If another node, or anybody else,
// has changed the grant, its session, user, client or roles in between, the
// condition fails, nothing has happened, and the refresh begins anew by reading.
//
// What is remembered is therefore never believed, and needs not be told of
// changes. A refresh that it would refuse, or that would do more than rotate, is
// read as well.

// maxRemembered bounds how many grants that are, at some 2 KB each.
const maxRemembered = 4096

// remembered is what refreshes have read or written last. The grant that was
// used least recently makes room.
type remembered struct {
	mu     sync.Mutex
	byHash map[string]*lru.Element // of memory
	recent *lru.List               // the most recently used first
}

// memory is a grant as it was last.
type memory struct {
	hash    string
	held    auth.Held // of its client what the short query reads; no API
	version int64     // of the client's row
}

// keep remembers what became of a grant.
func (r *remembered) keep(hash []byte, held auth.Held, version int64) {
	c := held.Client
	held.Client = auth.Client{ID: c.ID, Epoch: c.Epoch, Disabled: c.Disabled, Mark: c.Mark}
	held.API = auth.API{}
	held.User.PasswordHash = "" // nobody asks
	m := memory{string(hash), unshared(held), version}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byHash == nil {
		r.byHash, r.recent = make(map[string]*lru.Element), lru.New()
	}
	if e := r.byHash[m.hash]; e != nil {
		e.Value = m
		r.recent.MoveToFront(e)
		return
	}
	if r.recent.Len() >= maxRemembered {
		delete(r.byHash, r.recent.Remove(r.recent.Back()).(memory).hash)
	}
	r.byHash[m.hash] = r.recent.PushFront(m)
}

// find answers what is remembered of a grant.
func (r *remembered) find(hash []byte) (m memory, ok bool) {
	r.mu.Lock()
	e := r.byHash[string(hash)]
	if e != nil {
		m = e.Value.(memory)
	}
	r.mu.Unlock()
	if e != nil {
		m.held = unshared(m.held)
	}
	return m, e != nil
}

// forget is for what turned out to be no longer so.
func (r *remembered) forget(hash []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.byHash[string(hash)]; e != nil {
		r.recent.Remove(e)
		delete(r.byHash, string(hash))
	}
}

// unshared shares no list with h: callers may do with theirs what they like.
func unshared(h auth.Held) auth.Held {
	h.Grant.Scope, h.Session.AMR, h.User.Roles = slices.Clone(h.Grant.Scope), slices.Clone(h.Session.AMR), slices.Clone(h.User.Roles)
	h.Grant.HandleHash, h.Session.CookieHash, h.User.Claims = slices.Clone(h.Grant.HandleHash), slices.Clone(h.Session.CookieHash), slices.Clone(h.User.Claims)
	return h
}
