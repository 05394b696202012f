package jwks

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/writ-auth/writ/internal/base64url"
	"github.com/writ-auth/writ/jwk"
)

// Handler publishes a set of your own (RFC 7517 section 5), for GET and HEAD,
// with an ETag. current is asked at each request, and maxAge, rounded down to
// seconds, is how long others may go on using what it returned: publish a key
// for at least that long before it signs. While current returns nil the answer
// is 503.
func Handler(current func() *jwk.Set, maxAge time.Duration) http.Handler {
	return &handler{
		current:      current,
		cacheControl: "public, max-age=" + strconv.FormatInt(int64(max(maxAge, 0)/time.Second), 10),
	}
}

type handler struct {
	current      func() *jwk.Set
	cacheControl string
	last         atomic.Pointer[published]
}

// published is a set as it goes over the wire.
type published struct {
	set  *jwk.Set
	body []byte
	etag string
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	doc := h.document()
	if doc == nil {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "application/jwk-set+json")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", h.cacheControl)
	header.Set("ETag", doc.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(doc.body)) // answers If-None-Match and HEAD
}

// document returns the current set's JSON, written once a set.
func (h *handler) document() *published {
	set := h.current()
	if set == nil {
		return nil
	}
	if last := h.last.Load(); last != nil && last.set == set {
		return last
	}
	body, err := json.Marshal(set)
	if err != nil {
		return nil // a set holds only keys that have JSON; 503 if that should ever be wrong
	}
	sum := sha256.Sum256(body)
	doc := &published{set: set, body: body, etag: `"` + base64url.Encode(sum[:16]) + `"`}
	h.last.Store(doc)
	return doc
}
