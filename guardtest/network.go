package guardtest

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"time"

	"github.com/writ-auth/writ/guard"
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
	guard     *guard.Guard // nil for one that the test has made itself
	following bool         // the guard has asked for the log, and has not gone since
	applied   uint64
	time      time.Time // of the last head
}

// RoundTrip answers a request.
func (n *network) RoundTrip(r *http.Request) (*http.Response, error) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", n.discovery)
	mux.Handle("GET /jwks.json", jwks.Handler(n.issuer.set, 10*time.Minute))
	mux.HandleFunc("GET /v1/revocations", n.revocations)
	mux.Handle("GET /v1/revocations/keys", jwks.Handler(n.issuer.logKeys, time.Minute))
	mux.HandleFunc("POST /oauth/introspect", n.introspect)
	mux.HandleFunc("POST /oauth/client-keys", n.clientKeys)
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
		"issuer":                        URL,
		"jwks_uri":                      URL + "/jwks.json",
		"introspection_endpoint":        URL + "/oauth/introspect",
		"writ_client_keys_endpoint":     URL + "/oauth/client-keys",
		"writ_revocations_endpoint":     URL + "/v1/revocations",
		"writ_revocation_keys_endpoint": URL + "/v1/revocations/keys",
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
	page, err := n.page(after)
	if err != nil {
		n.issuer.t.Errorf("guardtest: %v", err)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	writeJSON(w, page)
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
	n.issuer.mu.Lock()
	g := n.guard
	n.issuer.mu.Unlock()
	if g != nil { // it may be closed when it isn't asking, and knows best
		if err := g.Synced(ctx, URL, seq); ctx.Err() != nil {
			return err
		}
		return nil
	}
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
		news, changed := uint64(len(i.entries)) > after, i.changed
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

// logKeys are what signs the log. They are no keys for tokens.
func (i *Issuer) logKeys() *jwk.Set {
	set, err := jwk.NewSet(i.logKey.Public())
	if err != nil {
		i.t.Errorf("guardtest: %v", err)
	}
	return set
}

// page is the answer about what comes after an entry, signed as a real issuer
// signs it.
func (n *network) page(after uint64) (*revlog.Page, error) {
	i := n.issuer
	i.mu.Lock()
	defer i.mu.Unlock()
	head, first := uint64(len(i.entries)), i.firstInForce()
	from := min(max(after, first-1), head)
	to := min(from+revlog.MaxEntries, head)
	now := n.headTime()
	page := &revlog.Page{
		Log: logID, First: first, Head: head, Time: now.Unix(),
		Entries: slices.Clone(i.entries[from:to]), More: to < head,
	}
	signed := revlog.Head{Log: logID, Seq: head, Chain: i.chains[head], First: first, TimeMS: now.UnixMilli()}
	proof, err := signed.Sign(i.logKey.KeyID(), i.logKey.Sign)
	if err != nil {
		return nil, err
	}
	proof.Prev = i.chains[from]
	page.Proof = proof
	return page, nil
}

// firstInForce answers the number of the first entry that isn't over.
func (i *Issuer) firstInForce() uint64 {
	inForce := func(e revlog.Entry) bool { return e.Expiry == 0 || e.Expiry >= i.now.Unix() }
	if n := slices.IndexFunc(i.entries, inForce); n >= 0 {
		return uint64(n) + 1
	}
	return uint64(len(i.entries)) + 1
}

// headTime is the time of the next head. The issuer's clock stands still, but a
// guard takes a head whose time doesn't move for one that somebody repeats.
func (n *network) headTime() time.Time {
	const ahead = 10 * time.Second // guards allow for more
	now := n.issuer.now
	next := n.time.Add(time.Millisecond)
	if next.Sub(now) > ahead {
		next = n.time
	}
	if next.After(now) {
		now = next
	}
	n.time = now
	return now
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
