package guardtest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"slices"
	"testing"

	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/jwt"
)

// defaultClient is the client_id of tokens that name none.
const defaultClient = "guardtest"

// Token returns an access token as the issuer makes them, with whatever c says
// and the rest filled in: for an audience, good for Lifetime from now, of the
// subject "user" with a session, epochs and a sign-in just now. A token whose
// subject is its client is a service's own: it has no session.
func (i *Issuer) Token(audience string, c jwt.AccessClaims) string {
	i.t.Helper()
	if len(c.Audience) == 0 {
		c.Audience = jwt.Audience{audience}
	}
	if c.Subject == "" {
		c.Subject = "user"
	}
	if c.ClientID == "" {
		c.ClientID = defaultClient
	}
	i.fillSession(&c)
	return Sign(i, c)
}

func (i *Issuer) fillSession(c *jwt.AccessClaims) {
	i.mu.Lock()
	defer i.mu.Unlock()
	person := c.Subject != c.ClientID
	if person && c.SessionID == "" {
		c.SessionID = rand.Text()
	}
	if person && c.AuthTime.IsZero() {
		c.AuthTime = jwt.NumericDate(i.now)
	}
	if c.Epochs == nil {
		c.Epochs = []string{i.epochOf(c.ClientID)}
		if person {
			c.Epochs = append(c.Epochs, i.epochOf(c.Subject))
		}
	}
}

// Sign returns a token with claims of your own. Issuer, identifier and dates
// are filled in if they are missing; audience, subject and client_id are up to
// you.
func Sign[C jwt.ClaimSet](i *Issuer, claims C) string {
	i.t.Helper()
	token, err := jwt.Sign(i.key(), claims, jwt.SignOptions{
		Lifetime: Lifetime, Issuer: URL, NewID: true, Type: "at+jwt", Now: i.Now,
	})
	if err != nil {
		i.t.Fatalf("guardtest: %v", err)
	}
	return token
}

// claimsOf reads a token that this issuer made.
func (i *Issuer) claimsOf(token string) (c jwt.AccessClaims) {
	i.t.Helper()
	decoded, err := jwt.DecodeUnverified(token)
	if err == nil {
		err = json.Unmarshal(decoded.Payload(), &c)
	}
	if err != nil {
		i.t.Fatalf("guardtest: not a token of this issuer: %v", err)
	}
	return c
}

// active answers an introspection. It reads the token with a verifier of its
// own, since the guard that asks has its doubts.
func (i *Issuer) active(token string) bool {
	v, err := jwt.NewVerifier[jwt.AccessClaims](i.set(), jwt.Expect{
		Issuer: URL, AnyAudience: true, Type: "at+jwt", AllowConfirmation: true, Now: i.Now,
	})
	if err != nil {
		i.t.Errorf("guardtest: %v", err)
		return false
	}
	verified, err := v.Verify(context.Background(), token)
	if err != nil {
		return false
	}
	c := verified.Claims()
	ids := [][revlog.HashSize]byte{
		revlog.Hash(revlog.Token, c.ID), revlog.Hash(revlog.Session, c.SessionID), revlog.Hash(revlog.Key, verified.KeyID()),
	}
	for _, epoch := range c.Epochs {
		ids = append(ids, revlog.Hash(revlog.Epoch, epoch))
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	return !slices.ContainsFunc(i.entries, func(e revlog.Entry) bool { return slices.Contains(ids, e.Hash) })
}

// Bearer puts a token into a request's Authorization header and returns the
// request.
func Bearer(r *http.Request, token string) *http.Request {
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

// Context returns a context from which guard.From gives an Access with claims
// c, filled in as Token does: for a handler alone.
func Context(t testing.TB, c jwt.AccessClaims) context.Context {
	t.Helper()
	const audience = "https://api.test"
	issuer := NewIssuer(t)
	if len(c.Audience) == 0 {
		c.Audience = jwt.Audience{audience}
	}
	g := issuer.Guard(c.Audience[0])
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	a, err := g.Verify(ctx, issuer.Token(audience, c))
	if err != nil {
		t.Fatalf("guardtest: %v", err)
	}
	return guard.NewContext(t.Context(), a)
}
