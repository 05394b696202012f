package main

import (
	"crypto/rand"
	"sync"
	"time"
)

// pending is a sign-in that has begun.
type pending struct {
	state, nonce, verifier string
	begun                  time.Time
}

// session is somebody who is signed in here.
type session struct {
	name, sid string
	tokens    tokens
	begun     time.Time
}

// What is kept for how long. An application that holds more than an example
// keeps it in its database.
const (
	signInTime  = 10 * time.Minute
	sessionTime = 8 * time.Hour
)

// sessions remembers, under random names that the browsers' cookies have.
type sessions struct {
	mu      sync.Mutex
	now     func() time.Time
	waiting map[string]pending
	open    map[string]session
}

func newSessions(now func() time.Time) *sessions {
	return &sessions{now: now, waiting: map[string]pending{}, open: map[string]session{}}
}

// begin remembers a sign-in, under its state.
func (s *sessions) begin() pending {
	s.mu.Lock()
	defer s.mu.Unlock()
	for state, p := range s.waiting {
		if s.now().Sub(p.begun) > signInTime {
			delete(s.waiting, state)
		}
	}
	p := pending{state: rand.Text(), nonce: rand.Text(), verifier: rand.Text() + rand.Text(), begun: s.now()}
	s.waiting[p.state] = p
	return p
}

// take answers a sign-in that has begun, once.
func (s *sessions) take(state string) (pending, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.waiting[state]
	delete(s.waiting, state)
	return p, ok && s.now().Sub(p.begun) <= signInTime
}

// add opens a session and answers its name.
func (s *sessions) add(in session) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := rand.Text()
	in.begun = s.now()
	s.open[id] = in
	return id
}

func (s *sessions) get(id string) (session, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.open[id]
	if ok && s.now().Sub(found.begun) > sessionTime {
		delete(s.open, id)
		return session{}, false
	}
	return found, ok
}

func (s *sessions) end(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, id)
}

// endAll ends the sessions that began with one sign-in at the issuer, and
// answers how many that were.
func (s *sessions) endAll(sid string) (ended int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, in := range s.open {
		if in.sid == sid {
			delete(s.open, id)
			ended++
		}
	}
	return ended
}
