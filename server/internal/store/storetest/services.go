package storetest

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

func serviceTests() map[string]func(*bench) {
	return map[string]func(*bench){
		"Registration":           registration,
		"Registration, parallel": registrationParallel,
		"Secrets":                changeSecrets,
		"Assertions":             assertions,
	}
}

// service makes a client with one secret and two APIs.
func (b *bench) service() auth.Client {
	b.Helper()
	for _, audience := range []string{"https://one", "https://two"} {
		b.must(b.CreateAPI(b.ctx, auth.API{ID: "api_" + audience, Audience: audience, Scopes: []string{"read"}}, nil, event("api.create")))
	}
	c := auth.Client{ID: "svc", Name: "0", Audiences: []string{"https://two", "https://gone", "https://one"}, Epoch: "e", Claims: json.RawMessage(`{"x":1}`)}
	b.must(b.CreateClient(b.ctx, c, secretOf("svc", "first"), event("client.create")))
	return c
}

func secretOf(client, text string) *auth.ClientSecret {
	return &auth.ClientSecret{ID: "sec_" + text, ClientID: client, Hash: sha256.Sum256([]byte(text))}
}

// What Registration answers is what the other methods do, at any time, however
// often it was asked for before.
func registration(b *bench) {
	c := b.service()
	want := func(what string, apis ...string) *auth.Registration {
		b.Helper()
		var reg *auth.Registration
		for range 2 {
			var err error
			reg, err = b.Registration(b.ctx, "svc")
			b.must(err)
			row, err := b.ClientByID(b.ctx, "svc")
			b.must(err)
			secrets, err := b.ClientSecrets(b.ctx, "svc", b.now())
			b.must(err)
			b.same(what+": client", reg.Client, row)
			b.same(what+": secrets", reg.Secrets, secrets)
			var names []string
			for _, api := range reg.APIs {
				row, err := b.APIByAudience(b.ctx, api.Audience)
				b.must(err)
				b.same(what+": API", api, row)
				names = append(names, api.Audience)
			}
			b.same(what+": audiences", names, apis)
		}
		return reg
	}
	reg := want("as made", "https://two", "https://one")
	if got := reg.API("https://one"); got == nil || got.Audience != "https://one" {
		b.Errorf("API of one of its audiences: %v", got)
	}
	if got := reg.API("https://gone"); got != nil {
		b.Errorf("API that does not exist: %v", got)
	}
	b.must(b.AddClientSecret(b.ctx, *secretOf("svc", "second"), event("secret")))
	want("another secret", "https://two", "https://one")
	b.must(b.RemoveClientSecret(b.ctx, "svc", "sec_first", event("secret")))
	want("one secret less", "https://two", "https://one")

	b.must(b.updateAPI(auth.API{ID: "api_https://one", Audience: "https://one", AccessTTL: time.Hour}, event("api.update")))
	want("an API changed", "https://two", "https://one")
	b.must(b.CreateAPI(b.ctx, auth.API{ID: "api_3", Audience: "https://gone"}, nil, event("api.create")))
	want("an API made", "https://two", "https://gone", "https://one")
	b.must(b.DeleteAPI(b.ctx, "api_https://two", event("api.delete")))
	want("an API gone", "https://gone", "https://one")

	b.must(b.Raise(b.ctx, auth.Marks{Expiry: b.now().Add(time.Hour), ClientID: "svc", ClientEpoch: "e"}))
	want("a mark", "https://gone", "https://one")
	_, err := b.End(b.ctx, auth.Ending{ClientID: "svc", NewEpoch: "e2"}, b.now(), event("end"))
	b.must(err)
	want("another epoch", "https://gone", "https://one")
	c.Audiences, c.Disabled = []string{"https://one"}, true
	_, err = b.updateClient(c, &auth.Ending{ClientID: "svc", NewEpoch: "e3"}, event("client.update"))
	b.must(err)
	want("disabled", "https://one")

	_, err = b.DeleteClient(b.ctx, "svc", b.now(), event("client.delete"))
	b.must(err)
	_, err = b.Registration(b.ctx, "svc")
	b.is("deleted", err, auth.ErrNotFound)
	c = auth.Client{ID: "svc", Name: "Anew", Epoch: "e4"}
	b.must(b.CreateClient(b.ctx, c, nil, event("client.create")))
	want("made anew")
}

// Whoever has been told of a change never sees what was before it.
func registrationParallel(b *bench) {
	c := b.service()
	var told atomic.Int64
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				before := told.Load()
				reg, err := b.Registration(b.ctx, "svc")
				var seen int64
				if err == nil {
					_, err = fmt.Sscan(reg.Client.Name, &seen)
				}
				if err != nil || seen < before {
					b.Errorf("Registration: name %d, %v, after %d was answered", seen, err, before)
					return
				}
			}
		})
	}
	for i := range int64(200) {
		c.Name = fmt.Sprint(i)
		if _, err := b.updateClient(c, nil, event("client.update")); err != nil {
			b.Error(err)
			break
		}
		told.Store(i)
	}
	close(stop)
	readers.Wait()
}

func changeSecrets(b *bench) {
	b.service()
	b.must(b.AddClientSecret(b.ctx, *secretOf("svc", "second"), event("client.secret.add")))
	b.taken("a third secret", b.AddClientSecret(b.ctx, *secretOf("svc", "third"), event("no")), "secret")
	b.is("a secret for nobody", b.AddClientSecret(b.ctx, *secretOf("nobody", "x"), event("no")), auth.ErrNotFound)
	b.is("another client's secret", b.RemoveClientSecret(b.ctx, auth.ClientWrit, "sec_first", event("no")), auth.ErrNotFound)
	b.is("no such secret", b.RemoveClientSecret(b.ctx, "svc", "sec_x", event("no")), auth.ErrNotFound)
	b.must(b.RemoveClientSecret(b.ctx, "svc", "sec_first", event("client.secret.remove")))
	secrets, err := b.ClientSecrets(b.ctx, "svc", b.now())
	b.must(err)
	if len(secrets) != 1 || secrets[0].ID != "sec_second" || secrets[0].Hash != sha256.Sum256([]byte("second")) {
		b.Errorf("secrets %+v, want the second alone", secrets)
	}
	expiring := *secretOf("svc", "fourth")
	expiring.ExpiresAt = b.now().Add(time.Minute)
	b.must(b.AddClientSecret(b.ctx, expiring, event("client.secret.add")))
	b.clock.Advance(time.Minute)
	b.must(b.AddClientSecret(b.ctx, *secretOf("svc", "fifth"), event("client.secret.add"))) // the fourth counts no more
	if n := b.audited("client.secret.add") + b.audited("client.secret.remove") + b.audited("no"); n != 4 {
		b.Errorf("%d events, want 4", n)
	}
}

// Of many at once exactly one uses an assertion, and none after it.
func assertions(b *bench) {
	hash := sha256.Sum256([]byte("jti"))
	until := b.now().Add(time.Minute)
	var fresh atomic.Int64
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			ok, err := b.UseAssertion(b.ctx, "svc", hash, until)
			if err != nil {
				b.Error(err)
			}
			if ok {
				fresh.Add(1)
			}
		})
	}
	all.Wait()
	if n := fresh.Load(); n != 1 {
		b.Errorf("an assertion was used %d times, want once", n)
	}
	for what, other := range map[string]struct {
		client string
		hash   [32]byte
	}{"another client": {"other", hash}, "another jti": {"svc", sha256.Sum256([]byte("x"))}} {
		ok, err := b.UseAssertion(b.ctx, other.client, other.hash, until)
		b.must(err)
		if !ok {
			b.Errorf("%s: counts as used", what)
		}
	}
}
