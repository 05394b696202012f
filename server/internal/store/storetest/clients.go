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
		Claims: json.RawMessage(`{"x":1}`), Disabled: true, Epoch: "not this", Mark: b.now().Add(time.Hour)}
	seq, err := b.UpdateClient(b.ctx, changed, nil, b.now(), event("client.update"))
	b.must(err)
	b.same("seq", seq, uint64(0))
	want := changed
	want.Epoch, want.Mark, want.CreatedAt, want.UpdatedAt = c.Epoch, c.Mark, c.CreatedAt, b.now()
	got, err := b.ClientByID(b.ctx, "shop")
	b.must(err)
	b.same("client", got, want)

	seq, err = b.UpdateClient(b.ctx, changed, &auth.Ending{ClientID: "shop", NewEpoch: "fresh"}, b.now(), event("client.update"))
	b.must(err)
	b.same("log", b.entries(), []revlog.Entry{{Seq: seq, Kind: revlog.Epoch, Hash: revlog.Hash(revlog.Epoch, "e"), Expiry: c.Mark.Unix() + 121}})
	_, err = b.UpdateClient(b.ctx, auth.Client{ID: "none"}, nil, b.now(), event("client.update"))
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
