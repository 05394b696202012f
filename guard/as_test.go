package guard_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/guardtest"
	"github.com/writ-auth/writ/jwt"
)

type appClaims struct {
	jwt.Claims
	Plan string `json:"plan"`
	Org  int    `json:"org_number"`
}

type badClaims struct {
	jwt.Claims
	Plan int `json:"plan"`
}

func TestAs(t *testing.T) {
	issuer, g := newGuard(t, nil)
	type full struct {
		jwt.AccessClaims
		Plan string `json:"plan"`
		Org  int    `json:"org_number"`
	}
	token := guardtest.Sign(issuer, full{Plan: "pro", Org: 7, AccessClaims: jwt.AccessClaims{
		Claims: jwt.Claims{Subject: "u1", Audience: jwt.Audience{audience}}, ClientID: "web"}})
	a, err := g.Verify(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		c, err := guard.As[appClaims](a)
		if err != nil || c.Plan != "pro" || c.Org != 7 || c.Subject != "u1" {
			t.Errorf("got %+v, %v", c, err)
		}
	}
	_, err = guard.As[badClaims](a)
	wantStatus(t, "a claim of another type", err, 401)
	if !errors.Is(err, jwt.ErrClaim) {
		t.Errorf("got %v, want ErrClaim", err)
	}
}

type listClaims struct {
	jwt.AccessClaims
	Teams  []string            `json:"teams"`
	Limits map[string][]string `json:"limits"`
	Plan   *struct {
		Parts []string `json:"parts"`
	} `json:"plan"`
}

// What handlers do to claims of their own, all at once, has no effect on each
// other: the race detector sees if two of them have one list.
func TestClaimsOfYourOwnAreTheCallersOwn(t *testing.T) {
	issuer, g := newGuard(t, nil)
	c := listClaims{
		AccessClaims: jwt.AccessClaims{
			Claims: jwt.Claims{Subject: "u1", Audience: jwt.Audience{audience}}, ClientID: "web", Roles: []string{"user"},
		},
		Teams: []string{"b", "a"}, Limits: map[string][]string{"day": {"10"}},
	}
	c.Plan = &struct {
		Parts []string `json:"parts"`
	}{[]string{"x"}}
	token := guardtest.Sign(issuer, c)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			a, err := g.Verify(t.Context(), token)
			if err != nil {
				t.Error(err)
				return
			}
			c, err := guard.As[listClaims](a)
			if err != nil {
				t.Error(err)
				return
			}
			if got := fmt.Sprint(c.Roles, c.Teams, c.Limits, c.Plan.Parts, c.Audience); got != "[user] [b a] map[day:[10]] [x] ["+audience+"]" {
				t.Errorf("got %s, want what the token says", got)
			}
			slices.Sort(c.Teams)
			c.Roles[0], c.Limits["day"][0], c.Plan.Parts[0], c.Audience[0] = "admin", "1000", "y", "another"
			c.Limits["night"] = nil
		})
	}
	all.Wait()
}
