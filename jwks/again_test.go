package jwks_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwks"
)

// Another set says nothing of what the one before lacked: a key that was asked for
// in vain for a while is asked for again as soon as the cool-down allows.
func TestAnotherSetForgetsMisses(t *testing.T) {
	key, late, fresh := publicKey(t), publicKey(t), publicKey(t)
	i := newIssuer(t, keys(t, key))
	r := i.remote(t, nil)
	mustFind(t, r, key)
	for _, wait := range []time.Duration{1, 2, 1} { // in cool-downs; the next one would be after 4
		if _, err := find(t, r, late); !errors.Is(err, jwk.ErrNotFound) {
			t.Fatalf("got %v, want ErrNotFound", err)
		}
		i.clock.advance(wait * jwks.DefaultCooldown)
	}
	wantFetches(t, i, 4)
	i.answers(keys(t, key, fresh))
	mustFind(t, r, fresh)
	i.clock.advance(jwks.DefaultCooldown)
	i.answers(keys(t, key, fresh, late))
	mustFind(t, r, late)
	wantFetches(t, i, 6)
}

// An address that works is looked up again after a day: keys that have moved may
// be left behind where they were, and never change there.
func TestDiscoveryIsAskedAgainAfterADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const issuer = "https://issuer.test"
		left, moved := publicKey(t), publicKey(t)
		before, after := recorded(keys(t, left)), recorded(keys(t, moved))
		address, discoveries := "/before", 0
		tr := newTransport(func(r *http.Request) (*http.Response, error) {
			switch r.URL.Path {
			case "/before":
				return before(r)
			case "/after":
				return after(r)
			}
			discoveries++
			return recorded(text(200, fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, issuer, issuer+address)))(r)
		})
		r, err := jwks.New(jwks.Config{Issuer: issuer, Client: &http.Client{Transport: tr}, Logger: quiet()})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		mustFind(t, r, left)
		address = "/after"
		refresh := func(wait time.Duration) {
			time.Sleep(wait)
			if err := r.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		refresh(24*time.Hour - time.Second)
		mustFind(t, r, left)
		if discoveries != 1 {
			t.Errorf("discovery was asked %d times within a day, want once", discoveries)
		}
		refresh(time.Second)
		mustFind(t, r, moved)
		if _, err := find(t, r, left); err == nil {
			t.Error("the key that was left behind is still good")
		}
		if discoveries != 2 {
			t.Errorf("discovery was asked %d times, want twice", discoveries)
		}
	})
}
