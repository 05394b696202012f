package jwks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/writ-auth/writ/internal/discovery"
	"github.com/writ-auth/writ/internal/fetch"
)

// maxBytes bounds a key set: a thousand RSA keys fit.
const maxBytes = 1 << 20

// rediscoverAfter is how long the address that discovery gave is kept while it
// works.
const rediscoverAfter = 24 * time.Hour

// location is where the set is; for an Issuer, as discovery last said.
type location struct {
	url   string
	found time.Time
}

// fetch asks for the set once. Only one fetch runs at a time.
func (r *Remote) fetch(ctx context.Context, revalidate bool) (*snapshot, error) {
	now := r.cfg.Now()
	if err := r.locate(ctx, now); err != nil {
		return nil, err
	}
	next, err := r.ask(ctx, now, revalidate)
	if err != nil && r.cfg.Issuer != "" {
		r.location = location{} // it may have moved: ask discovery the next time
	}
	return next, err
}

func (r *Remote) locate(ctx context.Context, now time.Time) error {
	if r.cfg.URL != "" || r.location.url != "" && now.Sub(r.location.found) < rediscoverAfter {
		return nil
	}
	doc, err := discovery.Fetch(ctx, r.client, r.cfg.Issuer)
	if err != nil {
		return err
	}
	if doc.JWKS == "" {
		return errors.New("discovery document has no jwks_uri")
	}
	r.location = location{url: doc.JWKS, found: now}
	return nil
}

// ask sends the request. revalidate asks caches on the way not to answer from
// memory: a token has a key that the set they know hasn't got.
func (r *Remote) ask(ctx context.Context, now time.Time, revalidate bool) (*snapshot, error) {
	old := r.current.Load()
	header := http.Header{"Accept": {"application/jwk-set+json, application/json"}}
	known := old != nil && old.etag != "" && old.url == r.location.url
	if known {
		header.Set("If-None-Match", old.etag)
	}
	if revalidate {
		header.Set("Cache-Control", "no-cache")
	}
	answer, err := r.client.Get(ctx, r.location.url, header, maxBytes)
	if err != nil {
		return nil, err
	}
	lifetime := r.lifetime(answer.Header)
	switch {
	case answer.Status == http.StatusNotModified && known:
		return old.dates(now, lifetime, r.cfg.MaxStale), nil
	case answer.Status != http.StatusOK:
		return nil, answer.StatusError()
	}
	next, err := r.parse(answer)
	if err != nil {
		return nil, err
	}
	return next.dates(now, lifetime, r.cfg.MaxStale), nil
}

func (r *Remote) parse(answer *fetch.Answer) (snapshot, error) {
	fetched, err := r.cfg.Parser.Set(answer.Body)
	if err != nil {
		return snapshot{}, fmt.Errorf("key set: %w", err)
	}
	set, err := merge(r.Set(), fetched, r.cfg.Prepare)
	if err != nil {
		return snapshot{}, fmt.Errorf("key set: %w", err)
	}
	r.reportSkipped(fetched.Skipped())
	return snapshot{set: set, url: r.location.url, etag: answer.Header.Get("ETag")}, nil
}

// reportSkipped logs that keys were left out: whoever wonders at "no such key"
// should find the reason. Of a thousand only the first is named, and the same
// once, since an issuer decides what stands there and how often it is fetched.
func (r *Remote) reportSkipped(reasons []error) {
	said := ""
	if len(reasons) > 0 {
		said = fmt.Sprint(len(reasons), reasons[0])
	}
	if said != "" && said != r.skipped {
		r.cfg.Logger.Info("keys of the set are left out", "source", r.location.url, "count", len(reasons), "first", reasons[0])
	}
	r.skipped = said
}

// leastLifetime bounds how often an issuer can make us ask.
const leastLifetime = time.Second

// lifetime is how long an answer is good for by its own account (RFC 9111
// section 4.2), within bounds: no issuer makes us keep keys for years, and none
// makes us ask all the time. A short max-age is honoured, though: an issuer
// that announces a key for its max-age and a little counts on it that verifiers
// have asked again before that key signs.
func (r *Remote) lifetime(header http.Header) time.Duration {
	lifetime, said := cacheControl(header)
	switch {
	case !said:
		lifetime = r.cfg.MaxAge
	case lifetime <= 0: // not to be kept: as good as that gets
		lifetime = r.cfg.Cooldown
	}
	return min(max(lifetime, leastLifetime), r.cfg.MaxStale)
}

// cacheControl reads the freshness that a cache has left; said is false if the
// answer has no opinion.
func cacheControl(header http.Header) (lifetime time.Duration, said bool) {
	for directive := range strings.SplitSeq(strings.Join(header.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(name) {
		case "no-store", "no-cache":
			return 0, true
		case "max-age":
			lifetime, said = seconds(strings.Trim(value, `"`)), true
		}
	}
	return lifetime - seconds(header.Get("Age")), said
}

// seconds reads a count of seconds, what is none being 0 and a very long time
// being a year.
func seconds(text string) time.Duration {
	const year = 365 * 24 * time.Hour
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 64)
	if errors.Is(err, strconv.ErrRange) || n > uint64(year/time.Second) {
		return year
	}
	return time.Duration(n) * time.Second
}
