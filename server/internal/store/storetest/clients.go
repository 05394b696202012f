package storetest

import (
	"encoding/json"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/server/internal/auth"
)

func clientTests() map[string]func(*bench) {
	return map[string]func(*bench){
		"BuiltIn": builtIn,
		"Create":  createClient,
		"Update":  updateClient,
		"Delete":  deleteClient,
		"Secrets": clientSecrets,
		"Held":    heldClient,
	}
}

func builtIn(b *bench) {
	c := b.client()
	if len(c.Epoch) != 22 || c.Disabled || c.TokenEndpointAuthMethod != "none" {
		b.Errorf("the built-in client is %+v", c)
	}
	_, err := b.DeleteClient(b.ctx, auth.ClientWrit, b.now(), event("client.delete"))
	b.invalid("its deletion", err, "client_id")
	b.same("afterwards", b.client(), c)
}

func createClient(b *bench) {
	c := auth.Client{ID: "shop", Name: "Shop", GrantTypes: []string{"client_credentials"}, Epoch: "e", CreatedAt: b.now(), UpdatedAt: b.now()}
	b.must(b.CreateClient(b.ctx, c, nil, event("client.create")))
	got, err := b.ClientByID(b.ctx, "shop")
	b.must(err)
	b.same("client", got, c)
	b.taken("the same id", b.CreateClient(b.ctx, c, nil, event("x")), "client_id")
	if err := b.CreateClient(b.ctx, auth.Client{ID: "x"}, nil, event("x")); err == nil {
		b.Error("a client without an epoch was stored")
	}
	_, err = b.ClientByID(b.ctx, "Shop")
	b.is("ids are exact", err, auth.ErrNotFound)
	list, _, err := b.Clients(b.ctx, auth.Page{Query: "SHO"})
	b.must(err)
	b.same("by query", list, []auth.Client{c})
	ids := pages(b, 1, func(p auth.Page) ([]auth.Client, string, error) { return b.Clients(b.ctx, p) }, func(c auth.Client) string { return c.ID })
	b.same("pages", ids, [][]string{{"shop"}, {auth.ClientWrit}})
}

func updateClient(b *bench) {
	c := auth.Client{ID: "shop", Epoch: "e", Mark: b.now(), CreatedAt: b.now(), UpdatedAt: b.now()}
	b.must(b.CreateClient(b.ctx, c, nil, event("client.create")))
	b.clock.Advance(time.Minute)
	changed := auth.Client{ID: "shop", Name: "N", RedirectURIs: []string{"https://a"}, PostLogoutRedirectURIs: []string{"https://b"},
		GrantTypes: []string{"g"}, TokenEndpointAuthMethod: "none", JWKS: json.RawMessage(`{}`), JWKSURI: "https://c", Scope: "s",
		Audiences: []string{"a"}, AllowedOrigins: []string{"https://d"}, BackchannelLogoutURI: "https://e",
		IDTokenAlgorithm: "ES256", SkipConsent: true, RequirePushed: true, BackchannelSession: true, DPoPBound: true,
		Claims: json.RawMessage(`{"x":1}`), Disabled: true, Epoch: "not this", Mark: b.now().Add(time.Hour)}
	seq, err := b.updateClient(changed, nil, event("client.update"))
	b.must(err)
	b.same("seq", seq, uint64(0))
	want := changed
	want.Epoch, want.Mark, want.CreatedAt, want.UpdatedAt = c.Epoch, c.Mark, c.CreatedAt, b.now()
	got, err := b.ClientByID(b.ctx, "shop")
	b.must(err)
	b.same("client", got, want)

	seq, err = b.updateClient(changed, &auth.Ending{ClientID: "shop", NewEpoch: "fresh"}, event("client.update"))
	b.must(err)
	b.same("log", b.entries(), []revlog.Entry{{Seq: seq, Kind: revlog.Epoch, Hash: revlog.Hash(revlog.Epoch, "e"), Expiry: c.Mark.Unix() + 121}})
	_, err = b.updateClient(auth.Client{ID: "none"}, nil, event("client.update"))
	b.is("a missing one", err, auth.ErrNotFound)
}

func deleteClient(b *bench) {
	c := auth.Client{ID: "shop", Epoch: "e", Mark: b.now().Add(time.Hour)}
	b.must(b.CreateClient(b.ctx, c, &auth.ClientSecret{ID: "sec_1", Hash: [32]byte{1}}, event("client.create")))
	s, g := b.prepare(b.user(), c)
	b.must(b.Begin(b.ctx, s, g, auth.Marks{}, event("session.begin")))
	seq, err := b.DeleteClient(b.ctx, "shop", b.now(), event("client.delete"))
	b.must(err)
	b.same("log", b.entries(), []revlog.Entry{{Seq: seq, Kind: revlog.Epoch, Hash: revlog.Hash(revlog.Epoch, "e"), Expiry: c.Mark.Unix() + 121}})
	_, err = b.ClientByID(b.ctx, "shop")
	b.is("client", err, auth.ErrNotFound)
	_, err = b.HeldByGrant(b.ctx, g.ID)
	b.is("grant", err, auth.ErrNotFound)
	secrets, err := b.ClientSecrets(b.ctx, "shop", b.now())
	if err != nil || len(secrets) != 0 {
		b.Errorf("secrets = %v, %v, want none", secrets, err)
	}
	_, err = b.DeleteClient(b.ctx, "shop", b.now(), event("client.delete"))
	b.is("once more", err, auth.ErrNotFound)
}

func clientSecrets(b *bench) {
	secret := auth.ClientSecret{ID: "sec_1", ClientID: "shop", CreatedAt: b.now(), ExpiresAt: b.now().Add(time.Hour)}
	for i := range secret.Hash {
		secret.Hash[i] = byte(255 - i)
	}
	b.must(b.CreateClient(b.ctx, auth.Client{ID: "shop", Epoch: "e"}, &secret, event("client.create")))
	for _, c := range []struct {
		at   time.Time
		want []auth.ClientSecret
	}{{b.now(), []auth.ClientSecret{secret}}, {secret.ExpiresAt, nil}} {
		got, err := b.ClientSecrets(b.ctx, "shop", c.at)
		b.must(err)
		b.same("secrets", got, c.want)
	}
}

// What is held of a grant shows its client as it is now, however it changed and
// however often it was read before.
func heldClient(b *bench) {
	c := auth.Client{ID: "shop", Name: "One", RedirectURIs: []string{"https://a"}, Claims: json.RawMessage(`{"x":1}`), Epoch: "e"}
	b.must(b.CreateClient(b.ctx, c, nil, event("client.create")))
	s, g := b.prepare(b.user(), c)
	b.must(b.Begin(b.ctx, s, g, auth.Marks{}, event("session.begin")))
	shown := func(what, grantID string) {
		b.Helper()
		want, err := b.ClientByID(b.ctx, "shop")
		b.must(err)
		for range 2 {
			h := b.held(grantID)
			b.same(what, h.Client, want)
			h.Client.RedirectURIs[0], h.Client.Claims[0] = "https://evil", '!' // the caller's to spoil
		}
	}
	shown("as made", g.ID)
	c.Name, c.RedirectURIs = "Two", []string{"https://b"}
	_, err := b.updateClient(c, nil, event("client.update"))
	b.must(err)
	shown("updated at the same moment", g.ID)
	b.must(b.Raise(b.ctx, auth.Marks{Expiry: b.now().Add(time.Hour), ClientID: "shop"}))
	shown("with a mark", g.ID)
	_, err = b.End(b.ctx, auth.Ending{ClientID: "shop", NewEpoch: "e2"}, b.now(), event("end"))
	b.must(err)
	shown("with another epoch", g.ID)
	c.Disabled = true
	_, err = b.updateClient(c, nil, event("client.update"))
	b.must(err)
	shown("disabled", g.ID)

	_, err = b.DeleteClient(b.ctx, "shop", b.now(), event("client.delete"))
	b.must(err)
	c = auth.Client{ID: "shop", Name: "Three", RedirectURIs: []string{"https://c"}, Claims: json.RawMessage(`{}`), Epoch: "e3"}
	b.must(b.CreateClient(b.ctx, c, nil, event("client.create")))
	s, g = b.prepare(b.user(), c)
	b.must(b.Begin(b.ctx, s, g, auth.Marks{}, event("session.begin")))
	shown("made anew", g.ID)
}
