package load

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

// Prefix begins the name of everything that a measurement makes on a server, so
// that what one leaves behind that was killed can be told and removed.
const Prefix = "writ-bench-"

// Admin is the admin API of the server under load. Body and out are JSON; out
// may be nil.
type Admin interface {
	Call(ctx context.Context, method, path string, body, out any) error
}

// user is a person who was made for a measurement.
type user struct {
	ID       string `json:"id"`
	Email    string `json:"email"`
	Password string `json:"-"`
}

// subject is what a measurement works with: an API, a client, a user, made for
// it and removed after it.
type subject struct {
	target Target
	admin  Admin
	name   string // unique
	undo   []string

	Issuer   string
	Audience string
	ClientID string
	Secret   string
	User     user
	Token    string                                     // of the client
	Person   string                                     // an access token of the user, for Audience
	Sid      string                                     // its sid
	Revoked  string                                     // a token of the client that was revoked
	Own      string                                     // an access token of the user for Writ itself
	Session  string                                     // the session that Own is of
	verifier map[string]*jwt.Verifier[jwt.AccessClaims] // by audience

	App        application // that people sign in for
	identities *jwt.Verifier[jwt.IDClaims]
}

// newSubject makes everything but the tokens. What it made is removed by remove
// even if it fails.
func newSubject(ctx context.Context, base string, t Target, admin Admin) (*subject, error) {
	s := &subject{target: t, admin: admin, name: Prefix + strings.ToLower(rand.Text()[:10])}
	keys, err := s.discover(ctx, base)
	if err != nil {
		return s, err
	}
	s.Audience = "urn:" + s.name
	s.verifier = map[string]*jwt.Verifier[jwt.AccessClaims]{}
	for _, audience := range []string{s.Issuer, s.Audience} {
		if s.verifier[audience], err = jwt.NewVerifier[jwt.AccessClaims](keys, jwt.AccessToken(s.Issuer, audience)); err != nil {
			return s, err
		}
	}
	if err := s.makeClient(ctx); err != nil {
		return s, err
	}
	if err := s.makeApplication(ctx, keys); err != nil {
		return s, err
	}
	s.User, err = s.makeUser(ctx, 0)
	return s, err
}

// discover reads the issuer and the keys of the server, as any verifier would,
// but from the address that is measured.
func (s *subject) discover(ctx context.Context, base string) (*jwk.Set, error) {
	var document struct {
		Issuer string `json:"issuer"`
	}
	body, err := fetch(ctx, base+"/.well-known/oauth-authorization-server")
	if err == nil {
		err = json.Unmarshal(body, &document)
	}
	if err != nil {
		return nil, fmt.Errorf("%s does not answer as Writ does: %w", base, err)
	}
	s.Issuer = document.Issuer
	if body, err = fetch(ctx, base+"/.well-known/jwks.json"); err != nil {
		return nil, err
	}
	return jwk.ParseSet(body)
}

func fetch(ctx context.Context, address string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", res.StatusCode)
	}
	return io.ReadAll(io.LimitReader(res.Body, maxAnswer))
}

func (s *subject) makeClient(ctx context.Context) error {
	var api struct {
		ID string `json:"id"`
	}
	if err := s.make(ctx, "apis", map[string]any{"audience": s.Audience, "name": s.name, "access_ttl": 3600}, &api, &api.ID); err != nil {
		return err
	}
	var client struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	fields := map[string]any{"client_id": s.name, "client_name": s.name, "grant_types": []string{"client_credentials"},
		"token_endpoint_auth_method": "client_secret_basic", "audiences": []string{s.Audience}}
	err := s.make(ctx, "clients", fields, &client, &client.ID)
	s.ClientID, s.Secret = client.ID, client.Secret
	return err
}

// makeUser makes a person, whose address can receive nothing (RFC 2606).
func (s *subject) makeUser(ctx context.Context, number int) (user, error) {
	u := user{Password: rand.Text()}
	email := fmt.Sprintf("%s-%d@bench.invalid", s.name, number)
	err := s.make(ctx, "users", map[string]any{"email": email, "name": s.name, "password": u.Password}, &u, &u.ID)
	return u, err
}

// make makes one thing, and remembers how to remove it.
func (s *subject) make(ctx context.Context, kind string, fields, out any, id *string) error {
	if err := s.admin.Call(ctx, http.MethodPost, "/v1/admin/"+kind, fields, out); err != nil {
		return fmt.Errorf("make one of the %s for the measurement: %w", kind, err)
	}
	s.undo = append(s.undo, "/v1/admin/"+kind+"/"+url.PathEscape(*id))
	return nil
}

// makeUsers makes so many people, one by one: each costs a password hash, and
// the server has others to serve.
func (s *subject) makeUsers(ctx context.Context, n int, progress func(done int)) ([]user, error) {
	users := make([]user, 0, n)
	for i := range n {
		u, err := s.makeUser(ctx, i+1)
		if err != nil {
			return users, err
		}
		users = append(users, u)
		progress(len(users))
	}
	return users, nil
}

// prepare gets tokens that are good for as long as a measurement takes.
func (s *subject) prepare(ctx context.Context) error {
	asked := newClientToken(s.target, s)
	for _, token := range []*string{&s.Revoked, &s.Token} {
		body, err := s.once(ctx, asked)
		if err != nil {
			return fmt.Errorf("client credentials: %w", err)
		}
		var out struct {
			AccessToken string `json:"access_token"`
		}
		if err := json.Unmarshal(body, &out); err != nil {
			return err
		}
		*token = out.AccessToken
	}
	err := s.admin.Call(ctx, http.MethodPost, "/v1/admin/revocations", map[string]string{"token": s.Revoked}, nil)
	if err != nil {
		return fmt.Errorf("revoke a token: %w", err)
	}
	return nil
}

// signInUser gets one token for Writ itself, and one for the API, of a session
// each.
func (s *subject) signInUser(ctx context.Context) error {
	in := newSignIn(s.target, s.Issuer, s.User, "", "")
	if _, err := s.once(ctx, in); err != nil {
		return fmt.Errorf("sign in the user that was just made, at %s: %w; do that address and the administration belong to one server?", s.target.Host, err)
	}
	s.Own, s.Session = in.last.AccessToken, in.last.Session
	in = newSignIn(s.target, s.Issuer, s.User, s.Audience, "")
	if _, err := s.once(ctx, in); err != nil {
		return fmt.Errorf("sign in for an API: %w", err)
	}
	s.Person, s.Sid = in.last.AccessToken, in.want.Session
	return nil
}

// once does a task one time, and again for a while if it is refused.
func (s *subject) once(ctx context.Context, task Task) ([]byte, error) {
	c := &conn{target: s.target}
	defer c.close()
	for giveUp := time.Now().Add(20 * time.Second); ; {
		status, body, err := c.do(ctx, task)
		if err == nil {
			err = task.Answer(status, body)
		}
		if !errors.Is(err, ErrRefused) || time.Now().After(giveUp) || ctx.Err() != nil {
			return body, err
		}
		sleepUntil(ctx, time.Now().Add(200*time.Millisecond))
	}
}

// remove removes what was made. It goes on after a failure.
func (s *subject) remove(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	work := make(chan string)
	var group sync.WaitGroup
	var mu sync.Mutex
	for range 8 {
		group.Go(func() {
			for path := range work {
				if e := s.admin.Call(ctx, http.MethodDelete, path, nil, nil); e != nil {
					mu.Lock()
					err = errors.Join(err, fmt.Errorf("remove %s: %w", path, e))
					mu.Unlock()
				}
			}
		})
	}
	for i := len(s.undo) - 1; i >= 0; i-- {
		work <- s.undo[i]
	}
	close(work)
	group.Wait()
	return err
}
