package guard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/writ-auth/writ/internal/strictjson"
	"github.com/writ-auth/writ/jwt"
)

const (
	// maxIntrospections bounds the questions under way at one issuer, which is
	// in trouble when they are asked.
	maxIntrospections = 32
	// introspectionTimeout bounds one of them, waiting for a place included.
	introspectionTimeout = 2 * time.Second
	// maxIntrospectionBytes bounds the answer.
	maxIntrospectionBytes = 64 << 10
)

// checkRevoked refuses a token that was revoked, or of which that can't be
// known, as the rules and the configuration say.
func (a *Access) checkRevoked(ctx context.Context, now time.Time, rules []Rule) error {
	seq := minSeqOf(rules)
	log := a.issuer.log
	if log == nil {
		return a.checkUnfollowed(ctx, now, seq)
	}
	fresh := log.isFresh(now)
	if !fresh {
		a.issuer.awaitFirst(ctx, log.ready)
		fresh = log.isFresh(now)
	}
	reached := seq == 0 || log.reaches(ctx, seq)
	if log.index.revoked(a.ids, &a.checked) {
		return ErrRevoked
	}
	policy := policyOf(rules, a.guard.cfg.Stale)
	switch {
	case reached && (fresh || log.unoffered.Load() || policy == AcceptUntilExpiry):
		return nil
	case policy == Introspect && a.issuer.credentials != nil && !a.signed: // the issuer knows nothing of it
		return a.introspect(ctx, now, seq)
	case !reached:
		return stale("revocations are not applied up to the number that is demanded")
	}
	return stale("revocations are out of date")
}

// checkUnfollowed is checkRevoked where no log is followed.
func (a *Access) checkUnfollowed(ctx context.Context, now time.Time, seq uint64) error {
	switch {
	case a.issuer.cfg.Revocation == Online:
		return a.introspect(ctx, now, seq)
	case seq != 0:
		return stale("no revocations are followed, and a number is demanded")
	}
	return nil
}

// stale is the error for a token that may be good.
func stale(detail string) error {
	return &jwt.Error{Reason: jwt.ErrUnavailable, Detail: detail}
}

// introspection is what the issuer said about a token when it was asked.
type introspection struct {
	mu    sync.Mutex
	said  error     // the last answer: nil or ErrRevoked
	asked time.Time // when the question was
	until time.Time // the answer counts till then
	seq   uint64    // what the issuer had for certain published then
	call  *call     // the question under way
}

// call is a question that several requests with one token wait for.
type call struct {
	done chan struct{}
	seq  uint64
	err  error // to be read when done is closed
}

// introspect asks the issuer about the token, unless it has just answered.
// Requests with the same token ask together. An answer to a question that began
// when somebody had a number of the log in hand is one with that entry: the
// issuer gives out no number before the entry is there.
func (a *Access) introspect(ctx context.Context, now time.Time, seq uint64) error {
	s := &a.asked
	for {
		s.mu.Lock()
		if !now.Before(s.asked) && now.Before(s.until) && seq <= s.seq {
			defer s.mu.Unlock()
			return s.said
		}
		c := s.call
		if c == nil {
			c = &call{done: make(chan struct{}), seq: seq}
			s.call = c
			s.mu.Unlock()
			a.ask(c, now)
			return c.err
		}
		s.mu.Unlock()
		if err := receive(ctx, c.done); err != nil {
			return stale("introspection took too long")
		}
		if seq <= c.seq {
			return c.err
		}
	}
}

// ask asks for all who wait. The context of whoever happened to be the first
// would decide for the others, so it isn't used. A no is remembered like a yes:
// who has a token that was revoked must not be able to have the issuer asked at
// each request.
func (a *Access) ask(c *call, now time.Time) {
	ctx, cancel := context.WithTimeout(a.issuer.life, introspectionTimeout)
	defer cancel()
	active, err := a.issuer.introspect(ctx, a.raw)
	switch {
	case err != nil:
		c.err = stale(err.Error())
	case !active:
		c.err = ErrRevoked
	}
	s := &a.asked
	s.mu.Lock()
	if err == nil {
		s.said, s.asked, s.until, s.seq = c.err, now, now.Add(a.guard.cfg.IntrospectionTTL), c.seq
	}
	s.call = nil
	s.mu.Unlock()
	close(c.done)
}

var errPaused = errors.New("introspection: it failed a moment ago")

// introspect asks whether a token is active, unless the issuer has just failed
// to say so of another.
func (i *issuer) introspect(ctx context.Context, token string) (bool, error) {
	attempt, ok := i.pause.begin()
	if !ok {
		return false, errPaused
	}
	select {
	case i.asking <- struct{}{}:
		defer func() { <-i.asking }()
	case <-ctx.Done():
		return false, errors.New("introspection: too many questions under way")
	}
	active, err := i.askWhether(ctx, token)
	i.report(attempt, err)
	return active, err
}

// report lets all questions pause after a failure. One that may be due to the
// token is none: who has a token that is too long for the issuer must not be able
// to keep the guard from asking about others.
func (i *issuer) report(a attempt, err error) {
	if err == nil || errors.Is(err, errQuestion) {
		if i.pause.succeeded() {
			i.logger.Info("introspection works again", "issuer", i.cfg.URL)
		}
		return
	}
	if i.pause.failed(a) && i.life.Err() == nil {
		i.logger.Warn("introspection fails", "issuer", i.cfg.URL, "error", err)
	}
}

// errQuestion says that the issuer has answered, and didn't like the question.
var errQuestion = errors.New("introspection: the question was refused")

// askWhether asks whether a token is active (RFC 7662 section 2).
func (i *issuer) askWhether(ctx context.Context, token string) (bool, error) {
	endpoint, err := i.introspectionEndpoint(ctx)
	if err != nil {
		return false, err
	}
	req, err := newRequest(ctx, http.MethodPost, endpoint, nil, i.credentials)
	if err != nil {
		return false, err
	}
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}.Encode()
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Body, req.ContentLength = io.NopCloser(strings.NewReader(form)), int64(len(form))
	answer, err := i.client.Do(req, maxIntrospectionBytes)
	if err != nil {
		return false, fmt.Errorf("introspection: %w", err)
	}
	switch answer.Status {
	case http.StatusOK:
		return readActive(string(answer.Body))
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		return false, fmt.Errorf("%w: %w", errQuestion, answer.StatusError())
	}
	return false, fmt.Errorf("introspection: %w", answer.StatusError())
}

func (i *issuer) introspectionEndpoint(ctx context.Context) (string, error) {
	doc := i.document.Load()
	if doc == nil {
		var err error
		if doc, err = i.discover(ctx); err != nil {
			return "", err
		}
	}
	if doc.Introspection == "" {
		return "", fmt.Errorf("introspection: %w", errNoEndpoint)
	}
	return doc.Introspection, nil
}

// readActive reads the one member that counts. Without it the answer is no.
func readActive(text string) (active bool, err error) {
	value, found, err := strictjson.Member(text, "active")
	if err == nil && found {
		active, err = strictjson.NewReader(value).ReadBool()
	}
	if err != nil {
		return false, fmt.Errorf("introspection: %w", err)
	}
	return active, nil
}
