package main

import (
	"crypto/rand"
	"encoding/json"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwks"
	"github.com/writ-auth/writ/jwt"
)

// logLength is how many revocations are in force from the start.
const logLength = 10_000

// issuer is as much of an issuer as a guard asks for: discovery, keys and a
// revocation log, over HTTP on loopback. Its tokens are signed with ES256.
type issuer struct {
	url    string
	key    *jwk.PrivateKey
	signer *jwt.Signer[jwt.AccessClaims]
	server *http.Server

	mu      sync.Mutex
	entries []revlog.Entry
	changed chan struct{} // closed, and replaced, with every entry
}

func newIssuer() (*issuer, error) {
	key, err := jwk.Generate(jwk.ES256)
	if err != nil {
		return nil, err
	}
	set, err := jwk.NewSet(key.Public())
	if err != nil {
		return nil, err
	}
	signer, err := jwt.NewSigner[jwt.AccessClaims](key, jwt.SignOptions{Lifetime: time.Hour, NewID: true, Type: "at+jwt"})
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	i := &issuer{url: "http://" + listener.Addr().String(), key: key, signer: signer, changed: make(chan struct{})}
	for n := range logLength {
		i.revoke(strconv.Itoa(n))
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", i.discovery)
	mux.Handle("GET /jwks.json", jwks.Handler(func() *jwk.Set { return set }, 10*time.Minute))
	mux.HandleFunc("GET /v1/revocations", i.revocations)
	i.server = &http.Server{Handler: mux}
	go i.server.Serve(listener) // returns at Close; before, its error would show as a guard that isn't ready
	return i, nil
}

// revoke adds a session to the log and returns the entry's number.
func (i *issuer) revoke(session string) uint64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	seq := uint64(len(i.entries)) + 1
	i.entries = append(i.entries, revlog.Entry{
		Seq: seq, Kind: revlog.Session, Hash: revlog.Hash(revlog.Session, session),
		Expiry: time.Now().Add(time.Hour).Unix(),
	})
	close(i.changed)
	i.changed = make(chan struct{})
	return seq
}

func (i *issuer) discovery(w http.ResponseWriter, _ *http.Request) {
	writeAnswer(w, map[string]string{
		"issuer": i.url, "jwks_uri": i.url + "/jwks.json", "writ_revocations_endpoint": i.url + "/v1/revocations",
	})
}

// revocations answers what comes after a number, and waits for it if asked to.
func (i *issuer) revocations(w http.ResponseWriter, r *http.Request) {
	after, err := strconv.Atoi(r.FormValue("after"))
	if err != nil || after < 0 {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if wait, err := time.ParseDuration(r.FormValue("wait")); err == nil {
		i.await(r, after, wait)
	}
	writeAnswer(w, i.page(after))
}

func (i *issuer) await(r *http.Request, after int, wait time.Duration) {
	i.mu.Lock()
	news, changed := len(i.entries) > after, i.changed
	i.mu.Unlock()
	if news {
		return
	}
	select {
	case <-changed:
	case <-time.After(min(wait, revlog.MaxWait)):
	case <-r.Context().Done():
	}
}

func (i *issuer) page(after int) *revlog.Page {
	i.mu.Lock()
	defer i.mu.Unlock()
	page := &revlog.Page{Log: "bench", First: 1, Head: uint64(len(i.entries)), Time: time.Now().Unix()}
	page.Entries = i.entries[min(after, len(i.entries)):]
	if len(page.Entries) > revlog.MaxEntries {
		page.Entries, page.More = page.Entries[:revlog.MaxEntries], true
	}
	return page
}

func writeAnswer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		panic(http.ErrAbortHandler) // the guard has gone
	}
}

// token makes one for a person with a session, as Writ does: it can be revoked
// by itself, by session, by two epochs and by its key.
func (i *issuer) token(subject string) (string, error) {
	claims := sampleClaims(time.Now())
	claims.Issuer, claims.Subject, claims.ID, claims.SessionID = i.url, subject, "", rand.Text()
	claims.Epochs = []string{rand.Text(), rand.Text()}
	return i.signer.Sign(claims)
}

// config is that of a guard for this issuer's tokens, with the defaults, which
// include following the revocation log.
func (i *issuer) config(public ...string) guard.Config {
	return guard.Config{
		Issuers: []guard.Issuer{{URL: i.url, Audience: []string{audienceName}, Revocation: guard.Follow}},
		Public:  public,
	}
}
