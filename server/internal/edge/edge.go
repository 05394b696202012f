// Package edge is what every request passes on its way in and out: it gives
// the request an id and a client address, sets the security headers, refuses
// bodies that are too large or not strict JSON, turns an error into a problem
// document, and writes the access log.
//
// A door writes its routes as [Handler] values on an http.ServeMux and reads
// and answers with [ReadJSON] and [WriteJSON]; the application wraps the mux
// in a [Front] and serves it with [NewServer]:
//
//	mux.Handle("POST /v1/login", edge.Handler(door.login))
//	front := &edge.Front{Issuer: issuer, Log: log, Now: time.Now}
//	server := edge.NewServer(front.Handler(mux), log)
//
// Two defences are calls of their own, because only a door knows when they
// apply: [SameOrigin] against cross-site requests that a cookie would
// authenticate, and [Cookies], which alone knows the cookies' names and flags.
package edge

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"net/netip"
	"sync"
)

// Handler answers a request or returns an error, which [Render] turns into the
// answer. There is no return to forget after an error, and no internal text
// that reaches a client by accident.
type Handler func(w http.ResponseWriter, r *http.Request) error

// ServeHTTP makes a Handler an http.Handler.
func (h Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if x := exchangeOf(r); x != nil {
		x.route = r.Pattern
	}
	if err := h(w, r); err != nil {
		Render(w, r, err)
	}
}

// exchange is what the edge knows of one request and its answer. It is the
// request's context, with itself as a value; handlers under test may go without.
type exchange struct {
	context.Context // the request's own

	id      string
	address netip.Addr
	route   string // the pattern that matched
	err     error  // what Render turned into the answer
	late    bool   // err came when the answer had begun, so the client didn't see it
	answer  answer
	idValue [1]string // the header with the id
}

// Value answers the exchange itself, and what the request's context has.
func (x *exchange) Value(key any) any {
	if _, own := key.(exchangeKey); own {
		return x
	}
	return x.Context.Value(key)
}

type exchangeKey struct{}

func exchangeOf(r *http.Request) *exchange {
	x, _ := r.Context().Value(exchangeKey{}).(*exchange)
	return x
}

// RequestID is the id that the Front gave r, "" without one. It is the server's
// own: an id taken from the client could make one request look like another in
// the log.
func RequestID(r *http.Request) string {
	if x := exchangeOf(r); x != nil {
		return x.id
	}
	return ""
}

// ClientAddress is the address of the client that r came from, as the Front
// found it behind trusted proxies; without a Front it is the peer's. It is the
// zero Addr where there is none (a Unix socket).
func ClientAddress(r *http.Request) netip.Addr {
	if x := exchangeOf(r); x != nil {
		return x.address
	}
	return peer(r)
}

// requestIDs makes ids that nobody can guess or choose. It asks for the
// randomness of several at once, which a call for each would cost half a
// microsecond more.
type requestIDs struct {
	mu   sync.Mutex
	left []byte
	room [32 * 16]byte
}

func (ids *requestIDs) next() string {
	const prefix = "req_"
	var id [len(prefix) + 22]byte
	copy(id[:], prefix)
	ids.mu.Lock()
	if len(ids.left) == 0 {
		_, _ = rand.Read(ids.room[:]) // never fails
		ids.left = ids.room[:]
	}
	base64.RawURLEncoding.Encode(id[len(prefix):], ids.left[:16])
	ids.left = ids.left[16:]
	ids.mu.Unlock()
	return string(id[:])
}
