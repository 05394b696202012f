package relay

import (
	"context"
	"errors"
	"fmt"
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

const (
	silence    = 5 * time.Second // without a head, of a stream
	pollWait   = 5 * time.Second // of a long poll, where there is no stream
	pollEvery  = time.Second     // where answers aren't held back
	minBackoff = 250 * time.Millisecond
	maxBackoff = 8 * time.Second
	// goodFor is how long a stream has to last for its end to be no failure:
	// proxies cut what lasts.
	goodFor = 5 * time.Second
)

// upstream is the following of the log. It belongs to one goroutine.
type upstream struct {
	*Relay
	built    builder
	caughtUp bool // everything up to a head is in
	failures int  // in a row
}

// Run follows the upstream until ctx is done.
func (r *Relay) Run(ctx context.Context) {
	u := &upstream{Relay: r, built: builder{most: r.opts.MaxEntries}}
	for ctx.Err() == nil {
		err := u.step(ctx)
		if ctx.Err() != nil {
			return
		}
		u.report(ctx, err)
		if err != nil {
			u.caughtUp = u.caughtUp && u.built.log != ""
			sleep(ctx, backoff(u.failures))
		}
	}
}

// report logs when following begins to fail and when it is over.
func (u *upstream) report(ctx context.Context, err error) {
	switch {
	case err != nil:
		u.failures++
		u.counts.failures.Add(1)
		if u.failures == 1 {
			u.opts.Logger.WarnContext(ctx, "the upstream can't be followed: its last head is served, and followers see its time", "error", err)
		}
	case u.failures > 0 && u.caughtUp:
		u.opts.Logger.InfoContext(ctx, "the upstream can be followed again")
		u.failures = 0
	}
}

// step asks once, or follows a stream to its end. A relay that isn't up to date
// asks for what there is; one that is has a stream, or waits.
func (u *upstream) step(ctx context.Context) error {
	if !u.caughtUp {
		return u.poll(ctx)
	}
	return u.stream(ctx)
}

func (u *upstream) poll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, fetch.Timeout)
	defer cancel()
	resp, err := u.ask(ctx, 0)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return u.takeAnswer(resp)
}

func (u *upstream) ask(ctx context.Context, wait time.Duration) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.opts.Upstream, nil)
	if err != nil {
		return nil, fetch.ErrAddress
	}
	after := strconv.FormatUint(u.built.Last(), 10)
	query := req.URL.Query()
	query.Set("after", after)
	query.Set("limit", strconv.Itoa(revlog.MaxEntries))
	req.Header.Set("Accept", "application/json")
	if wait > 0 {
		query.Set("wait", wait.String())
		req.Header.Set("Accept", revlog.EventType+", application/json;q=0.5")
		req.Header.Set("Accept-Encoding", "identity")
		req.Header.Set("Last-Event-ID", after)
	}
	req.URL.RawQuery = query.Encode()
	if u.opts.ClientID != "" {
		req.SetBasicAuth(url.QueryEscape(u.opts.ClientID), url.QueryEscape(u.opts.ClientSecret))
	}
	return u.client.Open(req)
}

func (u *upstream) takeAnswer(resp *http.Response) error {
	answer, err := fetch.Read(resp, revlog.MaxBytes)
	if err != nil {
		return err
	}
	if answer.Status != http.StatusOK {
		return answer.StatusError()
	}
	return u.take(answer.Body)
}

// take takes over a page, and serves what it makes.
func (u *upstream) take(data []byte) error {
	page, err := revlog.Decode(data)
	if err != nil {
		return err
	}
	news, err := u.built.add(page)
	if errors.Is(err, errBehind) {
		return nil // another node's, or a proxy's: it makes nothing worse
	}
	if err != nil {
		u.caughtUp = false
		return err
	}
	u.caughtUp = !page.More
	if news {
		u.show(page, u.built.Window)
	}
	return nil
}

var errSilent = errors.New("the stream is silent")

// stream follows events until they end. An upstream without a place for a stream
// is asked each second instead.
func (u *upstream) stream(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	quiet := time.AfterFunc(pollWait+silence, func() { cancel(errSilent) })
	defer quiet.Stop()
	began := time.Now()
	resp, err := u.ask(ctx, pollWait)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case resp.StatusCode == http.StatusServiceUnavailable:
		sleep(ctx, pollEvery)
		return u.poll(ctx)
	case resp.StatusCode != http.StatusOK || kind != revlog.EventType:
		err := u.takeAnswer(resp)
		if time.Since(began) < pollEvery {
			sleep(ctx, pollEvery)
		}
		return err
	}
	u.counts.opened.Add(1)
	err = u.events(ctx, resp.Body, quiet)
	if cause := context.Cause(ctx); errors.Is(cause, errSilent) {
		return cause
	}
	if errors.Is(err, errCut) && time.Since(began) >= goodFor {
		sleep(ctx, rand.N(100*time.Millisecond)) // not all relays in step
		return nil
	}
	return err
}

var errCut = errors.New("the stream has ended")

func (u *upstream) events(ctx context.Context, body io.Reader, quiet *time.Timer) error {
	for events := revlog.NewEventReader(body); ; {
		quiet.Reset(silence)
		data, err := events.Next()
		switch {
		case errors.Is(err, revlog.ErrEvent):
			return err
		case err != nil:
			return fmt.Errorf("%w: %w", errCut, err)
		}
		if err := u.take(data); err != nil {
			return err
		}
		u.report(ctx, nil)
	}
}

// backoff is how long to wait after so many failures in a row.
func backoff(failures int) time.Duration {
	wait := min(minBackoff<<min(failures-1, 10), maxBackoff)
	return wait - rand.N(wait/2)
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
