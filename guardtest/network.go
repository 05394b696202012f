package guardtest

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwks"
)

// network is what one guard sees of the issuer: an http.RoundTripper that calls
// the issuer's handlers. It knows how far its guard has come with the log, since
// a guard asks for what comes after the last entry that it has applied.
type network struct {
	issuer *Issuer

	// Under the issuer's lock.
	following bool // the guard has asked for the log, and has not gone since
	applied   uint64
}

// RoundTrip answers a request.
func (n *network) RoundTrip(r *http.Request) (*http.Response, error) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", n.discovery)
	mux.Handle("GET /jwks.json", jwks.Handler(n.issuer.set, 10*time.Minute))
	mux.HandleFunc("GET /v1/revocations", n.revocations)
	mux.HandleFunc("POST /oauth/introspect", n.introspect)
	w := httptest.NewRecorder()
	if r.URL.Host == "issuer.test" {
		mux.ServeHTTP(w, r)
	} else {
		w.WriteHeader(http.StatusNotFound) // no other host exists
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	answer := w.Result()
	answer.Request = r
	return answer, nil
}

func (n *network) discovery(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, map[string]string{
		"issuer":                    URL,
		"jwks_uri":                  URL + "/jwks.json",
		"introspection_endpoint":    URL + "/oauth/introspect",
		"writ_revocations_endpoint": URL + "/v1/revocations",
	})
}

// set is what the issuer publishes.
func (i *Issuer) set() *jwk.Set {
	i.mu.Lock()
	defer i.mu.Unlock()
	var keys []*jwk.PublicKey
	for _, key := range slices.Concat([]*jwk.PrivateKey{i.signing}, i.next, i.retired) {
		keys = append(keys, key.Public())
	}
	set, err := jwk.NewSet(keys...)
	if err != nil {
		i.t.Errorf("guardtest: %v", err)
	}
	return set
}

func (n *network) revocations(w http.ResponseWriter, r *http.Request) {
	after, err := strconv.ParseUint(r.FormValue("after"), 10, 64)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	n.note(after)
	if wait, err := time.ParseDuration(r.FormValue("wait")); err == nil {
		n.issuer.awaitNews(r.Context(), after, min(wait, revlog.MaxWait))
	}
	if r.Context().Err() != nil {
		n.leave()
		return
	}
	writeJSON(w, n.issuer.page(after))
}

// note takes down how far the guard has come.
func (n *network) note(applied uint64) {
	n.issuer.mu.Lock()
	defer n.issuer.mu.Unlock()
	n.following, n.applied = true, applied
	n.issuer.broadcast()
}

// leave takes down that the guard waits for no answer any more: it was closed.
func (n *network) leave() {
	n.issuer.mu.Lock()
	defer n.issuer.mu.Unlock()
	n.following = false
	n.issuer.broadcast()
}

// awaitApplied waits until the guard, if it follows, has applied an entry. A
// guard that hasn't asked yet will get all entries at once before it accepts
// anything.
func (n *network) awaitApplied(ctx context.Context, seq uint64) error {
	for {
		n.issuer.mu.Lock()
		done, changed := !n.following || n.applied >= seq, n.issuer.changed
		n.issuer.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// awaitNews holds an answer back until there is something to say.
func (i *Issuer) awaitNews(ctx context.Context, after uint64, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		i.mu.Lock()
		news, changed := i.head > after, i.changed
		i.mu.Unlock()
		if news {
			return
		}
		select {
		case <-changed:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// page is the answer about what comes after an entry.
func (i *Issuer) page(after uint64) *revlog.Page {
	i.mu.Lock()
	defer i.mu.Unlock()
	page := &revlog.Page{Log: "guardtest", First: i.head + 1, Head: i.head, Time: i.now.Unix()}
	for _, e := range i.entries {
		if e.Expiry != 0 && e.Expiry < i.now.Unix() {
			continue
		}
		page.First = min(page.First, e.Seq)
		if e.Seq > after {
			page.Entries = append(page.Entries, e)
		}
	}
	if len(page.Entries) > revlog.MaxEntries {
		page.Entries, page.More = page.Entries[:revlog.MaxEntries], true
	}
	return page
}

// introspect says of a token whether it is genuine, in time and not revoked.
func (n *network) introspect(w http.ResponseWriter, r *http.Request) {
	if _, _, ok := r.BasicAuth(); !ok {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	writeJSON(w, map[string]bool{"active": n.issuer.active(r.PostFormValue("token"))})
}

func writeJSON(w http.ResponseWriter, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // to a recorder
}
