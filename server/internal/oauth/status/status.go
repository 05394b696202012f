// Package status is the door of the Token Status Lists
// (draft-ietf-oauth-status-list, section 8). Anybody may read and cache them,
// pages of every origin too: a list is the same for everybody, and names nobody.
package status

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/edge"
	"github.com/writ-auth/writ/server/internal/mint"
	"github.com/writ-auth/writ/server/internal/statuslist"
)

// Door serves the lists.
type Door struct{ lists *statuslist.Service }

// New makes the door.
func New(lists *statuslist.Service) *Door { return &Door{lists} }

// Routes lists the door's patterns.
func Routes() []string {
	return []string{"GET " + mint.PathStatusLists, "GET " + mint.PathStatusLists + "/{id}"}
}

// Register adds the door's routes to mux.
func (d *Door) Register(mux *http.ServeMux) {
	for i, h := range []edge.Handler{d.all, d.one} {
		mux.Handle(Routes()[i], public(h))
	}
}

// public lets pages of every origin read the answer, and caches keep it.
func public(h edge.Handler) edge.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
		err := h(w, r)
		var e *auth.Error
		if err == nil || errors.As(err, &e) || r.Context().Err() != nil {
			return err
		}
		return &auth.Error{Code: auth.CodeUnavailable, Message: "Status lists can't be read now.", RetryAfter: time.Second, Err: err}
	}
}

// all is the aggregation (section 9.3).
func (d *Door) all(w http.ResponseWriter, r *http.Request) error {
	uris, err := d.lists.All(r.Context())
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string][]string{"status_lists": uris})
	if err != nil {
		return err
	}
	cache(w)
	w.Header().Set("Content-Type", "application/json")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	return nil
}

// one answers a list. There is one form of it, whatever Accept asks for: who
// wants a CWT sees by the Content-Type that it is none (RFC 9110, section
// 12.5.1). Lists of another time aren't kept: they would tell who watches when
// each session ended (sections 8.4 and 12.6).
func (d *Door) one(w http.ResponseWriter, r *http.Request) error {
	if r.URL.Query().Has("time") {
		return auth.Errorf(auth.CodeNotImplemented, "Only the present status list can be had; leave time out.")
	}
	token, err := d.token(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	body, etag := token.Text, token.ETag
	h := w.Header()
	cache(w)
	h.Add("Vary", "Accept-Encoding")
	h.Set("Content-Type", "application/"+statuslist.Type)
	if token.Gzip != nil && acceptsGzip(r.Header.Values("Accept-Encoding")) {
		h.Set("Content-Encoding", "gzip")
		body, etag = token.Gzip, strings.TrimSuffix(etag, `"`)+`-gzip"`
	}
	h.Set("ETag", etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	return nil
}

// token finds a list by the number in its URI, which is written in one way.
func (d *Door) token(ctx context.Context, id string) (*statuslist.Token, error) {
	number, err := strconv.ParseInt(id, 10, 64)
	if err != nil || strconv.FormatInt(number, 10) != id {
		return nil, auth.Errorf(auth.CodeNotFound, "There is no such status list.")
	}
	return d.lists.Token(ctx, number)
}

func cache(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", fmt.Sprintf("public, max-age=%d", statuslist.CachedFor/time.Second))
}

// acceptsGzip reads Accept-Encoding (RFC 9110, section 12.5.3) as far as it
// matters: gzip is named, and not with a weight of nothing.
func acceptsGzip(values []string) bool {
	for part := range strings.SplitSeq(strings.Join(values, ","), ",") {
		name, weight, _ := strings.Cut(part, ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			_, q, _ := strings.Cut(weight, "=")
			return strings.Trim(q, "0. ") != "" || q == ""
		}
	}
	return false
}
