// Package backchannel tells applications that a session is over (OpenID Connect
// Back-Channel Logout 1.0).
//
// What is to be told is in the database: the very transaction that ends a grant,
// for whatever cause, leaves a row where its client has a
// backchannel_logout_uri. So a log-out never waits for an application, and what
// a server that is stopped or dies had yet to tell another tells, or the same
// when it is back.
//
// Promised is this: each application is told at least once, if it answers
// within [Tries] tries over a quarter of an hour; in all likelihood exactly
// once, since of a fleet's nodes one tells, and a second telling, after a crash
// or an answer that was lost, carries the same jti. The first try follows the
// end at once. Applications have lanes of their own: one that is slow or gone
// keeps nobody else waiting.
//
// What is not told: that a session ran out of time, that an application ended
// its own grant (RFC 7009), and that everything of a client was ended or the
// client disabled or deleted, which is a matter between the administrator and
// that client. A restored back-up knows no sessions, and so of none to tell.
package backchannel

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/keyring"
	"github.com/writ-auth/writ/server/internal/mint"
)

const (
	// Tries is how often an application is told of one log-out.
	Tries = 6

	lookEvery = time.Second      // should the news of an end be lost
	lanes     = 64               // applications told at once
	perLane   = 8                // log-outs on their way to one of them
	callTime  = 5 * time.Second  // of one try
	leaseTime = 40 * time.Second // before another node takes over what one claimed
	tooLate   = time.Hour        // an application that was away for so long is told nothing
	maxAnswer = 4 << 10          // bytes read of an answer, so that its connection can be used again
)

// Options are what a Service is made of; every field is required.
type Options struct {
	Logouts  auth.Logouts
	Clients  auth.Registry
	Marks    Marks
	Keys     *keyring.Ring
	Mint     *mint.Mint
	Outbound *http.Client
	News     func() <-chan struct{} // closed when something may have ended; see auth.Log.Published
	Logger   *slog.Logger
	Now      func() time.Time
}

// Marks remembers until when a key must stay published.
type Marks interface {
	Raise(ctx context.Context, marks auth.Marks) error
}

// Service delivers log-outs while it runs.
type Service struct {
	Options
	mu   sync.Mutex
	busy map[string]bool // clients with a lane
	done chan struct{}   // told when a lane has ended
}

// New makes the service.
func New(opts Options) *Service {
	return &Service{Options: opts, busy: map[string]bool{}, done: make(chan struct{}, 1)}
}

// Run delivers until ctx ends.
func (s *Service) Run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	failing := false
	for ctx.Err() == nil {
		news := s.News() // before looking: what ends meanwhile rings it
		err := s.look(ctx, &running)
		if (err != nil) != failing && ctx.Err() == nil {
			failing = err != nil
			s.say(ctx, err)
		}
		select {
		case <-news:
		case <-s.done:
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// say tells the operator that log-outs can't be read, or can again: once, for
// somebody looks each second.
func (s *Service) say(ctx context.Context, err error) {
	if err != nil {
		s.Logger.WarnContext(ctx, "log-outs can't be read", "error", err)
		return
	}
	s.Logger.InfoContext(ctx, "log-outs can be read again")
}

// look opens a lane for each client to which something is due.
func (s *Service) look(ctx context.Context, running *sync.WaitGroup) error {
	clients, _, err := s.Logouts.DueLogouts(ctx, s.Now())
	for _, id := range clients {
		if s.enter(id) {
			running.Go(func() {
				err := s.lane(ctx, id)
				if err != nil && ctx.Err() == nil {
					s.Logger.WarnContext(ctx, "log-outs can't be delivered", "client", id, "error", err)
				}
				s.leave(id, err == nil)
			})
		}
	}
	return err
}

func (s *Service) enter(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy[id] || len(s.busy) >= lanes {
		return false
	}
	s.busy[id] = true
	return true
}

// leave closes a lane. After a failure of our own storage nobody looks again at
// once.
func (s *Service) leave(id string, again bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.busy, id)
	if !again {
		return
	}
	select {
	case s.done <- struct{}{}:
	default:
	}
}

// lane tells one client of what is due to it, some at a time.
func (s *Service) lane(ctx context.Context, id string) error {
	for ctx.Err() == nil {
		now := s.Now()
		claimed, err := s.Logouts.ClaimLogouts(ctx, id, now, now.Add(leaseTime), perLane)
		if err != nil || len(claimed) == 0 {
			return err
		}
		client, err := s.Clients.Registration(ctx, id)
		if err != nil {
			return err
		}
		var all sync.WaitGroup
		failed := make(chan error, len(claimed))
		for _, l := range claimed {
			all.Go(func() { failed <- s.settle(ctx, client.Client, l) })
		}
		all.Wait()
		for range claimed {
			if err := <-failed; err != nil {
				return err
			}
		}
	}
	return nil
}

// settle tells a client of one log-out and notes what came of it. One that
// asked not to be told any more has none.
func (s *Service) settle(ctx context.Context, client auth.Client, l auth.Logout) error {
	outcome := verdict{told: true}
	if client.BackchannelLogoutURI != "" && !client.Disabled {
		outcome = s.tell(ctx, client, l)
	}
	stopped := ctx.Err() != nil && !outcome.told
	ctx = context.WithoutCancel(ctx) // what happened is noted, also by a server that stops
	now := s.Now()
	switch {
	case outcome.told:
		return s.Logouts.SettleLogout(ctx, l.GrantID, time.Time{}, nil)
	case stopped:
		return s.Logouts.SettleLogout(ctx, l.GrantID, now, nil)
	case outcome.final, l.Attempts >= Tries, now.Sub(l.EndedAt) >= tooLate:
		ev := auth.Event{At: now, Action: "logout.undelivered", Target: client.ID, Verdict: "refused", Reason: outcome.reason}
		return s.Logouts.SettleLogout(ctx, l.GrantID, time.Time{}, &ev)
	}
	return s.Logouts.SettleLogout(ctx, l.GrantID, now.Add(pause(l.Attempts)), nil)
}

// pause is how long after so many tries the next one is made.
func pause(attempts int) time.Duration {
	pauses := []time.Duration{time.Second, 5 * time.Second, 30 * time.Second, 3 * time.Minute, 10 * time.Minute}
	return pauses[min(max(attempts, 1), len(pauses))-1]
}

// verdict is what came of one try.
type verdict struct {
	told   bool
	final  bool   // the application refused
	reason string // for the audit
}

// tell makes one try. Nothing of what the application answers is repeated
// anywhere but its status.
func (s *Service) tell(ctx context.Context, client auth.Client, l auth.Logout) verdict {
	if s.Now().Sub(l.EndedAt) >= tooLate {
		return verdict{final: true, reason: "too late"}
	}
	token, err := s.token(ctx, client, l)
	if err != nil {
		s.Logger.WarnContext(ctx, "a log-out token can't be made", "client", client.ID, "error", err)
		return verdict{reason: "no token"}
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	body := url.Values{"logout_token": {token}}.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, client.BackchannelLogoutURI, strings.NewReader(body))
	if err != nil {
		return verdict{final: true, reason: "its address"}
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("User-Agent", "writ")
	answer, err := s.Outbound.Do(r)
	if err != nil {
		return verdict{reason: "unreachable"}
	}
	_, _ = io.CopyN(io.Discard, answer.Body, maxAnswer)
	_ = answer.Body.Close()
	switch {
	case answer.StatusCode/100 == 2:
		return verdict{told: true}
	case answer.StatusCode == http.StatusBadRequest: // section 2.8: it has judged the token
		return verdict{final: true, reason: "status 400"}
	}
	return verdict{reason: fmt.Sprintf("status %d", answer.StatusCode)}
}

// token makes the log-out token. That its key stays published as long is durable
// first.
func (s *Service) token(ctx context.Context, client auth.Client, l auth.Logout) (string, error) {
	token, err := s.Mint.LogoutToken(ctx, client, l, s.Now())
	if err != nil || s.Keys.Marked(token.KID, token.Expiry) {
		return token.Token, err
	}
	marks := auth.Marks{Expiry: token.Expiry.Add(time.Hour - 1).Truncate(time.Hour), KID: token.KID}
	if err := s.Marks.Raise(ctx, marks); err != nil {
		return "", err
	}
	s.Keys.Mark(marks.KID, marks.Expiry)
	return token.Token, nil
}
