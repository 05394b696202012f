package guard

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/writ-auth/writ/internal/fetch"
	"github.com/writ-auth/writ/internal/revlog"
)

// ask asks for what comes after the last entry. Only a follower that is up to
// date lets the answer be held back, or streamed: after an outage, requests are
// refused until there is one. If the server has no place for one more to wait,
// what there is can be had all the same: else whoever takes all the places would
// have this guard refuse everybody once the log is stale.
func (f *follower) ask(ctx context.Context) error {
	if !f.complete || !f.isFresh(f.now()) {
		return f.poll(ctx, 0)
	}
	now := time.Now()
	follow := f.longPoll
	if f.streams.worthwhile(now, f.maxStale) {
		follow = f.stream
	}
	err := follow(ctx)
	var status statusError
	if !errors.As(err, &status) || status.answer.Status != http.StatusServiceUnavailable {
		return err
	}
	f.streams.refused(now)
	return f.pause(ctx, now, f.poll(ctx, 0))
}

// longPoll asks for an answer that the server may hold back for a while.
func (f *follower) longPoll(ctx context.Context) error {
	asked, before := time.Now(), f.after
	err := f.poll(ctx, f.wait)
	if f.after > before {
		return err
	}
	return f.pause(ctx, asked, err)
}

// pause keeps a server from being asked without end that holds nothing back.
func (f *follower) pause(ctx context.Context, asked time.Time, err error) error {
	if err == nil && time.Since(asked) < f.wait/2 {
		sleep(ctx, min(time.Second, f.maxStale/4))
	}
	return err
}

// poll asks once, and waits for the answer.
func (f *follower) poll(ctx context.Context, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, f.answerTime(wait))
	defer cancel()
	req, err := f.request(ctx, wait)
	if err != nil {
		return err
	}
	answer, err := f.issuer.client.Do(req, revlog.MaxBytes)
	if err != nil {
		return err
	}
	return f.takeAnswer(ctx, answer)
}

// answerTime is how long an answer may take that is held back for wait.
func (f *follower) answerTime(wait time.Duration) time.Duration {
	if wait == 0 {
		return fetch.Timeout
	}
	return wait + max(f.maxStale/3, time.Second)
}

func (f *follower) takeAnswer(ctx context.Context, answer *fetch.Answer) error {
	if answer.Status != http.StatusOK {
		return statusError{answer}
	}
	page, err := revlog.Decode(answer.Body)
	if err != nil {
		return err
	}
	return f.apply(ctx, page)
}

func (f *follower) request(ctx context.Context, wait time.Duration) (*http.Request, error) {
	query := url.Values{"after": {strconv.FormatUint(f.after, 10)}, "limit": {strconv.Itoa(revlog.MaxEntries)}}
	if wait > 0 {
		query.Set("wait", wait.String())
	}
	if !f.own {
		return newRequest(ctx, http.MethodGet, f.endpoint, query, nil)
	}
	req, err := newRequest(ctx, http.MethodGet, f.endpoint, query, f.issuer.credentials)
	if err == nil && f.issuer.credentials != nil {
		req.Header.Set(verifierHeader, f.issuer.verifierID)
	}
	return req, err
}

// headEvery is how often a stream brings a head though nothing happened.
const headEvery = time.Second

// streams says whether a stream is worth trying. Some proxies hold a stream back
// until it ends, others cut it at once; then long polling does as well.
type streams struct {
	short int       // streams in a row that soon ended, or fell silent
	from  time.Time // real time: none is tried before
}

const (
	longEnough    = 5 * time.Second  // a stream that lasted so long was one
	refusedFor    = 30 * time.Second // the server has no place for a stream
	giveUpFor     = 10 * time.Minute // after so many short ones:
	giveUpAfter   = 3
	spreadOfTries = 100 * time.Millisecond // a server that comes back meets its followers one after the other
)

// worthwhile reports whether to try a stream now. With a limit of age that is
// near the time between two heads, a stream would always seem to be silent.
func (s *streams) worthwhile(now time.Time, maxStale time.Duration) bool {
	return maxStale >= 4*headEvery && !now.Before(s.from)
}

func (s *streams) refused(now time.Time) { s.from = now.Add(refusedFor) }

// ended notes for how long a stream brought something.
func (s *streams) ended(lasted time.Duration, now time.Time) {
	if lasted >= longEnough {
		s.short = 0
		return
	}
	s.short++
	s.from = now.Add(headEvery)
	if s.short >= giveUpAfter {
		s.short, s.from = 0, now.Add(giveUpFor)
	}
}

var errSilent = errors.New("revocation log: the stream is silent")

// stream follows events for as long as they come. A server that knows no streams
// takes the request for a long poll, and its answer is as good.
func (f *follower) stream(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(f.answerTime(f.wait), func() { cancel(errSilent) })
	defer silence.Stop()
	req, err := f.request(ctx, f.wait)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", revlog.EventType+", application/json;q=0.5")
	req.Header.Set("Accept-Encoding", "identity") // what compresses may hold back
	req.Header.Set("Last-Event-ID", strconv.FormatUint(f.after, 10))
	asked, before := time.Now(), f.after
	resp, err := f.issuer.client.Open(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); resp.StatusCode == http.StatusOK && kind == revlog.EventType {
		f.opened.Add(1)
		return f.events(ctx, resp.Body, silence)
	}
	answer, err := fetch.Read(resp, revlog.MaxBytes)
	if err != nil {
		return err
	}
	if err = f.takeAnswer(ctx, answer); f.after > before {
		return err
	}
	return f.pause(ctx, asked, err)
}

// events applies one event after the other. That a stream ends is no failure:
// proxies cut what lasts long, and servers stop. One in which nothing comes any
// more ends as well.
func (f *follower) events(ctx context.Context, body io.Reader, silence *time.Timer) error {
	began := time.Now()
	last := began
	f.acks.again()
	defer func() { f.streams.ended(last.Sub(began), time.Now()) }()
	quiet := max(f.maxStale/3, 3*headEvery)
	for events := revlog.NewEventReader(body); ; {
		silence.Reset(quiet)
		if err := f.event(ctx, events); errors.Is(err, errCut) {
			sleep(ctx, rand.N(spreadOfTries))
			return nil
		} else if err != nil {
			return err
		}
		last = time.Now()
		f.recovered()
		f.prune()
	}
}

// errCut says that a stream is over.
var errCut = errors.New("revocation log: the stream has ended")

// event applies the next event that is news.
func (f *follower) event(ctx context.Context, events *revlog.EventReader) error {
	for {
		data, err := events.Next()
		if errors.Is(err, revlog.ErrEvent) {
			return err
		}
		if err != nil {
			return errCut
		}
		page, err := revlog.Decode(data)
		if err != nil {
			return err
		}
		err = f.apply(ctx, page)
		if err == nil && f.complete && f.own && events.AckWanted() {
			f.acks.asked(f.ackURL, f.logID, f.after)
		}
		if !errors.Is(err, errBehind) {
			return err
		}
	}
}

// statusError is an answer of another status than 200.
type statusError struct{ answer *fetch.Answer }

func (e statusError) Error() string { return "revocation log: " + e.answer.StatusError().Error() }
func (e statusError) Unwrap() error { return e.answer.StatusError() }

// retryAfter is what the server asked for, within reason.
func retryAfter(err error) time.Duration {
	var status statusError
	if !errors.As(err, &status) {
		return 0
	}
	seconds, err := strconv.ParseUint(status.answer.Header.Get("Retry-After"), 10, 16)
	if err != nil {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, maxBackoff)
}

// newRequest is a request with a query added to what the address has, and with
// credentials where there are some (RFC 6749 section 2.3.1).
func newRequest(ctx context.Context, method, address string, query url.Values, c *Credentials) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return nil, fetch.ErrAddress
	}
	all := req.URL.Query()
	for name, values := range query {
		all[name] = values
	}
	req.URL.RawQuery = all.Encode()
	req.Header.Set("Accept", "application/json")
	if c != nil {
		req.SetBasicAuth(url.QueryEscape(c.ClientID), url.QueryEscape(c.ClientSecret))
	}
	return req, nil
}
