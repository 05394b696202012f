package guardtest

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/internal/base64url"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

// Client is a service that signs its own JWTs, for guards whose configuration
// has guard.ClientSigned. RevokeUser with its name ends what it has signed so
// far.
type Client struct {
	issuer *Issuer
	id     string
	scope  string

	// Under the issuer's lock.
	key *jwk.PrivateKey
}

// Client registers a service that may use every API, with these scopes.
func (i *Issuer) Client(id string, scopes ...string) *Client {
	c := &Client{issuer: i, id: id, scope: strings.Join(scopes, " "), key: i.newKey(jwk.ES256)}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.clients == nil {
		i.clients = make(map[string]*Client)
	}
	i.clients[id] = c
	return c
}

// Token returns a JWT that the client has signed for an audience, good for a
// minute and for one request.
func (c *Client) Token(audience string) string {
	c.issuer.t.Helper()
	return SignAs(c, jwt.Claims{Subject: c.id, Audience: jwt.Audience{audience}})
}

// SignAs returns a JWT that a client has signed, with claims of your own. Issuer,
// identifier and dates are filled in if they are missing.
func SignAs[C jwt.ClaimSet](c *Client, claims C) string {
	c.issuer.t.Helper()
	c.issuer.mu.Lock()
	key := c.key
	c.issuer.mu.Unlock()
	token, err := jwt.Sign(key, claims, jwt.SignOptions{
		Lifetime: time.Minute, Issuer: c.id, NewID: true, Type: guard.TypeClientSigned, Now: c.issuer.Now,
	})
	if err != nil {
		c.issuer.t.Fatalf("guardtest: %v", err)
	}
	return token
}

// SignRaw returns a JWT that a client has signed with claims of any form, nothing
// filled in.
func SignRaw(c *Client, claims map[string]any) string {
	c.issuer.t.Helper()
	c.issuer.mu.Lock()
	key := c.key
	c.issuer.mu.Unlock()
	header, err1 := json.Marshal(map[string]string{"typ": guard.TypeClientSigned, "alg": string(key.Algorithm()), "kid": key.KeyID()})
	payload, err2 := json.Marshal(claims)
	input := base64url.Encode(header) + "." + base64url.Encode(payload)
	signature, err3 := key.Sign([]byte(input))
	if err := errors.Join(err1, err2, err3); err != nil {
		c.issuer.t.Fatalf("guardtest: %v", err)
	}
	return input + "." + base64url.Encode(signature)
}

// Rotate replaces the client's key at once.
func (c *Client) Rotate() {
	key := c.issuer.newKey(jwk.ES256)
	c.issuer.mu.Lock()
	defer c.issuer.mu.Unlock()
	c.key = key
}

// Remove makes the issuer forget the client, and revokes what it has signed.
func (c *Client) Remove() {
	c.issuer.t.Helper()
	c.issuer.mu.Lock()
	delete(c.issuer.clients, c.id)
	c.issuer.mu.Unlock()
	c.issuer.RevokeUser(c.id)
}

// clientKeys answers an API that asks for the keys of a client.
func (n *network) clientKeys(w http.ResponseWriter, r *http.Request) {
	if _, _, ok := r.BasicAuth(); !ok {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	n.issuer.mu.Lock()
	defer n.issuer.mu.Unlock()
	answer := map[string]any{"keys": []*jwk.PublicKey{}, "max_age": 60}
	if c := n.issuer.clients[r.PostFormValue("client")]; c != nil {
		answer = map[string]any{
			"keys": []*jwk.PublicKey{c.key.Public()}, "max_age": 60, "client_id": c.id, "audience": r.PostFormValue("audience"),
			"scope": c.scope, "epoch": n.issuer.epochOf(c.id),
		}
	}
	writeJSON(w, answer)
}
